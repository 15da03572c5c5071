// Quality of the images: noise, number of sources, flux scale and positions along time.

import { useMemo } from "preact/hooks";
import { go, href, useAddress } from "../address";
import { Chart } from "../charts/chart";
import type { Content, Mark, Rule, Series } from "../charts/frame";
import { BAND_COLOURS } from "../charts/lightcurve";
import { around } from "../charts/scale";
import { band as bandName, count, flux, number, time, withError } from "../format";
import { get } from "../http";
import { CompletenessCard } from "../parts/completeness";
import { OfStream, StreamChoice, useStreams } from "../parts/filters";
import { OffsetMapCard } from "../parts/offset_map";
import { Loaded, useResource } from "../resource";
import type { QualityBounds } from "../operation_types";
import type { Image, Page } from "../types";

const MOST_IMAGES = 1000;

interface Quantity {
  name: string;
  label: string;
  of: (image: Image) => number | null;
  err?: (image: Image) => number | null;
  least?: number; // in view in any case
  bounds?: (of: QualityBounds) => Rule[]; // beyond them an image is rejected
  rejected?: (image: Image) => number | null; // drawn apart
}
const rmsMjy = ({ rms_jy_beam }: Image): number | null => (rms_jy_beam === null ? null : rms_jy_beam * 1e3);

const rmsRules = ({ rms_min_jy_beam: least, rms_max_jy_beam: most }: QualityBounds): Rule[] => [
  ...(least === null ? [] : [{ axis: "y" as const, at: least * 1e3, text: `rejected below ${flux(least, "/beam")}` }]),
  ...(most === null ? [] : [{ axis: "y" as const, at: most * 1e3, text: `rejected above ${flux(most, "/beam")}` }]),
];

/** What bounds the noise, in words. */
function boundsText({ rms_min_jy_beam: least, rms_max_jy_beam: most, rms_history_images: n, rms_history_sigma: sigma }: QualityBounds): string {
  const fixed = least === null && most === null ? "No fixed bounds" : `Bounds: ${least === null ? "" : `at least ${flux(least, "/beam")}`}${least !== null && most !== null ? ", " : ""}${most === null ? "" : `at most ${flux(most, "/beam")}`}`;
  return `${fixed}; ${n ? `within ${number(sigma)}σ of the newest ${count(n)} images of the band` : "none by earlier images"}.`;
}

const QUANTITIES: readonly Quantity[] = [
  { name: "Noise", label: "median rms [mJy/beam]", of: (each) => (each.verdict === "accepted" ? rmsMjy(each) : null), rejected: (each) => (each.verdict === "rejected" ? rmsMjy(each) : null), least: 0, bounds: rmsRules },
  { name: "Sources", label: "sources in an image", of: (each) => (each.verdict === "accepted" ? each.n_sources : null), least: 0 },
  { name: "Flux scale", label: "flux over the catalogue's", of: (each) => each.flux_factor, err: (each) => each.flux_factor_err, least: 1 },
  { name: "Shift east", label: "shift to the east [arcsec]", of: (each) => each.shift_east_arcsec, err: (each) => each.shift_err_arcsec, least: 0 },
  { name: "Shift north", label: "shift to the north [arcsec]", of: (each) => each.shift_north_arcsec, err: (each) => each.shift_err_arcsec, least: 0 },
];

async function loadImages(stream: string | undefined, signal: AbortSignal): Promise<Image[]> {
  const images: Image[] = [];
  let cursor: string | null = null;
  do {
    const page: Page<Image> = await get<Page<Image>>("images", { stream, limit: 500, cursor }, signal);
    images.push(...page.items);
    cursor = page.next;
  } while (cursor && images.length < MOST_IMAGES);
  return images.reverse();
}

export function QualityPage() {
  const { query } = useAddress();
  const streams = useStreams();
  const images = useResource<Image[]>(streams.unknown ? null : "newest-images", { stream: query["stream"] }, { everyMs: 20_000, load: (signal) => loadImages(query["stream"], signal) });
  const bounds = useResource<QualityBounds>("quality");
  return (
    <>
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <StreamChoice streams={streams} />
      </form>
      <OfStream streams={streams}>
        <Loaded of={images} what="images">
          {(found) => (found.length === 0 ? <p class="empty">No image arrived yet.</p> : (
            <>
              <p class="quiet">The newest {found.length.toLocaleString("en")} images, {found.filter((each) => each.verdict === "rejected").length} of them rejected.</p>
              <CompletenessCard images={found} />
              <div class="grid">
                {QUANTITIES.map((each) => <QuantityCard key={each.name} quantity={each} images={found} bounds={bounds.data} />)}
                <OffsetMapCard images={found} stream={query["stream"]} streams={streams.data?.items ?? []} />
              </div>
            </>
          ))}
        </Loaded>
      </OfStream>
    </>
  );
}

