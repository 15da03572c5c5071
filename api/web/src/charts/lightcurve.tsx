// Flux density against time: one colour a band, one symbol a kind of measurement.

import { useMemo } from "preact/hooks";
import { band as bandName, flux, fluxUnit, fluxWithError, number, snr, time } from "../format";
import type { Gap, Point, Source } from "../types";
import { Chart, type Place } from "./chart";
import { fitConstant, type ConstantFit } from "./constant";
import type { Content, Mark, Rule, Series } from "./frame";
import type { Shape } from "./pen";
import { around } from "./scale";

// Okabe & Ito: distinguishable with any colour vision deficiency; black is left to the text.
export const BAND_COLOURS: readonly string[] = ["#0072b2", "#d08700", "#009e73", "#cc79a7", "#3a9ed8", "#d55e00", "#8a7a00", "#7f7f7f"];
const LIMIT_SIGMA = 3;
const KINDS: readonly (readonly [string, Shape, string])[] = [["blind", "dot", "blind"], ["forced", "ring", "forced"], ["monitor", "diamond", "monitor"], ["lookback", "square", "look-back"]];
const SHAPES: Record<string, Shape> = Object.fromEntries(KINDS.map(([kind, shape]) => [kind, shape]));

export interface Shown {
  isPeak: boolean;
  band: string; // "": all
  hasLimits: boolean; // forced measurements below 3 sigma as limits
}
interface Measured {
  flux: number;
  err: number;
}

const middleMs = (point: Point): number => Date.parse(point.time_start) + 500 * (point.exposure_s ?? 0);

export function bandsOf(points: readonly Point[]): string[] {
  const bands = new Map(points.map((point) => [bandName(point), point.freq_eff_hz]));
  return [...bands].sort((a, b) => a[1] - b[1]).map(([name]) => name);
}

function measured(point: Point, isPeak: boolean): Measured | null {
  const flux = isPeak ? point.flux_peak_jy_beam : point.flux_int_jy;
  const err = isPeak ? point.flux_peak_err_jy_beam : point.flux_int_err_jy;
  return flux === null ? null : { flux, err: err ?? 0 };
}

const isLimit = (point: Point, shown: Shown): boolean => shown.hasLimits && point.extraction_type !== "blind" && (point.snr ?? 0) < LIMIT_SIGMA;

function markOf(point: Point, index: number, unit: number, shown: Shown): Mark | null {
  const found = measured(point, shown.isPeak);
  if (!found) return null;
  const x = middleMs(point);
  if (isLimit(point, shown)) return { x, y: (LIMIT_SIGMA * found.err) / unit, shape: "limit", id: index };
  return { x, y: found.flux / unit, err: found.err / unit, shape: SHAPES[point.extraction_type] ?? "ring", id: index };
}

function contentOf(points: readonly Point[], gaps: readonly Gap[], shown: Shown, trigger: string | null): Content {
  const bands = bandsOf(points);
  const brightest = Math.max(0, ...points.map((point) => Math.abs(measured(point, shown.isPeak)?.flux ?? 0)));
  const [unit, unitName] = fluxUnit(brightest);
  const series: Series[] = bands
    .map((name, index) => ({ name, colour: BAND_COLOURS[index % BAND_COLOURS.length] ?? "#7f7f7f" }))
    .filter(({ name }) => !shown.band || name === shown.band)
    .map(({ name, colour }) => ({
      name, colour, shape: "dot" as const, isJoined: true,
      marks: points.flatMap((point, index) => (bandName(point) === name ? (markOf(point, index, unit, shown) ?? []) : [])),
    }));
  const values = series.flatMap(({ marks }) => marks.flatMap((mark) => [mark.y - (mark.err ?? 0), mark.y + (mark.err ?? 0)]));
  const y = around([0, ...values], `${shown.isPeak ? "peak flux density" : "integrated flux density"} [${unitName}${shown.isPeak ? "/beam" : ""}]`);
  const dated = gaps.filter((gap) => gap.time_start && (!shown.band || bandName(gap) === shown.band));
  const x = around([...series.flatMap(({ marks }) => marks.map((mark) => mark.x)), ...dated.map((gap) => Date.parse(gap.time_start ?? ""))], "", { kind: "time", least: 500 });
  x.label = `UTC, from ${new Date(x.from).toISOString().slice(0, 10)}`;
  if (dated.length) {
    series.push({
      name: "not measured", colour: "--quiet", shape: "cross",
      marks: dated.map((gap) => ({ x: Date.parse(gap.time_start ?? ""), y: y.from + (y.to - y.from) * 0.02, id: -gap.id })),
    });
  }
  return { x, y, series, rules: rulesOf(points, shown, unit, trigger), symbols: symbolsOf(points, shown) };
}

