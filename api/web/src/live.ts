// The stream of alerts: what comes, whether anything comes at all, and how old the newest is.

import { get, url } from "./http";
import { Store } from "./store";
import type { Alert, Image, Page } from "./types";

const STALE_AFTER_MS = 10_000;
const OPEN_AGAIN_AFTER_MS = 20_000;
const RETRY_MS = 2000;
const REST_AFTER_MS = 60_000;

export type Condition = "connecting" | "live" | "stale" | "failing" | "unreachable";
export interface Live {
  condition: Condition;
  heardAtMs: number; // performance.now() of the last event
  imageAgeS: number | null; // when it was heard
  imageHeardAtMs: number;
  alert: Alert | null; // the newest
  nReturns: number; // times that the server came back
  nChanges: number; // alerts that came, and these times
  serverAheadMs: number; // clock of the server minus that of this machine
}
interface Heartbeat {
  time: string;
  last_image_age_s: number | null;
}

export const live = new Store<Live>({
  condition: "connecting", heardAtMs: performance.now(), imageAgeS: null, imageHeardAtMs: 0, alert: null, nReturns: 0, nChanges: 0, serverAheadMs: 0,
});

/** Nothing comes from the server. */
export const isSilent = (condition: Condition): boolean => condition !== "connecting" && condition !== "live";
export const serverNowMs = (): number => Date.now() + live.value.serverAheadMs;

let source: EventSource | null = null;
let openedAtMs = 0;
let lastId = "";
// Somebody wants to hear of alerts although the page is not looked at.
export const isListening = { value: false };

function heard(changes: Partial<Live> = {}): void {
  const { condition, nReturns, nChanges } = live.value;
  const isBack = Number(isSilent(condition));
  live.change({ condition: "live", heardAtMs: performance.now(), nReturns: nReturns + isBack, nChanges: nChanges + isBack, ...changes });
}

function open(): void {
  source?.close();
  openedAtMs = performance.now();
  source = new EventSource(url("alerts/stream", { last_event_id: lastId }));
  source.addEventListener("open", () => heard());
  source.addEventListener("heartbeat", (event) => {
    lastId = event.lastEventId;
    const beat = JSON.parse(event.data) as Heartbeat;
    // Without PostgreSQL the server does not know the age: it grows from what was heard last.
    const image = beat.last_image_age_s === null ? {} : { imageAgeS: beat.last_image_age_s, imageHeardAtMs: performance.now() };
    heard({ ...image, serverAheadMs: Date.parse(beat.time) - Date.now() });
  });
  source.addEventListener("alert", (event) => {
    lastId = event.lastEventId;
    heard({ alert: JSON.parse(event.data) as Alert, nChanges: live.value.nChanges + 1 });
  });
  source.addEventListener("error", () => {
    // After an error answer (503 while PostgreSQL is away) the browser does not try again.
    const isAnswered = source?.readyState === EventSource.CLOSED;
    live.change({ condition: isAnswered ? "failing" : "unreachable" });
    if (isAnswered) setTimeout(() => { if (source) open(); }, RETRY_MS);
  });
}

// A frozen server keeps its connections: only silence tells.
function watch(): void {
  const silentMs = performance.now() - live.value.heardAtMs;
  if (silentMs > STALE_AFTER_MS && live.value.condition === "live") live.change({ condition: "stale" });
  if (silentMs > OPEN_AGAIN_AFTER_MS && performance.now() - openedAtMs > OPEN_AGAIN_AFTER_MS && source && source.readyState !== EventSource.CLOSED) open();
}

async function loadNewest(): Promise<void> {
  const [alerts, images] = await Promise.all([get<Page<Alert>>("alerts", { limit: 1 }), get<Page<Image>>("images", { limit: 1 })]);
  const [alert] = alerts.items;
  const [image] = images.items;
  if (alert && !live.value.alert) live.change({ alert });
  if (image && live.value.imageAgeS === null) {
    live.change({ imageAgeS: Math.max(0, (serverNowMs() - Date.parse(image.time_associated)) / 1000), imageHeardAtMs: performance.now() });
  }
}

function close(): void {
  source?.close();
  source = null;
}

/** A browser has six connections to a host for all its tabs: one that nobody looks at gives its own back. */
function restWhileUnseen(): void {
  let timer = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (document.hidden && !isListening.value) timer = setTimeout(close, REST_AFTER_MS);
    else if (!document.hidden && !source) open();
  });
  // A page that is left is kept for Back, with its connections.
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => {
    if (event.persisted && !source) open();
  });
}

export function followAlerts(): void {
  open();
  restWhileUnseen();
  setInterval(watch, 500);
  const load = (): void => {
    loadNewest().catch(() => setTimeout(load, 5000)); // the header says meanwhile that nothing answers
  };
  load();
}
