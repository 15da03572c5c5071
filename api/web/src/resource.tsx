// What a page has of the server: loading, loaded, failed, and refreshed while it is looked at.

import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { ApiError, get, type Query } from "./http";
import { live } from "./live";

const SOON_MS = 150;
const STORM_MS = 1000;

export interface Resource<T> {
  data: T | null;
  error: ApiError | null; // of the last attempt
  reload: () => void;
}
interface Options<T> {
  everyMs?: number; // repeat; without it: once
  onAlert?: boolean; // repeat when an alert comes, not only when the server came back
  load?: (signal: AbortSignal) => Promise<T>; // other than one GET
}

/** Follow one address of the API; null: nothing to load yet. */
export function useResource<T>(path: string | null, query: Query = {}, { everyMs, onAlert = false, load }: Options<T> = {}): Resource<T> {
  const key = path === null ? null : path + JSON.stringify(query);
  const [state, setState] = useState<{ key: string | null; data: T | null; error: ApiError | null }>({ key, data: null, error: null });
  const [round, setRound] = useState(0);
  const loadRef = useRef(load);
  loadRef.current = load;
  const isAsking = useRef(false);
  const reload = useCallback(() => setRound((before) => before + 1), []);

  useEffect(() => {
    if (path === null) return undefined;
    const ending = new AbortController();
    let timer = 0;
    const again = (): void => {
      if (everyMs) timer = setTimeout(run, everyMs);
    };
    const run = async (): Promise<void> => {
      if (document.hidden && round > 0) return again();
      isAsking.current = true;
      try {
        const data = await (loadRef.current ? loadRef.current(ending.signal) : get<T>(path, query, ending.signal));
        if (!ending.signal.aborted) setState({ key, data, error: null });
      } catch (error) {
        if (ending.signal.aborted) return undefined;
        if (!(error instanceof ApiError)) throw error;
        setState((before) => ({ key, data: before.key === key ? before.data : null, error }));
      }
      isAsking.current = false;
      return again();
    };
    void run();
    return () => {
      ending.abort();
      clearTimeout(timer);
    };
  }, [key, round, everyMs]);
  useEffect(() => whenMore(onAlert ? "nChanges" : "nReturns", isAsking, reload), [onAlert]);

  const isOfThis = state.key === key;
  return { data: isOfThis ? state.data : null, error: isOfThis ? state.error : null, reload };
}

/** Reload when a counter grows: soon, and in a storm every second, after the answer to the last time. */
function whenMore(counter: "nChanges" | "nReturns", isAsking: { current: boolean }, reload: () => void): () => void {
  let { [counter]: known, nReturns } = live.value;
  let timer = 0;
  let reloadedAtMs = -Infinity;
  const run = (): void => {
    // What was asked of a server before it was away may never be answered.
    if (isAsking.current && live.value.nReturns === nReturns) {
      timer = setTimeout(run, SOON_MS);
      return;
    }
    ({ nReturns } = live.value);
    timer = 0;
    reloadedAtMs = performance.now();
    reload();
  };
  const ends = live.follow(() => {
    if (live.value[counter] === known) return;
    known = live.value[counter];
    if (!timer) timer = setTimeout(run, Math.max(SOON_MS, reloadedAtMs + STORM_MS - performance.now()));
  });
  return () => {
    ends();
    clearTimeout(timer);
  };
}

interface LoadedProps<T> {
  of: Resource<T>;
  what: string;
  heightRem?: number; // of what comes: nothing below moves then
  children: (data: T) => ComponentChildren;
}

/** Show what was loaded, or in words why there is nothing. */
export function Loaded<T>({ of, what, heightRem, children }: LoadedProps<T>) {
  if (of.data !== null) {
    return (
      <>
        {of.error && <p class={of.error.status === 0 ? "notice unanswered" : "notice"} role="status">Out of date: {of.error.message}</p>}
        {children(of.data)}
      </>
    );
  }
  if (of.error) return <Failure error={of.error} what={what} reload={of.reload} />;
  return <p class="empty" aria-busy="true" style={heightRem ? { minHeight: `${heightRem}rem` } : {}}>Loading {what} …</p>;
}

function Failure({ error, what, reload }: { error: ApiError; what: string; reload: () => void }) {
  if (error.status === 404) return <p class="empty" role="status">Not found: {error.message}</p>;
  return (
    <div class="empty" role="alert">
      <p>No {what}: {error.message}</p>
      <button type="button" onClick={reload}>Try again</button>
    </div>
  );
}
