// The only place that talks to the server.

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

export async function getAll(path, parameters, most) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(path, { ...parameters, limit: Math.min(500, most), cursor });
    items.push(...page.items);
    cursor = page.next;
  } while (cursor && items.length < most);
  return items;
}

// After a lost connection the browser comes back by itself, with Last-Event-ID. After an answer
// that is an error (503 while PostgreSQL is away) it gives up for good: then we come back.
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
