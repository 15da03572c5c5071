// Measured positions against the mean one: what astrometry is worth.

import { useMemo } from "preact/hooks";
import { go, href } from "../address";
import { Chart } from "../charts/chart";
import type { Content, Mark, Series } from "../charts/frame";
import { BAND_COLOURS, bandsOf } from "../charts/lightcurve";
import { extent } from "../charts/scale";
import { offsets, type Position } from "../charts/wcs";
import { arcsec, band as bandName, number, place, time } from "../format";
import type { Detection, Image, Point, Source } from "../types";

const LEAST_ARCSEC = 0.1;

/** Arcseconds to the east and north of a position. */
export function shiftOf(at: Position, from: Position): { x: number; y: number } | null {
  const found = offsets(at, from);
  return found && { x: found[0] * 3600, y: found[1] * 3600 };
}

/** The median, and the standard deviation by the median deviation. */
export function spreadOf(values: readonly number[]): { middle: number; spread: number } {
  const medianOf = (list: readonly number[]): number => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;
  const middle = medianOf(values);
  return { middle, spread: 1.4826 * medianOf(values.map((each) => Math.abs(each - middle))) };
}

export function offsetContent(series: readonly Series[], errors: { x: number; y: number } | null): Content {
  const marks = series.flatMap((each) => [...each.marks]);
  const [low, high] = extent([...marks.flatMap((each) => [each.x, each.y]), errors?.x ?? 0, errors?.y ?? 0, LEAST_ARCSEC]);
  const reach = 1.1 * Math.max(Math.abs(low), Math.abs(high));
  const axis = { kind: "linear" as const, from: -reach, to: reach };
  return {
    x: { ...axis, label: "to the east [arcsec]", isReversed: true }, y: { ...axis, label: "to the north [arcsec]" }, isSquare: true, series,
    rules: [{ axis: "x", at: 0 }, { axis: "y", at: 0 }],
    ellipses: errors ? [{ x: 0, y: 0, halfX: errors.x, halfY: errors.y, colour: "--accent" }] : [],
  };
}

/** The words under a map of offsets. */
export function OffsetWords({ marks }: { marks: readonly Mark[] }) {
  const [east, north] = [spreadOf(marks.map((each) => each.x)), spreadOf(marks.map((each) => each.y))];
  return <p class="quiet">Median {arcsec(east.middle)} east, {arcsec(north.middle)} north; scatter (1.48 median deviations) {arcsec(east.spread)}, {arcsec(north.spread)}; {marks.length} blind measurements.</p>;
}

export function SourcePositions({ source, points, isWaited }: { source: Source; points: readonly Point[]; isWaited: boolean }) {
  const content = useMemo(() => contentOf(source, points), [source.ra, source.dec, points]);
  const marks = content.series.flatMap((each) => [...each.marks]);
  return (
    <section class="card" aria-label="Positions">
      <h2>Positions</h2>
      {marks.length === 0 && isWaited && <p class="empty chart">Loading positions …</p>}
      {marks.length === 0 && !isWaited && <p class="quiet">No blind measurement: forced ones are made at the mean position.</p>}
      {marks.length > 0 && (
        <>
          <Chart
            content={content} label={`Positions: ${marks.length} blind measurements around the mean position`} file={`livetrap-source-${source.id}-positions`}
            describe={({ mark, series }) => { const point = points[mark.id ?? -1]; return `${time(point?.time_start ?? null)} UTC\n${series.name}, S/N ${number(point?.snr)}\n${arcsec(mark.x)} east, ${arcsec(mark.y)} north`; }}
            onPick={({ mark }) => go(href("image", { id: points[mark.id ?? -1]?.image_id }))} table={() => <OffsetTable content={content} points={points} />}
          />
          <p class="legend">{content.series.map((each) => <span key={each.name}><i style={{ background: each.colour }} />{each.name}</span>)}<span>ellipse: 1σ of the mean position</span></p>
          <OffsetWords marks={marks} />
        </>
      )}
    </section>
  );
}

function contentOf(source: Source, points: readonly Point[]): Content {
  const series = bandsOf(points).map((name, index): Series => ({
    name, colour: BAND_COLOURS[index % BAND_COLOURS.length] ?? "#7f7f7f", shape: "dot",
    marks: points.flatMap((point, id) => {
      const shift = point.extraction_type === "blind" && bandName(point) === name ? shiftOf(point, source) : null;
      return shift ? [{ ...shift, id }] : [];
    }),
  }));
  const errors = source.ra_err_deg !== null && source.dec_err_deg !== null ? { x: source.ra_err_deg * 3600, y: source.dec_err_deg * 3600 } : null;
  return offsetContent(series.filter((each) => each.marks.length), errors);
}

function OffsetTable({ content, points }: { content: Content; points: readonly Point[] }) {
  return (
    <table>
      <thead><tr><th scope="col">start [UTC]</th><th scope="col">band</th><th scope="col">position, ICRS</th><th scope="col" class="figure">east [arcsec]</th><th scope="col" class="figure">north [arcsec]</th><th scope="col" class="figure">S/N</th></tr></thead>
      <tbody>
        {content.series.flatMap((series) => series.marks.map((mark) => {
          const point = points[mark.id ?? -1];
          return point && <tr key={`${series.name}${mark.id}`}><td>{time(point.time_start)}</td><td>{series.name}</td><td>{place(point)}</td><td class="figure">{number(mark.x)}</td><td class="figure">{number(mark.y)}</td><td class="figure">{number(point.snr)}</td></tr>;
        }))}
      </tbody>
    </table>
  );
}

