// The list of transients: one row each, newest first, stepped through by keys.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { go, href, Link, setQuery, useAddress, type Filters } from "../address";
import { duration, ETA_DECIMALS, figure, fluxFigure, kindText, number, place, snr, time, V_DECIMALS } from "../format";
import { ApiError, get, url } from "../http";
import { serverNowMs } from "../live";
import { CLASSES, classifyingKeys, undo } from "../parts/classify";
import { classOf, ColumnChooser, EXPORTS, fieldsOf, shownOf, type Column } from "../parts/columns";
import { Choice, OfStream, StreamChoice, useStreams, type Streams } from "../parts/filters";
import { useKeys } from "../parts/keys";
import { TransientBadges, useSeen } from "../parts/marks";
import { SelectionBar } from "../parts/selection";
import { Sparkline } from "../parts/sparkline";
import { RowStamps } from "../parts/row_stamps";
import { useRowWindow } from "../parts/window";
import { Loaded, useResource } from "../resource";
import type { LightCurve, Page, Point, Transient } from "../types";

const ON_A_PAGE = 50;
const NEWEST_POINTS = 60;
const FRESH_MS = 6000;
const FILTERS: readonly string[] = ["stream", "kind", "state", "min_snr"];
export const KINDS: readonly string[] = ["new_source", "variable", "faded", "vanished", "returned", "moving"];
const STATES: readonly string[] = ["active", "retracted"];

export const filtersOf = (query: Filters): Filters => Object.fromEntries(FILTERS.flatMap((name) => (query[name] ? [[name, query[name]]] : [])));

/** What a link back to the list keeps of it: filters and columns. */
export const listOf = (query: Filters): Filters => ({ ...filtersOf(query), ...(query["columns"] ? { columns: query["columns"] } : {}) });

const ago = (iso: string) => <time dateTime={iso} title={`${time(iso)} UTC`}>{duration(Math.max(0, (serverNowMs() - Date.parse(iso)) / 1000))} ago</time>;
// The position is in every row: it is the name of the transient.
const ALWAYS: readonly string[] = ["id", "source_id", "ra", "dec"];
const COLUMNS: readonly Column<Transient>[] = [
  { name: "image", head: "before, now, difference", fields: ["trig_id"], cell: () => null },
  { name: "kind", head: "kind", fields: ["kind", "state", "certainty"], cell: (of) => <TransientBadges of={of} /> },
  { name: "snr", head: "S/N", fields: ["snr"], isFigure: true, cell: (of) => snr(of.snr) },
  { name: "flux", head: "peak flux", fields: ["flux_peak_jy_beam"], isFigure: true, cell: (of) => fluxFigure(of.flux_peak_jy_beam, "/beam") },
  { name: "eta", head: "η", fields: ["eta"], isFigure: true, isWide: true, cell: (of) => figure(of.eta, ETA_DECIMALS) },
  { name: "v", head: "V", fields: ["v"], isFigure: true, isWide: true, cell: (of) => figure(of.v, V_DECIMALS) },
  { name: "points", head: "points", fields: ["n_datapoints"], isFigure: true, isWide: true, cell: (of) => of.n_datapoints },
  { name: "forced", head: "forced points", fields: ["n_forced"], isFigure: true, isExtra: true, cell: (of) => of.n_forced },
  { name: "trigger", head: "raised by", fields: ["trigger", "trigger_sigma"], isExtra: true, cell: (of) => `${of.trigger || "–"}${of.trigger_sigma === null ? "" : `, ${number(of.trigger_sigma)}σ`}` },
  { name: "episodes", head: "episodes", fields: ["n_episodes"], isFigure: true, isExtra: true, cell: (of) => of.n_episodes },
  { name: "source", head: "source", fields: ["source_id"], isFigure: true, isExtra: true, cell: (of) => of.source_id },
  { name: "stream", head: "stream", fields: ["stream"], isWide: true, cell: (of) => <span class="name">{of.stream}</span> },
  { name: "curve", head: "light curve", fields: [], cell: () => null },
  { name: "start", head: "exposure [UTC]", fields: ["time_start"], isExtra: true, cell: (of) => time(of.time_start) },
  { name: "detected", head: "detected", fields: ["time_detected"], isFigure: true, cell: (of) => ago(of.time_detected) },
];
const BRIEF = "image,kind,snr,flux,curve,detected";