function QuantityCard({ quantity, images, bounds }: { quantity: Quantity; images: readonly Image[]; bounds: QualityBounds | null }) {
  const content = useMemo(() => contentOf(quantity, images, bounds), [quantity, images, bounds]);
  const n = content.series.reduce((sum, each) => sum + each.marks.length, 0);
  return (
    <section class="card" aria-label={quantity.name}>
      <h2>{quantity.name}</h2>
      {n === 0 ? <p class="empty">Not known for these images.</p> : (
        <Chart
          content={content} label={`${quantity.name}: ${n} images`} height="low" file={`livetrap-${quantity.name.toLowerCase().replace(" ", "-")}`}
          describe={({ mark, series }) => `image ${mark.id ?? ""}\n${time(new Date(mark.x).toISOString())} UTC\n${series.name}\n${withError(mark.y, mark.err ?? null)}`}
          onPick={({ mark }) => go(href("image", { id: mark.id ?? 0 }))} table={() => <QuantityTable quantity={quantity} images={images} />}
        />
      )}
      {n > 0 && <p class="legend">{content.series.map((each) => <span key={each.name}>{each.shape === "cross" ? "× " : <i style={{ background: each.colour }} />}{each.name}</span>)}</p>}
      {n > 0 && quantity.bounds && bounds && <p class="quiet">{boundsText(bounds)}</p>}
    </section>
  );
}

function contentOf(quantity: Quantity, images: readonly Image[], bounds: QualityBounds | null): Content {
  const bands = new Map<string, Mark[]>();
  for (const image of images) {
    const y = quantity.of(image);
    if (y === null || !image.time_start) continue;
    const err = quantity.err?.(image);
    const name = bandName(image);
    const marks = bands.get(name) ?? [];
    marks.push({ x: Date.parse(image.time_start), y, id: image.id, ...(err ? { err } : {}) });
    bands.set(name, marks);
  }
  const series: Series[] = [...bands].sort(([a], [b]) => a.localeCompare(b, "en", { numeric: true })).map(([name, marks], index) => ({ name, marks, shape: "dot", colour: BAND_COLOURS[index % BAND_COLOURS.length] ?? "--accent" }));
  const rejected = images.flatMap((image): Mark[] => {
    const y = quantity.rejected?.(image) ?? null;
    return y === null || !image.time_start ? [] : [{ x: Date.parse(image.time_start), y, id: image.id }];
  });
  if (rejected.length) series.push({ name: "rejected", marks: rejected, shape: "cross", colour: "--bad" });
  const rules = (bounds && quantity.bounds?.(bounds)) ?? [];
  const marks = series.flatMap((each) => [...each.marks]);
  const x = around(marks.map((each) => each.x), "", { kind: "time", least: 500 });
  x.label = `UTC, from ${new Date(marks.length ? x.from : 0).toISOString().slice(0, 10)}`;
  const y = around([...(quantity.least === undefined ? [] : [quantity.least]), ...rules.map((each) => each.at), ...marks.flatMap((each) => [each.y - (each.err ?? 0), each.y + (each.err ?? 0)])], quantity.label);
  return { x, y, series, rules };
}

function QuantityTable({ quantity, images }: { quantity: Quantity; images: readonly Image[] }) {
  return (
    <table>
      <thead><tr><th scope="col">image</th><th scope="col">start [UTC]</th><th scope="col">band</th><th scope="col" class="figure">{quantity.label}</th></tr></thead>
      <tbody>{images.map((each) => <tr key={each.id}><th scope="row">{each.id}</th><td>{time(each.time_start)}</td><td>{bandName(each)}</td><td class="figure">{withError(quantity.of(each) ?? quantity.rejected?.(each) ?? null, quantity.err?.(each) ?? null)}</td></tr>)}</tbody>
    </table>
  );
}
