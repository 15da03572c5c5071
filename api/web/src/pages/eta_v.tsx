// The variability plane: steady sources define the cut, what lies beyond both is a candidate.

import { useMemo, useState } from "preact/hooks";
import { go, href, Link, setQuery, useAddress } from "../address";
import { loadCatalogue, type Catalogue } from "../catalogue";
import { Chart, Key, type View } from "../charts/chart";
import type { Lassoed } from "../charts/lasso";
import type { Content, Mark, Rule, Series } from "../charts/frame";
import type { Axis } from "../charts/scale";
import { count, number } from "../format";
import { SelectionBar } from "../parts/selection";
import { saveText } from "../save";
import { Loaded, useResource } from "../resource";
import type { Page, Stream } from "../types";

const REFRESH_MS = 15_000;
const REFRESH_LARGE_MS = 120_000;
const LARGE = 20_000; // beyond, a density instead of points
const MAX_ROWS = 100;

export function EtaVPage() {
  const { query } = useAddress();
  const [size, setSize] = useState(0);
  const streams = useResource<Page<Stream>>("streams", { limit: 500 });
  const load = async (signal: AbortSignal): Promise<Catalogue> => {
    const found = await loadCatalogue(query["stream"], signal);
    setSize(found.n);
    return found;
  };
  const catalogue = useResource<Catalogue>("plane", { stream: query["stream"] }, { everyMs: size > LARGE ? REFRESH_LARGE_MS : REFRESH_MS, load });
  const sigma = Number(query["sigma"]) > 0 ? Number(query["sigma"]) : 3;
  return (
    <>
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <label>Stream <select name="stream" value={query["stream"] ?? ""} onChange={(event) => setQuery({ stream: event.currentTarget.value })}><option value="">all</option>{(streams.data?.items ?? []).map(({ name }) => <option key={name}>{name}</option>)}</select></label>
        <label>Cut, σ <input name="sigma" type="number" min="0.5" max="10" step="0.5" value={sigma} onChange={(event) => setQuery({ sigma: event.currentTarget.value })} /></label>
      </form>
      <Loaded of={catalogue} what="catalogue">
        {(found) => (found.n === 0 ? <p class="empty">The running catalogue is empty: the first accepted image fills it.</p> : <Plane catalogue={found} sigma={sigma} />)}
      </Loaded>
    </>
  );
}

/** A Gaussian in log10 of the positive values, by median and median deviation; the cut lies `sigma` above. */
export function cutOf(values: Iterable<number>, sigma: number): number | null {
  const logs = [...values].filter((value) => value > 0).map(Math.log10).sort((a, b) => a - b);
  if (logs.length < 5) return null;
  const median = logs[Math.floor(logs.length / 2)] ?? 0;
  const deviations = logs.map((value) => Math.abs(value - median)).sort((a, b) => a - b);
  return 10 ** (median + sigma * 1.4826 * (deviations[Math.floor(deviations.length / 2)] ?? 0));
}

const kindOf = (of: Catalogue, index: number): string => (of.isNew[index] ? "new" : of.isVariable[index] ? "variable" : (of.nPoints[index] ?? 0) < 2 ? "one point" : "source");
const STYLES: readonly (readonly [string, string, Series["shape"]])[] = [["source", "--faint-mark", "dot"], ["one point", "--faint-mark", "ring"], ["variable", "#0072b2", "diamond"], ["new", "#d55e00", "square"]];

type Cuts = { eta: number | null; v: number | null };