interface Shifted {
  detection: Detection;
  at: { x: number; y: number }; // of the source, from the centre [deg]
  by: { x: number; y: number }; // of the measurement, from the source [arcsec]
}

function shiftedOf(image: Image, detections: readonly Detection[]): Shifted[] {
  const centre = { ra: image.field_ra ?? 0, dec: image.field_dec ?? 90 };
  return detections.flatMap((detection) => {
    if (detection.extraction_type !== "blind" || detection.source_ra === null || detection.source_dec === null) return [];
    const source = { ra: detection.source_ra, dec: detection.source_dec };
    const [at, by] = [offsets(source, centre), shiftOf(detection, source)];
    return at && by ? [{ detection, at: { x: at[0], y: at[1] }, by }] : [];
  });
}

/** Where an image has its sources against the catalogue: all at one place, and over the field. */
export function ImagePositions({ image, detections }: { image: Image; detections: readonly Detection[] }) {
  const shifted = useMemo(() => shiftedOf(image, detections), [image.id, detections]);
  const around = useMemo(() => offsetContent([{ name: "blind", colour: "--accent", shape: "dot", marks: shifted.map(({ by, detection }) => ({ ...by, id: detection.source_number })) }], null), [shifted]);
  const field = useMemo(() => fieldContent(shifted), [shifted]);
  const of = (id: number | undefined): Shifted | undefined => shifted.find(({ detection }) => detection.source_number === id);
  const describe = ({ mark }: { mark: Mark }): string => {
    const found = of(mark.id);
    return found ? `source ${found.detection.source_id}, S/N ${number(found.detection.snr)}\n${arcsec(found.by.x)} east, ${arcsec(found.by.y)} north\n1σ ${arcsec(arcsecOf(found.detection.ra_err_deg), 2)}, ${arcsec(arcsecOf(found.detection.dec_err_deg), 2)}` : "";
  };
  const onPick = ({ mark }: { mark: Mark }): void => go(href("source", { id: of(mark.id)?.detection.source_id }));
  if (!shifted.length) return <section class="card" aria-label="Positions"><h2>Positions</h2><p class="quiet">No blind measurement of a source of the catalogue.</p></section>;
  return (
    <section class="card" aria-label="Positions">
      <h2>Positions against the catalogue</h2>
      <Chart content={around} label={`Offsets: ${shifted.length} blind measurements around their sources`} describe={describe} onPick={onPick} file={`livetrap-image-${image.id}-offsets`} table={() => <ShiftTable shifted={shifted} />} />
      <OffsetWords marks={around.series[0]?.marks ?? []} />
      <p class="quiet">Median 1σ error of one: {arcsec(spreadOf(shifted.map(({ detection }) => arcsecOf(detection.ra_err_deg) ?? 0)).middle, 2)} east, {arcsec(spreadOf(shifted.map(({ detection }) => arcsecOf(detection.dec_err_deg) ?? 0)).middle, 2)} north.</p>
      <Chart content={field.content} label={`Offsets over the field: ${shifted.length} sources`} describe={describe} onPick={onPick} file={`livetrap-image-${image.id}-offset-field`} />
      <p class="quiet">A line goes from the source to where this image has it, {number(field.times, 2)} times as long.</p>
    </section>
  );
}

const arcsecOf = (deg: number | null): number | null => deg && deg * 3600;
const LINE_PART = 0.08; // of the field, for an offset that nine in ten do not reach

function fieldContent(shifted: readonly Shifted[]): { content: Content; times: number } {
  const reach = 1.25 * Math.max(1e-3, ...shifted.flatMap(({ at }) => [Math.abs(at.x), Math.abs(at.y)]));
  const lengths = shifted.map(({ by }) => Math.hypot(by.x, by.y) / 3600).sort((a, b) => a - b);
  const times = (LINE_PART * 2 * reach) / (lengths[Math.floor(0.9 * (lengths.length - 1))] || reach);
  const marks = shifted.map(({ at, by, detection }): Mark => ({
    ...at, id: detection.source_number, radius: 1.6, to: [at.x + (times * by.x) / 3600, at.y + (times * by.y) / 3600],
  }));
  const axis = { kind: "linear" as const, from: -reach, to: reach };
  return {
    times,
    content: { x: { ...axis, label: "to the east of the centre [deg]", isReversed: true }, y: { ...axis, label: "to the north [deg]" }, isSquare: true, series: [{ name: "blind", colour: "--accent", shape: "dot", marks }] },
  };
}

function ShiftTable({ shifted }: { shifted: readonly Shifted[] }) {
  return (
    <table>
      <thead><tr><th scope="col">source</th><th scope="col">position of the source, ICRS</th><th scope="col" class="figure">east [arcsec]</th><th scope="col" class="figure">north [arcsec]</th><th scope="col" class="figure">S/N</th></tr></thead>
      <tbody>
        {shifted.slice(0, 1000).map(({ detection, by }) => (
          <tr key={detection.source_number}>
            <th scope="row">{detection.source_id}</th><td>{place({ ra: detection.source_ra ?? 0, dec: detection.source_dec ?? 0 })}</td>
            <td class="figure">{number(by.x)}</td><td class="figure">{number(by.y)}</td><td class="figure">{number(detection.snr)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
