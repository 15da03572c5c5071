// Requests to the server; no other file makes any.

const ROOT = "api/v1/";
const RETRY_MS = 2000;

export class ApiError extends Error {}

export function url(path, parameters = {}) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined),
  ).toString();
  return ROOT + path + (query ? `?${query}` : "");
}

export async function get(path, parameters) {
  const answer = await fetch(url(path, parameters), { headers: { Accept: "application/json" } });
  const body = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new ApiError(body.detail ?? `the server answered ${answer.status}`);
  return body;
}

export async function getAll(path, parameters, maxItems) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { ...parameters, limit: Math.min(500, maxItems), cursor });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < maxItems);
  return items;
}

// The browser reconnects by itself after a lost connection, with Last-Event-ID. After an error
// answer (503 while PostgreSQL is unavailable) it does not: then we reconnect.
export function follow({ onAlert, onState }, lastId = "") {
  const source = new EventSource(url("alerts/stream", { last_event_id: lastId }));
  let last = lastId;
  source.addEventListener("open", () => onState(true));
  source.addEventListener("alert", (event) => {
    last = event.lastEventId;
    onAlert(JSON.parse(event.data));
  });
  source.addEventListener("error", () => {
    onState(false);
    if (source.readyState !== EventSource.CLOSED) return;
    setTimeout(() => follow({ onAlert, onState }, last), RETRY_MS);
  });
}
