// Filters by name: what the address says stays in view, known or not.

import { useEffect } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { href, Link, setQuery, useAddress } from "../address";
import { count } from "../format";
import { useResource, type Resource } from "../resource";
import type { Page, Stream } from "../types";

const REFRESH_MS = 60_000;
const REFRESH_UNKNOWN_MS = 10_000; // its first image may come
const MOST_LINKS = 20;

interface ChoiceProps {
  label: string;
  name: string; // in the address
  known: readonly string[] | null; // null: not loaded yet
  textOf?: (value: string) => string;
}

/** One of some values, or all; a value that is none of them is shown as unknown, not as "all". */
export function Choice({ label, name, known, textOf = (value) => value }: ChoiceProps) {
  const { query } = useAddress();
  const value = query[name] ?? "";
  const isStrange = value !== "" && !known?.includes(value);
  return (
    <label>
      {label}{" "}
      <select name={name} value={value} onChange={(event) => setQuery({ [name]: event.currentTarget.value, from: null })}>
        <option value="">all</option>
        {isStrange && <option value={value}>{known ? `${value} (unknown)` : value}</option>}
        {known?.map((each) => <option key={each} value={each}>{textOf(each)}</option>)}
      </select>
    </label>
  );
}

export interface Streams extends Resource<Page<Stream>> {
  unknown: string | null; // the stream that the address names, where there is none of this name: nothing is asked of it
}

export function useStreams(): Streams {
  const { query } = useAddress();
  const streams = useResource<Page<Stream>>("streams", { limit: 500 }, { everyMs: REFRESH_MS });
  const names = namesOf(streams);
  const name = query["stream"];
  const isUnknown = name && names && !streams.data?.next && !names.includes(name);
  return { ...streams, unknown: isUnknown ? name : null };
}

const namesOf = (streams: Resource<Page<Stream>>): string[] | null => streams.data?.items.map(({ name }) => name) ?? null;

export const StreamChoice = ({ streams }: { streams: Streams }) => <Choice label="Stream" name="stream" known={namesOf(streams)} />;

/** What there is of the stream that the address names; in its place, words if there is no such stream. */
export function OfStream({ streams, children }: { streams: Streams; children: ComponentChildren }) {
  const { unknown } = streams;
  return unknown === null ? <>{children}</> : <UnknownStream name={unknown} names={namesOf(streams) ?? []} reload={streams.reload} />;
}

function UnknownStream({ name, names, reload }: { name: string; names: readonly string[]; reload: () => void }) {
  const { page, query } = useAddress();
  useEffect(() => {
    const timer = setInterval(reload, REFRESH_UNKNOWN_MS);
    return () => clearInterval(timer);
  }, [reload]);
  const to = (stream: string): string => href(page ?? "now", { ...query, stream, from: null });
  return (
    <div class="empty unknown-stream" role="status">
      <p>There is no stream “<span class="asked">{name}</span>”{names.length ? "." : ", nor any other: the first image of a stream makes it."}</p>
      {names.length > 0 && (
        <p class="links">
          Known: {names.slice(0, MOST_LINKS).map((each) => <Link key={each} to={to(each)} class="name">{each}</Link>)}
          {names.length > MOST_LINKS && <span>and {count(names.length - MOST_LINKS)} more</span>}
          <Link to={to("")}>all streams</Link>
        </p>
      )}
    </div>
  );
}
