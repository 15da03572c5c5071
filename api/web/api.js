// The only place that talks to the server.

const ROOT = "api/v1/";

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

// The browser reconnects by itself and sends Last-Event-ID: no alert is lost.
export function follow({ onAlert, onState }) {
  const source = new EventSource(url("alerts/stream"));
  source.addEventListener("open", () => onState(true));
  source.addEventListener("error", () => onState(false));
  source.addEventListener("alert", (event) => onAlert(JSON.parse(event.data)));
  return source;
}
