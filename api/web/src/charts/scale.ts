// Scales and ticks: from values to pixels.

import { number, power } from "../format";

export type Kind = "linear" | "log" | "time";
export interface Axis {
  kind: Kind;
  from: number; // log: values at or below are drawn at the edge, and the first tick says so
  to: number;
  label: string;
  isReversed?: boolean; // right ascension grows to the left
}
interface Tick {
  at: number;
  text: string;
}
export type Scale = (value: number) => number;

export function scaleOf(axis: Axis, start: number, end: number): Scale {
  const [first, last] = axis.isReversed ? [end, start] : [start, end];
  if (axis.kind !== "log") {
    const length = axis.to - axis.from || 1;
    return (value) => first + ((value - axis.from) / length) * (last - first);
  }
  const low = Math.log10(axis.from);
  const decades = Math.log10(axis.to) - low || 1;
  return (value) => first + ((Math.log10(Math.max(value, axis.from)) - low) / decades) * (last - first);
}

/** The value at a pixel: for zoom and panning. */
export function valueAt(axis: Axis, start: number, end: number, pixel: number): number {
  const [first, last] = axis.isReversed ? [end, start] : [start, end];
  const part = (pixel - first) / (last - first || 1);
  if (axis.kind !== "log") return axis.from + part * (axis.to - axis.from);
  return axis.from * (axis.to / axis.from) ** part;
}

export function ticksOf(axis: Axis, count: number): Tick[] {
  if (axis.kind === "time") return timeTicks(axis.from, axis.to, count);
  if (axis.kind === "log") return logTicks(axis.from, axis.to, count);
  return linearTicks(axis.from, axis.to, count).map((at) => ({ at, text: number(at, 6) }));
}

const MOST_TICKS = 64;

function linearTicks(from: number, to: number, count: number): number[] {
  const rough = (to - from) / Math.max(1, count) || 1;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((each) => 1.5 * each * unit >= rough) ?? 10) * unit;
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to + step * 1e-9; at += step) ticks.push(Number(at.toPrecision(12)) || 0);
  // One tick is no scale.
  return ticks.length < 2 && count < MOST_TICKS && to > from ? linearTicks(from, to, 2 * count) : ticks;
}

function logTicks(from: number, to: number, count: number): Tick[] {
  const [low, high] = [Math.ceil(Math.log10(from) - 1e-9), Math.floor(Math.log10(to) + 1e-9)];
  if (high - low < 1) return linearTicks(from, to, count).map((at) => ({ at, text: number(at, 3) }));
  const stride = Math.max(1, Math.ceil((high - low) / Math.max(2, count)));
  const ticks = [];
  for (let exponent = low; exponent <= high; exponent += stride) {
    const at = 10 ** exponent;
    ticks.push({ at, text: exponent >= -2 && exponent <= 3 ? String(Number(at.toPrecision(3))) : power(exponent) });
  }
  return ticks;
}

const TIME_STEPS_S: readonly number[] = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800,
  2_592_000, 7_776_000, 31_536_000,
];
function timeTicks(fromMs: number, toMs: number, count: number): Tick[] {
  const stepMs = 1000 * (TIME_STEPS_S.find((each) => each * 1000 * count >= toMs - fromMs) ?? 315_360_000);
  const ticks = [];
  for (let at = Math.ceil(fromMs / stepMs) * stepMs; at <= toMs; at += stepMs) ticks.push({ at, text: timeText(at, stepMs) });
  return ticks;
}

function timeText(at: number, stepMs: number): string {
  const iso = new Date(at).toISOString();
  if (stepMs >= 86_400_000) return iso.slice(0, 10);
  return stepMs >= 60_000 ? iso.slice(11, 16) : iso.slice(11, stepMs >= 1000 ? 19 : 21);
}

export function extent(values: Iterable<number>): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

/** A linear or time axis around values, with some air. */
export function around(values: Iterable<number>, label: string, { kind = "linear", least = 0 }: { kind?: "linear" | "time"; least?: number } = {}): Axis {
  const [low, high] = extent(values);
  const air = Math.max((high - low) * 0.04, least) || Math.abs(high) * 0.1 || 1;
  return { kind, from: low - air, to: high + air, label };
}
