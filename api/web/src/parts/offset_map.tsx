// Where a stream has its sources against the catalogue, as a heat map; and what that says of its errors.

import { useMemo } from "preact/hooks";
import { Chart } from "../charts/chart";
import type { Area, Content, Mark } from "../charts/frame";
import { arcsec, count } from "../format";
import { get } from "../http";
import { Loaded, useResource } from "../resource";
import type { Detection, Image, Page, Stream } from "../types";
import { shiftOf, spreadOf } from "./positions";

const SAMPLED_IMAGES = 20; // spread over the newest
const CELLS = 31; // along an axis
const IN_VIEW = 0.99; // of the offsets
const SHADES = 14;

interface Offset {
  x: number; // to the east [arcsec]
  y: number;
  errX: number | null;
  errY: number | null;
}

function sampleOf(images: readonly Image[]): Image[] {
  const accepted = images.filter((each) => each.verdict === "accepted");
  const n = Math.min(SAMPLED_IMAGES, accepted.length);
  const step = (accepted.length - 1) / Math.max(1, n - 1); // from the oldest to the newest
  return [...Array(n).keys()].flatMap((index) => accepted[Math.round(index * step)] ?? []);
}

/** One image after the other: a page in the background has no claim to the server. */
async function loadOffsets(images: readonly Image[], signal: AbortSignal): Promise<Offset[]> {
  const found: Offset[] = [];
  for (const { id } of images) {
    const { items } = await get<Page<Detection>>(`images/${id}/sources`, {}, signal);
    for (const each of items) {
      if (each.extraction_type !== "blind" || each.source_ra === null || each.source_dec === null) continue;
      const shift = shiftOf(each, { ra: each.source_ra, dec: each.source_dec });
      if (shift) found.push({ ...shift, errX: each.ra_err_deg && each.ra_err_deg * 3600, errY: each.dec_err_deg && each.dec_err_deg * 3600 });
    }
  }
  return found;
}

export function OffsetMapCard({ images, stream, streams }: { images: readonly Image[]; stream: string | undefined; streams: readonly Stream[] }) {
  const sample = useMemo(() => sampleOf(images), [images]);
  // Again only when there are more images to look at: a map of the past changes slowly.
  const offsets = useResource<Offset[]>(sample.length ? "offsets" : null, { stream, n: sample.length }, { load: (signal) => loadOffsets(sample, signal) });
  const [own] = streams.filter((each) => each.name === stream || streams.length === 1);
  return (
    <section class="card" aria-label="Position offsets">
      <h2>Position offsets</h2>
      {sample.length === 0 ? <p class="empty">No image was accepted.</p> : (
        <Loaded of={offsets} what="offsets">
          {(found) => (found.length < 2 ? <p class="empty">No blind measurements of sources of the catalogue in these images.</p> : <OffsetMap offsets={found} nImages={sample.length} systematicDeg={own?.systematic_position_error_deg ?? null} />)}
        </Loaded>
      )}
    </section>
  );
}

function OffsetMap({ offsets, nImages, systematicDeg }: { offsets: readonly Offset[]; nImages: number; systematicDeg: number | null }) {
  const { content, counts } = useMemo(() => contentOf(offsets, systematicDeg), [offsets, systematicDeg]);
  return (
    <>
      <Chart
        content={content} label={`Position offsets: ${count(offsets.length)} blind measurements around their sources`} file="livetrap-offsets"
        describe={({ mark }) => `${count(counts.get(mark.id ?? -1) ?? 0)} measurements\n${arcsec(mark.x)} east, ${arcsec(mark.y)} north`} table={() => <OffsetTable content={content} counts={counts} />}
      />
      <Verdict offsets={offsets} nImages={nImages} systematicDeg={systematicDeg} />
    </>
  );
}

