// Requests to the API: each has a time-out, can be aborted, and reads are repeated after a pause.

const ROOT = "api/v1/";
const TIME_OUT_MS = 8000;
const PAUSES_MS: readonly number[] = [400, 1500];
const PASSING: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export type Query = Record<string, string | number | boolean | null | undefined>;

export class ApiError extends Error {
  /** Status 0: no answer came. */
  constructor(readonly status: number, message: string) {
    super(message);
  }
}

export function url(path: string, query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return ROOT + path + (text ? `?${text}` : "");
}

interface Wish {
  signal?: AbortSignal | undefined;
  method?: string;
  body?: unknown;
  token?: string;
  accept?: string;
  timeOutMs?: number;
}

async function ask(address: string, wish: Wish): Promise<Response> {
  const timeOut = AbortSignal.timeout(wish.timeOutMs ?? TIME_OUT_MS);
  const headers: Record<string, string> = { Accept: wish.accept ?? "application/json" };
  if (wish.token) headers["Authorization"] = `Bearer ${wish.token}`;
  if (wish.body !== undefined) headers["Content-Type"] = "application/json";
  let answer: Response;
  try {
    answer = await fetch(address, {
      method: wish.method ?? "GET",
      headers,
      signal: wish.signal ? AbortSignal.any([wish.signal, timeOut]) : timeOut,
      ...(wish.body === undefined ? {} : { body: JSON.stringify(wish.body) }),
    });
  } catch (error) {
    if (wish.signal?.aborted) throw error;
    throw new ApiError(0, timeOut.aborted ? "the server does not answer" : "the server is unreachable");
  }
  if (answer.ok) return answer;
  const problem = (await answer.json().catch(() => ({}))) as { detail?: unknown };
  throw new ApiError(answer.status, typeof problem.detail === "string" ? problem.detail : `the server answered ${answer.status}`);
}

async function askAgain(address: string, wish: Wish): Promise<Response> {
  for (const pauseMs of PAUSES_MS) {
    try {
      return await ask(address, wish);
    } catch (error) {
      if (!(error instanceof ApiError) || (error.status !== 0 && !PASSING.has(error.status))) throw error;
    }
    await pause(pauseMs, wish.signal);
  }
  return ask(address, wish);
}

function pause(pauseMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, fail) => {
    const timer = setTimeout(done, pauseMs);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      fail(signal.reason);
    }, { once: true });
  });
}

export async function get<T>(path: string, query: Query = {}, signal?: AbortSignal): Promise<T> {
  return (await askAgain(url(path, query), { signal })).json() as Promise<T>;
}

/** A whole catalogue, which takes longer than a page of it. */
export async function getBytes(path: string, query: Query, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (await ask(url(path, query), { signal, accept: "*/*", timeOutMs: 60_000 })).arrayBuffer();
}

/** Send once: a write is not repeated unseen. */
export async function send<T>(method: "POST" | "PATCH" | "DELETE" | "GET", path: string, token: string, body?: unknown): Promise<T | null> {
  const answer = await ask(ROOT + path, { method, token, ...(body === undefined ? {} : { body }) });
  return answer.status === 204 ? null : ((await answer.json()) as T);
}