export function TransientsPage() {
  const { query } = useAddress();
  const filters = filtersOf(query);
  const streams = useStreams();
  const newest = useResource<Page<Transient>>(streams.unknown ? null : "transients", { ...filters, limit: ON_A_PAGE }, { everyMs: 10_000, onAlert: true });
  const [older, setOlder] = useState<{ key: string; items: Transient[]; next: string | null } | null>(null);
  const [failure, setFailure] = useState("");
  const key = JSON.stringify(filters);
  const more = older?.key === key ? older : null;
  const first = newest.data?.items ?? [];
  const known = new Set(first.map((each) => each.id));
  const rows = [...first, ...(more?.items ?? []).filter((each) => !known.has(each.id))];
  const next = more ? more.next : (newest.data?.next ?? null);
  const loadOlder = async (): Promise<void> => {
    try {
      const page = await get<Page<Transient>>("transients", { ...filters, limit: ON_A_PAGE, cursor: next });
      setOlder({ key, items: [...(more?.items ?? []), ...page.items], next: page.next });
      setFailure("");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFailure(error.message);
    }
  };
  return (
    <section class="card" aria-label="Transients">
      <FilterForm query={query} streams={streams} />
      <OfStream streams={streams}>
        <Loaded of={newest} what="transients">
          {() => (rows.length ? <TransientTable rows={rows} list={listOf(query)} /> : <Empty isFiltered={key !== "{}"} />)}
        </Loaded>
        {next && <button type="button" class="more" onClick={() => void loadOlder()}>Load older transients</button>}
        {failure && <p class="notice" role="alert">{failure}</p>}
        <p class="links">
          All that pass the filters{query["columns"] ? ", in these columns" : ""}:{" "}
          {EXPORTS.map(([format, text]) => <a key={format} href={url("transients", { ...filters, format, columns: fieldsOf(ALWAYS, COLUMNS, query["columns"]) })}>{text}</a>)}
        </p>
      </OfStream>
    </section>
  );
}

function Empty({ isFiltered }: { isFiltered: boolean }) {
  if (isFiltered) return <p class="empty">No transient passes these filters. <Link to={href("transients")}>Show all</Link></p>;
  return (
    <p class="empty">
      No transients yet. Publish images with <code>livetrap ingest</code>, or simulated ones with <code>livetrap simulate --kafka</code>.
    </p>
  );
}

function FilterForm({ query, streams }: { query: Filters; streams: Streams }) {
  return (
    <form class="filters" onSubmit={(event) => event.preventDefault()} aria-label="Filters">
      <StreamChoice streams={streams} />
      <Choice label="Kind" name="kind" known={KINDS} textOf={kindText} />
      <Choice label="State" name="state" known={STATES} textOf={(state) => (state === "active" ? "not retracted" : state)} />
      <label>S/N ≥ <input name="min_snr" type="number" min="0" step="any" value={query["min_snr"] ?? ""} onChange={(event) => setQuery({ min_snr: event.currentTarget.value })} placeholder="any" /></label>
      <ColumnChooser all={COLUMNS} names={query["columns"]} />
      <span class="hint"><kbd>j</kbd> <kbd>k</kbd> step, <kbd>Enter</kbd> opens, <kbd>1</kbd>–<kbd>5</kbd> {CLASSES.join(", ")}, <kbd>u</kbd> undo, <kbd>x</kbd> selects</span>
    </form>
  );
}

/** Ids that were not there before, for some seconds. */
function useFresh(rows: readonly Transient[], key: string): ReadonlySet<number> {
  const known = useRef<{ key: string; ids: Set<number> } | null>(null);
  const [fresh, setFresh] = useState<ReadonlySet<number>>(new Set());
  useEffect(() => {
    const before = known.current;
    if (before?.key === key) {
      const came = rows.filter((each) => !before.ids.has(each.id) && serverNowMs() - Date.parse(each.time_detected) < 60_000).map((each) => each.id);
      if (came.length) {
        setFresh(new Set(came));
        setTimeout(() => setFresh(new Set()), FRESH_MS);
      }
    }
    known.current = { key, ids: new Set(rows.map((each) => each.id)) };
  }, [rows, key]);
  return fresh;
}

interface TableProps {
  rows: readonly Transient[];
  list: Filters; // what a link back to the list keeps of it
  brief?: boolean;
}