function Plane({ catalogue, sigma }: { catalogue: Catalogue; sigma: number }) {
  const [view, setView] = useState<View | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const cuts = useMemo(() => ({ eta: cutOf(catalogue.eta, sigma), v: cutOf(catalogue.v, sigma) }), [catalogue, sigma]);
  const marks = useMemo(() => marksOf(catalogue), [catalogue]);
  const content = useMemo(() => contentOf(catalogue, marks, cuts, view), [catalogue, marks, cuts, view]);
  const drawn = useMemo(() => ({ ...content, chosen }), [content, chosen]);
  const candidates = useMemo(() => candidatesOf(catalogue, cuts), [catalogue, cuts]);
  const rows = useMemo(() => new Map([...catalogue.id].map((id, index) => [id, index])), [catalogue]);
  const row = (id: number | undefined): number => rows.get(id ?? -1) ?? -1;
  const chosenRows = useMemo(() => [...chosen].flatMap((id) => rows.get(id) ?? []), [chosen, rows]);
  const toggle = (id: number): void => setChosen(chosen.has(id) ? new Set([...chosen].filter((each) => each !== id)) : new Set([...chosen, id]));
  const lasso = ({ contains, isAdded }: Lassoed): void => {
    const found = [...marks.values()].flatMap((each) => each.filter(({ x, y }) => isInView(x, y, view) && contains(x, y)).map(({ id = 0 }) => id));
    setChosen(new Set([...(isAdded ? chosen : []), ...found]));
  };
  return (
    <div class="with-table">
      <div class="column">
        <section class="card" aria-label="Variability plane">
          <Chart
            content={drawn} label={`Variability plane: ${count(catalogue.n)} sources`} file="livetrap-eta-v" onView={setView}
            describe={({ mark, series }) => `source ${mark.id ?? ""}, ${series.name}${chosen.has(mark.id ?? -1) ? ", selected" : ""}\nη ${number(catalogue.eta[row(mark.id)])}, V ${number(catalogue.v[row(mark.id)])}\n${catalogue.nPoints[row(mark.id)] ?? "–"} points`}
            onPick={({ mark }) => go(href("source", { id: mark.id ?? 0 }))} onLasso={lasso} onToggle={({ mark }) => toggle(mark.id ?? -1)}
            table={() => <SourceTable catalogue={catalogue} rows={byEta(catalogue).slice(0, 500)} />}
          />
          <p class="legend">{STYLES.map(([name, colour, shape]) => <span key={name}><Key colour={colour} shape={shape} />{name}</span>)}{content.density ? "shades: number of sources" : ""}</p>
        </section>
        <Selected catalogue={catalogue} cuts={cuts} chosen={chosen} rows={chosenRows} onClear={() => setChosen(new Set())} />
      </div>
      <Beyond catalogue={catalogue} sigma={sigma} cuts={cuts} candidates={candidates} onSelect={setChosen} />
    </div>
  );
}

interface BeyondProps {
  catalogue: Catalogue;
  sigma: number;
  cuts: Cuts;
  candidates: readonly number[];
  onSelect: (ids: ReadonlySet<number>) => void;
}

function Beyond({ catalogue, sigma, cuts, candidates, onSelect }: BeyondProps) {
  const rule = cuts.eta === null || cuts.v === null ? null : `eta > ${cuts.eta.toPrecision(4)} and v > ${cuts.v.toPrecision(4)}`;
  return (
    <section class="card" aria-label="Beyond the cut">
      <h2>Beyond {number(sigma)}σ in both</h2>
      <p class="quiet">η {cuts.eta === null ? "–" : `> ${number(cuts.eta)}`}, V {cuts.v === null ? "–" : `> ${number(cuts.v)}`}: {count(candidates.length)} of {count(catalogue.n)} sources{cuts.eta === null || cuts.v === null ? "; a cut needs five sources with positive values" : ""}</p>
      {candidates.length ? <SourceTable catalogue={catalogue} rows={candidates.slice(0, MAX_ROWS)} /> : <p class="empty">No source lies beyond both.</p>}
      {candidates.length > MAX_ROWS && <p class="quiet">The {MAX_ROWS} of largest η.</p>}
      <p class="links">
        <button type="button" disabled={!candidates.length} onClick={() => onSelect(new Set(candidates.map((index) => catalogue.id[index] ?? 0)))}>Select these</button>
        {rule && <Link to={href("rules", { rule })}>The cut as a rule</Link>}
      </p>
    </section>
  );
}

interface SelectedProps {
  catalogue: Catalogue;
  cuts: Cuts;
  chosen: ReadonlySet<number>;
  rows: readonly number[];
  onClear: () => void;
}

function Selected({ catalogue, cuts, chosen, rows, onClear }: SelectedProps) {
  return (
    <section class="card" aria-label="Selection">
      <h2>Selection</h2>
      <SelectionBar sources={[...chosen]} onClear={onClear} />
      {rows.length === 0 ? <p class="quiet">Lasso: draw around sources of the plane, with Shift to add to the selection. By keys: Space selects the mark that is read.</p> : (
        <>
          <SourceTable catalogue={catalogue} rows={rows.slice(0, MAX_ROWS)} />
          {rows.length > MAX_ROWS && <p class="quiet">The first {MAX_ROWS} of {count(rows.length)}; the table has all.</p>}
          <p class="links"><button type="button" class="link" onClick={() => saveText(csvOf(catalogue, rows, cuts), "livetrap-selection.csv", "text/csv")}>Save as CSV</button></p>
        </>
      )}
    </section>
  );
}

