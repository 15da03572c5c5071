// Which part of the sources that were put into the images was found, by flux density.

import { useMemo } from "preact/hooks";
import { setQuery } from "../address";
import { Chart } from "../charts/chart";
import type { Content } from "../charts/frame";
import { around } from "../charts/scale";
import { count, flux } from "../format";
import { Loaded, useResource } from "../resource";
import type { CompletenessBin, Page, ReferenceCatalogue } from "../types";

const AIR = 1.2; // beyond the first and the last bin
const middleMjy = (of: CompletenessBin): number => 1e3 * Math.sqrt(of.flux_min_jy * of.flux_max_jy);
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`;

/** Score interval of 1 sigma of a proportion: its middle, and half its length (Wilson 1927, JASA 22, 209). */
function intervalOf({ n_found, n_injected: n }: CompletenessBin): readonly [number, number] {
  const part = n_found / n;
  return [(part + 1 / (2 * n)) / (1 + 1 / n), Math.sqrt((part * (1 - part)) / n + 1 / (4 * n * n)) / (1 + 1 / n)];
}

export function InjectionCard({ stream, catalogue }: { stream: string | undefined; catalogue: string | undefined }) {
  const catalogues = useResource<Page<ReferenceCatalogue>>("references");
  const names = new Set([...(catalogue ? [catalogue] : []), ...(catalogues.data?.items ?? []).map((each) => each.name)]);
  return (
    <section class="card" aria-label="Completeness from injections">
      <div class="card-head">
        <h2>Completeness from injections</h2>
        <form class="filters" aria-label="Catalogue of injected sources" onSubmit={(event) => event.preventDefault()}>
          <label>Injected sources <select name="injections" value={catalogue ?? ""} onChange={(event) => setQuery({ injections: event.currentTarget.value })}><option value="">choose a catalogue</option>{[...names].map((name) => <option key={name}>{name}</option>)}</select></label>
        </form>
      </div>
      {catalogue
        ? <Found stream={stream} catalogue={catalogue} />
        : <p class="quiet">Put sources into images, load their catalogue (<code>livetrap catalogues load</code>), and choose it: the part that was found is the completeness.</p>}
    </section>
  );
}

function Found({ stream, catalogue }: { stream: string | undefined; catalogue: string }) {
  const bins = useResource<Page<CompletenessBin>>(`references/${encodeURIComponent(catalogue)}/completeness`, { stream }, { everyMs: 60_000 });
  return <Loaded of={bins} what="completeness">{({ items }) => (items.length ? <FoundChart bins={items} /> : <p class="empty">No source of this catalogue has a flux density.</p>)}</Loaded>;
}

function FoundChart({ bins }: { bins: readonly CompletenessBin[] }) {
  const content = useMemo(() => contentOf(bins), [bins]);
  const [n, nFound] = [bins.reduce((sum, each) => sum + each.n_injected, 0), bins.reduce((sum, each) => sum + each.n_found, 0)];
  const describe = (index: number): string => {
    const of = bins[index];
    return of ? `${flux(of.flux_min_jy)} to ${flux(of.flux_max_jy)}\n${of.n_found} of ${of.n_injected} found\n${percent(of.n_found / of.n_injected)}` : "";
  };
  return (
    <>
      <Chart content={content} label={`Completeness from injections: ${count(nFound)} of ${count(n)} sources found`} height="low" file="livetrap-completeness" describe={({ mark }) => describe(mark.id ?? -1)} table={() => <BinTable bins={bins} />} />
      <p class="quiet">{count(nFound)} of {count(n)} injected sources are in the running catalogue within 60″: {percent(nFound / n)}. Errors: 1σ of a proportion.</p>
    </>
  );
}

function contentOf(bins: readonly CompletenessBin[]): Content {
  const marks = bins.map((each, id) => {
    const [middle, err] = intervalOf(each);
    return { x: middleMjy(each), y: 100 * middle, err: 100 * err, id };
  });
  return {
    x: { kind: "log", label: "flux density of the injected source [mJy]", from: (1e3 * (bins[0]?.flux_min_jy ?? 1)) / AIR, to: 1e3 * (bins.at(-1)?.flux_max_jy ?? 1) * AIR },
    y: { ...around([0, 100], "found [%]"), from: 0, to: 105 },
    rules: [{ axis: "y", at: 95, text: "95 %" }],
    series: [{ name: "found", colour: "--accent", shape: "dot", isJoined: true, marks }],
  };
}

function BinTable({ bins }: { bins: readonly CompletenessBin[] }) {
  return (
    <table>
      <thead><tr><th scope="col">flux density from</th><th scope="col" class="figure">to</th><th scope="col" class="figure">injected</th><th scope="col" class="figure">found</th><th scope="col" class="figure">part</th></tr></thead>
      <tbody>{bins.map((each) => <tr key={each.flux_min_jy}><th scope="row" class="figure">{flux(each.flux_min_jy)}</th><td class="figure">{flux(each.flux_max_jy)}</td><td class="figure">{each.n_injected}</td><td class="figure">{each.n_found}</td><td class="figure">{percent(each.n_found / each.n_injected)}</td></tr>)}</tbody>
    </table>
  );
}