export function TransientTable({ rows, list, brief = false }: TableProps) {
  const [chosenId, setChosenId] = useState<number | null>(null);
  const [selected, setSelected] = useState<ReadonlySet<number>>(new Set()); // ids of sources
  const body = useRef<HTMLTableSectionElement>(null);
  const wanted = useRef<number | null>(null); // to be given the focus once it is drawn
  const shown = useRowWindow(body, rows.length);
  const fresh = useFresh(rows, JSON.stringify(filtersOf(list)));
  const columns = useMemo(() => shownOf(COLUMNS, brief ? BRIEF : list["columns"]), [brief, list["columns"]]);
  const index = rows.findIndex((each) => each.id === chosenId);
  const chosen = rows[index];
  useEffect(() => {
    const link = wanted.current === null ? null : body.current?.querySelector<HTMLElement>(`[data-transient="${wanted.current}"] th a`);
    if (!link) return;
    wanted.current = null;
    link.focus();
  });
  const step = (by: number): void => {
    const at = index < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, index + by));
    const next = rows[at];
    if (!next) return;
    wanted.current = next.id;
    shown.include(at);
    setChosenId(next.id);
    if (next.id === chosenId) body.current?.querySelector<HTMLElement>(`[data-transient="${next.id}"] th a`)?.focus();
  };
  const toggle = (source: number): void => setSelected(selected.has(source) ? new Set([...selected].filter((each) => each !== source)) : new Set([...selected, source]));
  const open = (): void => {
    if (chosen) go(href("source", { transient: chosen.id, ...list }));
  };
  const actions: Record<string, () => void> = { j: () => step(1), k: () => step(-1), Enter: open, o: open };
  if (chosen && !brief) actions["x"] = () => toggle(chosen.source_id);
  // With a selection these keys are those of its bar.
  if (!selected.size) Object.assign(actions, chosen ? classifyingKeys([chosen.source_id]) : { u: () => void undo() });
  useKeys(actions);
  return (
    <>
      {selected.size > 0 && <SelectionBar sources={[...selected]} onClear={() => setSelected(new Set())} />}
      <div class="scroll">
        <table class="transients" aria-rowcount={rows.length + 1}>
          <TableHead columns={columns} brief={brief} />
          <tbody ref={body}>
            {shown.beforePx > 0 && <tr class="gap" aria-hidden="true"><td style={{ height: `${shown.beforePx}px` }} /></tr>}
            {rows.slice(shown.first, shown.end).map((each, place) => (
              <Row
                key={each.id} of={each} index={shown.first + place + 2} list={list} columns={columns} brief={brief} isChosen={each.id === chosenId} isFresh={fresh.has(each.id)} onChoose={() => setChosenId(each.id)}
                isSelected={selected.has(each.source_id)} onSelect={() => toggle(each.source_id)}
              />
            ))}
            {shown.afterPx > 0 && <tr class="gap" aria-hidden="true"><td style={{ height: `${shown.afterPx}px` }} /></tr>}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** The position stands after the pixels. */
const nBefore = (columns: readonly Column<Transient>[]): number => (columns[0]?.name === "image" ? 1 : 0);

function TableHead({ columns, brief }: { columns: readonly Column<Transient>[]; brief: boolean }) {
  const head = (each: Column<Transient>) => <th key={each.name} scope="col" class={classOf(each)}>{brief && each.name === "image" ? "now" : each.head}</th>;
  return (
    <thead>
      <tr>
        {!brief && <th scope="col"><span class="visually-hidden">selected</span></th>}
        {columns.slice(0, nBefore(columns)).map(head)}
        <th scope="col">position, ICRS</th>
        {columns.slice(nBefore(columns)).map(head)}
      </tr>
    </thead>
  );
}

interface RowProps {
  of: Transient;
  list: Filters;
  columns: readonly Column<Transient>[];
  brief: boolean;
  isChosen: boolean;
  isFresh: boolean;
  isSelected: boolean;
  index: number; // from 1, with the head
  onChoose: () => void;
  onSelect: () => void;
}

function Row({ of, list, columns, brief, isChosen, isFresh, isSelected, index, onChoose, onSelect }: RowProps) {
  const [row, isSeen] = useSeen<HTMLTableRowElement>();
  const hasCurve = columns.some((each) => each.name === "curve" || each.name === "image");
  const curve = useResource<LightCurve>(isSeen && hasCurve ? `sources/${of.source_id}/lightcurve` : null, { newest: NEWEST_POINTS, limit: NEWEST_POINTS });
  const points = curve.data?.points ?? [];
  const name = place(of);
  const cell = (each: Column<Transient>) => {
    if (each.name === "image") return <td key={each.name} class="stamp-cell"><RowStamps of={of} name={name} image={nearestImage(points, of.time_start)} isSeen={isSeen} isBrief={brief} /></td>;
    return <td key={each.name} class={classOf(each)} data-head={each.head}>{each.name === "curve" ? <Sparkline points={points} /> : each.cell(of)}</td>;
  };
  return (
    <tr ref={row} data-transient={of.id} aria-rowindex={index} class={`${isChosen ? "chosen" : ""}${isFresh ? " fresh" : ""}`} aria-selected={isChosen} onFocusCapture={onChoose}>
      {!brief && <td class="select-cell"><input type="checkbox" checked={isSelected} aria-label={`Select ${name}`} onChange={onSelect} /></td>}
      {columns.slice(0, nBefore(columns)).map(cell)}
      <th scope="row"><Link to={href("source", { transient: of.id, ...list })}>{name}</Link></th>
      {columns.slice(nBefore(columns)).map(cell)}
    </tr>
  );
}

/** The image that triggered, or the one nearest to it in time. */
export function nearestImage(points: readonly Point[], timeStart: string): string | null {
  const wantedMs = Date.parse(timeStart);
  let best: Point | null = null;
  for (const point of points) {
    if (!best || Math.abs(Date.parse(point.time_start) - wantedMs) < Math.abs(Date.parse(best.time_start) - wantedMs)) best = point;
  }
  return best?.image_id ?? null;
}
