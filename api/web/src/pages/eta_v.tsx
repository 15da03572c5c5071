// The variability plane: steady sources define the cut, what lies beyond both is a candidate.

import { useMemo, useState } from "preact/hooks";
import { go, href, Link, setQuery, useAddress } from "../address";
import { isNew, isVariable, loadCatalogue, type Catalogue, type Wanted } from "../catalogue";
import { Chart, Key, type View } from "../charts/chart";
import type { Lassoed } from "../charts/lasso";
import type { Content, Mark, Rule, Series } from "../charts/frame";
import type { Axis } from "../charts/scale";
import { count, ETA_DECIMALS, figure, number, V_DECIMALS, withError } from "../format";
import { OfStream, StreamChoice, useStreams } from "../parts/filters";
import { SelectionBar } from "../parts/selection";
import { saveText } from "../save";
import { Loaded, useResource } from "../resource";

const REFRESH_MS = 15_000;
const REFRESH_LARGE_MS = 120_000;
const LARGE = 20_000; // beyond, a density instead of points
const MAX_ROWS = 100;

export function EtaVPage() {
  const { query } = useAddress();
  const [size, setSize] = useState(0);
  const wanted: Wanted = { stream: query["stream"], min_n_datapoints: query["points"], min_snr_max: query["snr"], tag: query["tag"] };
  const streams = useStreams();
  const load = async (signal: AbortSignal): Promise<Catalogue> => {
    const found = await loadCatalogue(wanted, signal);
    setSize(found.n);
    return found;
  };
  const catalogue = useResource<Catalogue>(streams.unknown ? null : "plane", { ...wanted }, { everyMs: size > LARGE ? REFRESH_LARGE_MS : REFRESH_MS, load });
  const sigmas = { eta: sigmaOf(query["sigma"]), v: sigmaOf(query["sigma_v"] ?? query["sigma"]) };
  const isFiltered = Object.values(wanted).some(Boolean);
  const onChange = (event: Event): void => {
    const field = event.currentTarget as HTMLSelectElement | HTMLInputElement;
    setQuery({ [field.name]: field.value });
  };
  return (
    <>
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <StreamChoice streams={streams} />
        <label>Points ≥ <input name="points" type="number" min="0" step="1" value={query["points"] ?? ""} onChange={onChange} placeholder="any" /></label>
        <label>Greatest S/N ≥ <input name="snr" type="number" min="0" step="any" value={query["snr"] ?? ""} onChange={onChange} placeholder="any" /></label>
        <label>Tag <input name="tag" maxLength={40} value={query["tag"] ?? ""} onChange={onChange} placeholder="any" /></label>
        <label>Cut in η, σ <input name="sigma" type="number" min="0.5" max="10" step="0.5" value={sigmas.eta} onChange={onChange} /></label>
        <label>Cut in V, σ <input name="sigma_v" type="number" min="0.5" max="10" step="0.5" value={sigmas.v} onChange={onChange} /></label>
      </form>
      <OfStream streams={streams}>
        <Loaded of={catalogue} what="catalogue">
          {(found) => (found.n === 0 ? <Nothing isFiltered={isFiltered} /> : <Plane catalogue={found} sigmas={sigmas} />)}
        </Loaded>
      </OfStream>
    </>
  );
}

const sigmaOf = (text: string | undefined): number => (Number(text) > 0 ? Number(text) : 3);

const Nothing = ({ isFiltered }: { isFiltered: boolean }) =>
  <p class="empty">{isFiltered ? "No source passes these filters." : "The running catalogue is empty: the first accepted image fills it."}</p>;

interface Fit {
  middle: number; // of log10
  spread: number;
  cut: number;
}

/** A Gaussian in log10 of the positive values, by median and median deviation; the cut lies `sigma` above. */
function fitOf(values: Float64Array, sigma: number): Fit | null {
  const logs = values.filter((value) => value > 0).map((value) => Math.log10(value)).sort();
  if (logs.length < 5) return null;
  const middle = logs[Math.floor(logs.length / 2)] ?? 0;
  const deviations = logs.map((value) => Math.abs(value - middle)).sort();
  const spread = 1.4826 * (deviations[Math.floor(deviations.length / 2)] ?? 0);
  return { middle, spread, cut: 10 ** (middle + sigma * spread) };
}