function symbolsOf(points: readonly Point[], shown: Shown): { shape: Shape; name: string }[] {
  const kinds = new Set(points.map((point) => point.extraction_type));
  const found = KINDS.filter(([kind]) => kinds.has(kind)).map(([, shape, name]) => ({ shape, name }));
  return points.some((point) => isLimit(point, shown)) ? [...found, { shape: "limit", name: `${LIMIT_SIGMA}σ upper limit` }] : found;
}

/** A constant for each band that is shown, fitted to all its measurements, those below the limit too. */
function fitsOf(points: readonly Point[], shown: Shown): [string, ConstantFit][] {
  return bandsOf(points).filter((name) => !shown.band || name === shown.band).flatMap((name): [string, ConstantFit][] => {
    const fit = fitConstant(points.flatMap((point) => (bandName(point) === name ? (measured(point, shown.isPeak) ?? []) : [])));
    return fit ? [[name, fit]] : [];
  });
}

function rulesOf(points: readonly Point[], shown: Shown, unit: number, trigger: string | null): Rule[] {
  const rules: Rule[] = trigger ? [{ axis: "x", at: Date.parse(trigger), text: "trigger" }] : [];
  const colours = new Map(bandsOf(points).map((name, index) => [name, BAND_COLOURS[index % BAND_COLOURS.length] ?? "#7f7f7f"]));
  for (const [name, { mean }] of fitsOf(points, shown)) rules.push({ axis: "y", at: mean / unit, colour: colours.get(name) ?? "--accent", ...(shown.band ? { text: "constant" } : {}) });
  return rules;
}

