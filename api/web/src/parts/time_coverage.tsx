// When each band was observed, and how deep.

import { useMemo } from "preact/hooks";
import { go, href } from "../address";
import { Chart } from "../charts/chart";
import type { Content, Mark, Series } from "../charts/frame";
import { BAND_COLOURS } from "../charts/lightcurve";
import { around } from "../charts/scale";
import { band as bandName, count, duration, flux, time } from "../format";
import type { Image } from "../types";

interface Row {
  name: string;
  images: Image[]; // in the order of time
  fromMs: number;
  toMs: number;
  observedMs: number; // of a field twice is twice
  part: number; // of the time from the first to the last exposure in which some field was observed
  deepest: number | null;
}

const startMs = (of: Image): number => Date.parse(of.time_start ?? "");
const endMs = (of: Image): number => startMs(of) + 1000 * (of.exposure_s ?? 0);

function rowsOf(images: readonly Image[]): Row[] {
  const bands = new Map<string, Image[]>();
  for (const image of images) {
    if (image.verdict !== "accepted" || image.time_start === null) continue;
    const known = bands.get(bandName(image));
    if (known) known.push(image);
    else bands.set(bandName(image), [image]);
  }
  return [...bands].map(([name, own]) => rowOf(name, own.sort((a, b) => startMs(a) - startMs(b)))).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

function rowOf(name: string, images: Image[]): Row {
  let [coveredMs, untilMs] = [0, -Infinity];
  for (const each of images) { // what overlaps counts once
    coveredMs += Math.max(0, endMs(each) - Math.max(startMs(each), untilMs));
    untilMs = Math.max(untilMs, endMs(each));
  }
  const fromMs = startMs(images[0] as Image);
  const rms = images.flatMap((each) => each.rms_jy_beam ?? []);
  return {
    name, images, fromMs, toMs: untilMs, observedMs: images.reduce((sum, each) => sum + endMs(each) - startMs(each), 0),
    part: untilMs > fromMs ? coveredMs / (untilMs - fromMs) : 1, deepest: rms.length ? Math.min(...rms) : null,
  };
}

export function TimeCoverageCard({ images }: { images: readonly Image[] }) {
  const rows = useMemo(() => rowsOf(images), [images]);
  const content = useMemo(() => contentOf(rows), [rows]);
  const all = useMemo(() => new Map(images.map((each) => [each.id, each])), [images]);
  return (
    <section class="card" aria-label="Time coverage">
      <h2>Time coverage and depth</h2>
      {rows.length === 0 ? <p class="empty">No image was accepted yet.</p> : (
        <>
          <Chart
            content={content} label={`Time coverage: ${rows.length} bands, ${count(rows.reduce((sum, each) => sum + each.images.length, 0))} images`} height="low" file="livetrap-time-coverage"
            describe={({ mark, series }) => { const of = all.get(mark.id ?? -1); return of ? `image ${of.id}, ${series.name}\n${time(of.time_start)} UTC, ${duration(of.exposure_s ?? 0)}\nrms ${flux(of.rms_jy_beam, "/beam")}` : series.name; }}
            onPick={({ mark }) => go(href("image", { id: mark.id ?? 0 }))} table={() => <ImageTable rows={rows} />}
          />
          <p class="legend">{content.series.map((each) => <span key={each.name}><i style={{ background: each.colour }} />{each.name}</span>)}</p>
          <BandTable rows={rows} />
        </>
      )}
    </section>
  );
}

function BandTable({ rows }: { rows: readonly Row[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Time coverage by band">
      <table>
        <thead><tr><th scope="col">band</th><th scope="col" class="figure">images</th><th scope="col" class="figure">observed</th><th scope="col" class="figure">of the time</th><th scope="col" class="figure">deepest rms</th><th scope="col">from, to [UTC]</th></tr></thead>
        <tbody>
          {rows.map((each) => (
            <tr key={each.name}>
              <th scope="row">{each.name}</th><td class="figure">{count(each.images.length)}</td><td class="figure">{duration(each.observedMs / 1000)}</td><td class="figure">{(100 * each.part).toFixed(1)} %</td>
              <td class="figure">{flux(each.deepest, "/beam")}</td><td class="moment">{spanText(each)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The day is left out where the axis has it. */
function spanText({ fromMs, toMs }: Row): string {
  const [from, to] = [fromMs, toMs].map((each) => time(new Date(each).toISOString())) as [string, string];
  return from.slice(0, 10) === to.slice(0, 10) ? `${from.slice(11)} – ${to.slice(11)}` : `${from} – ${to}`;
}

/** Exposures as lines along time; the height is the noise. */
function contentOf(rows: readonly Row[]): Content {
  const series = rows.map(({ name, images }, index): Series => ({
    name, shape: "dot", colour: BAND_COLOURS[index % BAND_COLOURS.length] ?? "--accent",
    marks: images.flatMap((each): Mark[] => (each.rms_jy_beam === null ? [] : [{ x: startMs(each), y: each.rms_jy_beam * 1e3, to: [endMs(each), each.rms_jy_beam * 1e3], radius: 1.4, id: each.id }])),
  }));
  const x = around(rows.flatMap((each) => [each.fromMs, each.toMs]), "", { kind: "time", least: 500 });
  x.label = `UTC, from ${new Date(rows.length ? x.from : 0).toISOString().slice(0, 10)}`;
  return { x, y: around([0, ...series.flatMap((each) => each.marks.map((mark) => mark.y))], "median rms [mJy/beam]"), series };
}

function ImageTable({ rows }: { rows: readonly Row[] }) {
  return (
    <table>
      <thead><tr><th scope="col">image</th><th scope="col">start [UTC]</th><th scope="col">band</th><th scope="col" class="figure">exposure</th><th scope="col" class="figure">rms</th></tr></thead>
      <tbody>{rows.flatMap((row) => row.images.map((each) => <tr key={each.id}><th scope="row">{each.id}</th><td>{time(each.time_start)}</td><td>{row.name}</td><td class="figure">{duration(each.exposure_s ?? 0)}</td><td class="figure">{flux(each.rms_jy_beam, "/beam")}</td></tr>))}</tbody>
    </table>
  );
}