const kindOf = (of: Catalogue, index: number): string => (isNew(of, index) ? "new" : isVariable(of, index) ? "variable" : (of.nPoints[index] ?? 0) < 2 ? "one point" : "source");
const STYLES: readonly (readonly [string, string, Series["shape"]])[] = [["source", "--faint-mark", "dot"], ["one point", "--faint-mark", "ring"], ["variable", "#0072b2", "diamond"], ["new", "#d55e00", "square"]];

type Cuts = { eta: number | null; v: number | null };

type Sigmas = { eta: number; v: number };

function Plane({ catalogue, sigmas }: { catalogue: Catalogue; sigmas: Sigmas }) {
  const [view, setView] = useState<View | null>(null);
  const [chosen, setChosen] = useState<ReadonlySet<number>>(new Set());
  const fits = useMemo(() => ({ eta: fitOf(catalogue.eta, sigmas.eta), v: fitOf(catalogue.v, sigmas.v) }), [catalogue, sigmas.eta, sigmas.v]);
  const cuts = useMemo(() => ({ eta: fits.eta?.cut ?? null, v: fits.v?.cut ?? null }), [fits]);
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
      <Beyond catalogue={catalogue} sigmas={sigmas} fits={fits} cuts={cuts} candidates={candidates} onSelect={setChosen} />
    </div>
  );
}

interface BeyondProps {
  catalogue: Catalogue;
  sigmas: Sigmas;
  fits: { eta: Fit | null; v: Fit | null };
  cuts: Cuts;
  candidates: readonly number[];
  onSelect: (ids: ReadonlySet<number>) => void;
}

function Beyond({ catalogue, sigmas, fits, cuts, candidates, onSelect }: BeyondProps) {
  const rule = cuts.eta === null || cuts.v === null ? null : `eta > ${cuts.eta.toPrecision(4)} and v > ${cuts.v.toPrecision(4)}`;
  return (
    <section class="card" aria-label="Beyond the cut">
      <h2>Beyond {number(sigmas.eta)}σ {sigmas.v === sigmas.eta ? "in both" : `in η and ${number(sigmas.v)}σ in V`}</h2>
      <p class="quiet">η {cuts.eta === null ? "–" : `> ${number(cuts.eta)}`}, V {cuts.v === null ? "–" : `> ${number(cuts.v)}`}: {count(candidates.length)} of {count(catalogue.n)} sources{cuts.eta === null || cuts.v === null ? "; a cut needs five sources with positive values" : ""}</p>
      {fits.eta && fits.v && <p class="quiet">Fits, by median and 1.48 median deviations: log₁₀ η = {withError(fits.eta.middle, fits.eta.spread)}, log₁₀ V = {withError(fits.v.middle, fits.v.spread)}.</p>}
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
  const lines = rows.map((index) => [of.id[index], of.ra[index], of.dec[index], of.eta[index], of.v[index], of.nPoints[index], isNew(of, index), isVariable(of, index)].map((each) => (Number.isNaN(each) ? "" : String(each))).join(","));
  return [
    `# ${location.href}, ${new Date().toISOString()}`, `# cuts: eta > ${eta ?? "none"}, v > ${v ?? "none"}; ra, dec: ICRS [deg]`,
    "id,ra,dec,eta,v,n_datapoints,is_new,is_variable", ...lines, "",
  ].join("\n");
}

const isInView = (eta: number, v: number, view: View | null): boolean => view === null || (eta >= view.x[0] && eta <= view.x[1] && v >= view.y[0] && v <= view.y[1]);

const byEta = (of: Catalogue): number[] => [...of.eta.keys()].sort((a, b) => (of.eta[b] || 0) - (of.eta[a] || 0));

function candidatesOf(of: Catalogue, { eta, v }: { eta: number | null; v: number | null }): number[] {
  if (eta === null || v === null) return [];
  return [...of.eta.keys()].filter((index) => (of.eta[index] ?? 0) > eta && (of.v[index] ?? 0) > v).sort((a, b) => (of.eta[b] ?? 0) - (of.eta[a] ?? 0));
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
              <td class="figure">{figure(catalogue.eta[index], ETA_DECIMALS)}</td><td class="figure">{figure(catalogue.v[index], V_DECIMALS)}</td><td class="figure">{catalogue.nPoints[index]}</td><td>{kindOf(catalogue, index)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