/** The table of a selection; its first lines say what it is a selection of. */
function csvOf(of: Catalogue, rows: readonly number[], { eta, v }: Cuts): string {
  const lines = rows.map((index) => [of.id[index], of.ra[index], of.dec[index], of.eta[index], of.v[index], of.nPoints[index], of.isNew[index], of.isVariable[index]].map((each) => (Number.isNaN(each) ? "" : String(each))).join(","));
  return [
    `# ${location.href}, ${new Date().toISOString()}`, `# cuts: eta > ${eta ?? "none"}, v > ${v ?? "none"}; ra, dec: ICRS [deg]`,
    "id,ra,dec,eta,v,n_datapoints,is_new,is_variable", ...lines, "",
  ].join("\n");
}

const isInView = (eta: number, v: number, view: View | null): boolean => view === null || (eta >= view.x[0] && eta <= view.x[1] && v >= view.y[0] && v <= view.y[1]);

const byEta = (of: Catalogue): number[] => [...of.eta.keys()].sort((a, b) => (of.eta[b] || 0) - (of.eta[a] || 0));

function candidatesOf(of: Catalogue, { eta, v }: { eta: number | null; v: number | null }): number[] {
  if (eta === null || v === null) return [];
  return byEta(of).filter((index) => (of.eta[index] ?? 0) > eta && (of.v[index] ?? 0) > v);
}

/** A decade below the smallest and above the largest; what is zero or undefined is drawn at the edge. */
function logAxis(values: Iterable<number>, least: number, label: string, view: readonly [number, number] | undefined): Axis {
  let [low, high] = [Infinity, least * 10];
  for (const value of values) {
    if (value > 0 && value < low) low = value;
    if (value > high) high = value;
  }
  const from = Math.max(least, 10 ** Math.floor(Math.log10(Math.min(low, high)) - 0.01));
  return { kind: "log", label, from: view?.[0] ?? from, to: view?.[1] ?? high * 1.6 };
}

/** Marks by kind; made once for all views. */
function marksOf(of: Catalogue): Map<string, Mark[]> {
  const marks = new Map<string, Mark[]>(STYLES.map(([name]) => [name, []]));
  for (let index = 0; index < of.n; index += 1) {
    marks.get(kindOf(of, index))?.push({ x: of.eta[index] || 0, y: of.v[index] || 0, id: of.id[index] ?? 0 });
  }
  return marks;
}

function contentOf(of: Catalogue, marks: ReadonlyMap<string, readonly Mark[]>, cuts: Cuts, view: View | null): Content {
  const x = logAxis(of.eta, 1e-3, "η, reduced χ² against a constant flux; zero at the edge", view?.x);
  const y = logAxis(of.v, 1e-4, "V, scatter over mean; zero at the edge", view?.y);
  const rules: Rule[] = [];
  if (cuts.eta !== null) rules.push({ axis: "x", at: cuts.eta, text: "cut" });
  if (cuts.v !== null) rules.push({ axis: "y", at: cuts.v, text: "cut" });
  const all = STYLES.map(([name, colour, shape]) => ({ name, colour, shape, marks: (marks.get(name) ?? []).filter((each) => isInView(each.x, each.y, view)) }));
  const steady = all[0]?.marks ?? [];
  if (steady.length <= LARGE) return { x, y, rules, series: all };
  return { x, y, rules, series: all.slice(1), density: steady };
}

function SourceTable({ catalogue, rows }: { catalogue: Catalogue; rows: readonly number[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Sources">
      <table>
        <thead><tr><th scope="col">source</th><th scope="col" class="figure">η</th><th scope="col" class="figure">V</th><th scope="col" class="figure">points</th><th scope="col">kind</th></tr></thead>
        <tbody>
          {rows.map((index) => (
            <tr key={catalogue.id[index]}>
              <th scope="row"><Link to={href("source", { id: catalogue.id[index] })}>{catalogue.id[index]}</Link></th>
              <td class="figure">{number(catalogue.eta[index])}</td><td class="figure">{number(catalogue.v[index])}</td><td class="figure">{catalogue.nPoints[index]}</td><td>{kindOf(catalogue, index)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