/** Whether the flux is constant, in each band. */
export function ConstantFits({ points, shown }: { points: readonly Point[]; shown: Shown }) {
  const fits = fitsOf(points, shown);
  if (!fits.length) return <p class="quiet">A fit of a constant needs two measurements in a band.</p>;
  return (
    <>
      <div class="scroll" tabIndex={0} role="region" aria-label="Fits of a constant">
        <table class="fits">
          <caption>Fit of a constant {shown.isPeak ? "peak" : "integrated"} flux, dashed in the figure</caption>
          <thead><tr><th scope="col">band</th><th scope="col" class="figure">points</th><th scope="col" class="figure">constant, 1σ</th><th scope="col" class="figure">χ²</th><th scope="col" class="figure">degrees of freedom</th><th scope="col" class="figure">P(≥ χ²)</th></tr></thead>
          <tbody>
            {fits.map(([name, { n, mean, err, chi2, nFree, probability }]) => (
              <tr key={name}>
                <th scope="row">{name}</th><td class="figure">{n}</td><td class="figure">{fluxWithError(mean, err, shown.isPeak ? "/beam" : "")}</td>
                <td class="figure">{number(chi2, 4)}</td><td class="figure">{nFree}</td><td class="figure">{probability < LEAST_PROBABILITY ? `< ${number(LEAST_PROBABILITY, 1)}` : number(probability)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      <p class="quiet">To the points above, forced ones and those below 3σ with the flux that was measured.</p>
    </>
  );
}

const LEAST_PROBABILITY = 1e-12; // as exact as it is computed

interface Props {
  points: readonly Point[];
  gaps: readonly Gap[];
  source: Source;
  trigger: string | null;
  shown: Shown;
  selected: number | null;
  onPick: (index: number) => void;
}

export function LightCurveChart({ points, gaps, source, trigger, shown, selected, onPick }: Props) {
  const { isPeak, band, hasLimits } = shown;
  const content = useMemo(() => contentOf(points, gaps, { isPeak, band, hasLimits }, trigger), [points, gaps, trigger, isPeak, band, hasLimits]);
  if (!content.series.some((each) => each.marks.length)) return <p class="empty">No measurement here yet.</p>;
  const describe = ({ mark, series }: Place): string => {
    const gap = gaps.find((each) => each.id === -(mark.id ?? 0));
    if (gap) return `${time(gap.time_start)} UTC\n${bandName(gap)}\nnot measured: ${gap.reason.replaceAll("_", " ")}`;
    const point = points[mark.id ?? -1];
    return point ? describePoint(point, shown) : series.name;
  };
  return (
    <>
      <Chart
        content={{ ...content, selected }} label={`Light curve: ${points.length} measurements, ${bandsOf(points).length} bands`}
        describe={describe} onPick={({ mark }) => { if ((mark.id ?? -1) >= 0) onPick(mark.id ?? 0); }}
        table={() => <PointTable points={points} gaps={gaps} isPeak={isPeak} />} file={`livetrap-source-${source.id}`}
      />
      <Legend series={content.series} points={points} shown={shown} hasGaps={gaps.length > 0} />
    </>
  );
}

function describePoint(point: Point, shown: Shown): string {
  const found = measured(point, shown.isPeak);
  const value = found ? fluxWithError(found.flux, found.err, shown.isPeak ? "/beam" : "") : "–";
  const limit = found && isLimit(point, shown) ? `\nbelow ${LIMIT_SIGMA}σ: < ${flux(LIMIT_SIGMA * found.err, shown.isPeak ? "/beam" : "", 2)}` : "";
  return `${time(point.time_start)} UTC\n${bandName(point)}\n${value}${limit}\nS/N ${number(point.snr)}, ${point.extraction_type}`;
}

function Legend({ series, points, shown, hasGaps }: { series: readonly Series[]; points: readonly Point[]; shown: Shown; hasGaps: boolean }) {
  const kinds = new Set(points.map((point) => point.extraction_type));
  return (
    <p class="legend">
      {series.filter((each) => each.shape !== "cross").map((each) => <span key={each.name}><i style={{ background: each.colour }} />{each.name}</span>)}
      {kinds.has("blind") && <span>● blind</span>}
      {kinds.has("forced") && <span>○ forced</span>}
      {kinds.has("monitor") && <span>◆ monitor</span>}
      {kinds.has("lookback") && <span>■ look-back</span>}
      {points.some((point) => isLimit(point, shown)) && <span>▽ {LIMIT_SIGMA}σ upper limit</span>}
      {hasGaps && <span>× not measured</span>}
    </p>
  );
}

function PointTable({ points, gaps, isPeak }: { points: readonly Point[]; gaps: readonly Gap[]; isPeak: boolean }) {
  return (
    <table>
      <thead><tr><th scope="col">start [UTC]</th><th scope="col">band</th><th scope="col" class="figure">{isPeak ? "peak" : "integrated"} flux, 1σ</th><th scope="col" class="figure">S/N</th><th scope="col">kind</th></tr></thead>
      <tbody>
        {points.map((point) => {
          const found = measured(point, isPeak);
          return (
            <tr key={`${point.image_id}${point.extraction_type}`}>
              <td>{time(point.time_start)}</td><td>{bandName(point)}</td>
              <td class="figure">{found ? fluxWithError(found.flux, found.err, isPeak ? "/beam" : "") : "–"}</td><td class="figure">{snr(point.snr)}</td><td>{point.extraction_type}</td>
            </tr>
          );
        })}
        {gaps.map((gap) => <tr key={gap.id}><td>{time(gap.time_start)}</td><td>{bandName(gap)}</td><td class="figure">not measured</td><td class="figure">–</td><td>{gap.reason.replaceAll("_", " ")}</td></tr>)}
      </tbody>
    </table>
  );
}