/** Shades by the logarithm of the number; the ellipse is the systematic error that the stream has. */
function contentOf(offsets: readonly Offset[], systematicDeg: number | null): { content: Content; counts: Map<number, number> } {
  const lengths = offsets.map(({ x, y }) => Math.max(Math.abs(x), Math.abs(y))).sort((a, b) => a - b);
  const systematic = (systematicDeg ?? 0) * 3600;
  const reach = 1.1 * Math.max(lengths[Math.floor(IN_VIEW * (lengths.length - 1))] ?? 0, systematic, 0.01);
  const side = (2 * reach) / CELLS;
  const counts = new Map<number, number>();
  for (const { x, y } of offsets) {
    const [i, j] = [Math.floor((x + reach) / side), Math.floor((y + reach) / side)];
    if (i >= 0 && i < CELLS && j >= 0 && j < CELLS) counts.set(j * CELLS + i, (counts.get(j * CELLS + i) ?? 0) + 1);
  }
  const most = Math.max(1, ...counts.values());
  const marks: Mark[] = [];
  const areas = [...counts].map(([id, n]): Area => {
    const [x, y] = [(id % CELLS) * side - reach, Math.floor(id / CELLS) * side - reach];
    marks.push({ x: x + side / 2, y: y + side / 2, id });
    return { corners: [[x, y], [x + side, y], [x + side, y + side], [x, y + side]], colour: "--accent", alpha: 0.15 + (0.8 * Math.round((SHADES * Math.log(n + 1)) / Math.log(most + 1))) / SHADES };
  });
  const axis = { kind: "linear" as const, from: -reach, to: reach };
  return {
    counts,
    content: {
      x: { ...axis, label: "to the east [arcsec]", isReversed: true }, y: { ...axis, label: "to the north [arcsec]" }, isSquare: true, areas, rules: [{ axis: "x", at: 0 }, { axis: "y", at: 0 }],
      ellipses: systematic ? [{ x: 0, y: 0, halfX: systematic, halfY: systematic, colour: "--quiet" }] : [],
      series: [{ name: "cell", colour: "--accent", shape: "dot", isRead: true, marks }],
    },
  };
}

/** What the scatter has beyond the errors of the fits. */
function Verdict({ offsets, nImages, systematicDeg }: { offsets: readonly Offset[]; nImages: number; systematicDeg: number | null }) {
  const axes = [
    { name: "east", values: offsets.map(({ x }) => x), errors: offsets.flatMap(({ errX }) => errX ?? []) },
    { name: "north", values: offsets.map(({ y }) => y), errors: offsets.flatMap(({ errY }) => errY ?? []) },
  ].map(({ name, values, errors }) => {
    const [{ middle, spread }, fitted] = [spreadOf(values), spreadOf(errors).middle || 0];
    return { name, middle, spread, fitted, excess: Math.sqrt(Math.max(0, spread ** 2 - fitted ** 2)) };
  });
  return (
    <>
      <div class="scroll">
        <table>
          <thead><tr><th scope="col">towards</th><th scope="col" class="figure">median</th><th scope="col" class="figure">scatter</th><th scope="col" class="figure">1σ of the fits</th><th scope="col" class="figure">beyond the fits</th></tr></thead>
          <tbody>{axes.map((each) => <tr key={each.name}><th scope="row">{each.name}</th><td class="figure">{arcsec(each.middle)}</td><td class="figure">{arcsec(each.spread)}</td><td class="figure">{arcsec(each.fitted, 2)}</td><td class="figure">{arcsec(each.excess)}</td></tr>)}</tbody>
        </table>
      </div>
      <p class="quiet">
        {count(offsets.length)} blind measurements in {nImages} images, spread over those above; scatter: 1.48 median deviations. {systematicDeg !== null && (systematicDeg > 0
          ? `The circle is the systematic error that the stream is associated with, ${arcsec(systematicDeg * 3600)}: what lies beyond the fits should be no larger.`
          : "The stream is associated without a systematic error.")}
      </p>
    </>
  );
}

function OffsetTable({ content, counts }: { content: Content; counts: ReadonlyMap<number, number> }) {
  return (
    <table>
      <thead><tr><th scope="col" class="figure">east [arcsec]</th><th scope="col" class="figure">north [arcsec]</th><th scope="col" class="figure">measurements</th></tr></thead>
      <tbody>{content.series[0]?.marks.map(({ id, x, y }) => <tr key={id}><td class="figure">{arcsec(x)}</td><td class="figure">{arcsec(y)}</td><td class="figure">{counts.get(id ?? -1)}</td></tr>)}</tbody>
    </table>
  );
}
