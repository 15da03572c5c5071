// Axes, grid and series: what every chart draws.

import type { Pen, Shape } from "./pen";
import { scaleOf, ticksOf, type Axis, type Scale } from "./scale";

export interface Mark {
  x: number;
  y: number;
  err?: number; // 1 sigma, along y
  to?: readonly [number, number]; // end of a line from here
  id?: number;
  shape?: Shape;
  radius?: number;
}
export interface Series {
  name: string;
  colour: string; // "#rrggbb", or the name of a colour of the page: "--accent"
  shape: Shape;
  isJoined?: boolean;
  isRead?: boolean; // by pointer and keys, and not drawn: areas show it
  marks: readonly Mark[];
}
export interface Rule {
  axis: "x" | "y";
  at: number;
  text?: string;
  colour?: string; // that of the accent without it
}
export interface Ellipse {
  x: number;
  y: number;
  halfX: number; // in units of x
  halfY: number;
  colour: string;
}
export interface Area {
  corners: readonly (readonly [number, number])[];
  colour: string;
  alpha: number;
}
export interface Content {
  x: Axis;
  y: Axis;
  series: readonly Series[];
  rules?: readonly Rule[];
  ellipses?: readonly Ellipse[];
  areas?: readonly Area[];
  density?: readonly Mark[]; // too many for marks of their own
  isSquare?: boolean; // a unit of x is as long as one of y
  symbols?: readonly { shape: Shape; name: string }[]; // what shapes of marks mean, for a legend
  selected?: number | null;
  chosen?: ReadonlySet<number>; // marks that something is done to
}
export interface Frame {
  left: number;
  right: number;
  top: number;
  bottom: number;
  x: Scale;
  y: Scale;
  content: Content; // with the axes as drawn
}
export type Colours = (name: string) => string;

const MARGIN = { left: 62, right: 14, top: 12, bottom: 44 };
const CELL_PX = 4; // of a density
const LETTER_PX = 6.2; // of a label, on average
const MANY = 800; // smaller marks and fainter errors beyond
const BUSY_ALPHA = 0.25;

export function frameOf(content: Content, width: number, height: number, legendPx = 0): Frame {
  const edges = { left: MARGIN.left, right: Math.max(width - MARGIN.right, MARGIN.left + 10), top: MARGIN.top + legendPx, bottom: Math.max(height - MARGIN.bottom, MARGIN.top + legendPx + 10) };
  const drawn = content.isSquare ? squared(content, edges.right - edges.left, edges.bottom - edges.top) : content;
  return { ...edges, x: scaleOf(drawn.x, edges.left, edges.right), y: scaleOf(drawn.y, edges.bottom, edges.top), content: drawn };
}

function squared(content: Content, width: number, height: number): Content {
  const { x, y } = content;
  const unit = Math.max((x.to - x.from) / width, (y.to - y.from) / height);
  const grown = (axis: Axis, length: number): Axis => {
    const middle = (axis.from + axis.to) / 2;
    return { ...axis, from: middle - (unit * length) / 2, to: middle + (unit * length) / 2 };
  };
  return { ...content, x: grown(x, width), y: grown(y, height) };
}

export function drawFrame(pen: Pen, frame: Frame, colours: Colours): void {
  drawAxes(pen, frame, colours);
  if (frame.content.density) drawDensity(pen, frame, frame.content.density, colours("--faint-mark"));
  for (const { corners, colour, alpha } of frame.content.areas ?? []) pen.area(corners.map(([x, y]) => [frame.x(x), frame.y(y)] as const), colours(colour), alpha);
  for (const each of frame.content.ellipses ?? []) {
    const halfX = Math.abs(frame.x(each.x + each.halfX) - frame.x(each.x));
    const halfY = Math.abs(frame.y(each.y + each.halfY) - frame.y(each.y));
    pen.ellipse(frame.x(each.x), frame.y(each.y), halfX, halfY, 0, colours(each.colour), 1);
  }
  for (const rule of frame.content.rules ?? []) drawRule(pen, frame, rule, colours);
  const isBusy = frame.content.series.reduce((sum, each) => sum + each.marks.length, 0) > MANY;
  for (const series of frame.content.series) if (!series.isRead) drawSeries(pen, frame, series, colours(series.colour), isBusy);
  drawSelected(pen, frame, colours);
}

function drawAxes(pen: Pen, { left, right, top, bottom, x, y, content }: Frame, colours: Colours): void {
  const quiet = { colour: colours("--quiet") };
  const grid = colours("--grid");
  for (const tick of ticksOf(content.x, Math.max(2, Math.floor((right - left) / 90)))) {
    pen.line([[x(tick.at), top], [x(tick.at), bottom]], grid);
    pen.text(tick.text, x(tick.at), bottom + 17, quiet);
  }
  for (const tick of ticksOf(content.y, Math.max(2, Math.floor((bottom - top) / 45)))) {
    pen.line([[left, y(tick.at)], [right, y(tick.at)]], grid);
    pen.text(tick.text, left - 7, y(tick.at) + 4, { ...quiet, anchor: "end" });
  }
  pen.line([[left, top], [left, bottom], [right, bottom]], colours("--faint"));
  // What explains the axis leaves it where it is too narrow.
  const isNarrow = content.x.label.length * LETTER_PX > right - left + MARGIN.right;
  pen.text((isNarrow ? content.x.label.split(";")[0] : content.x.label) ?? "", (left + right) / 2, bottom + 36, quiet);
  pen.text(content.y.label, 13, (top + bottom) / 2, { ...quiet, upward: true });
}

const LEVELS = 12; // of shades

/** Shades by the logarithm of the number in each cell. */
function drawDensity(pen: Pen, frame: Frame, marks: readonly Mark[], colour: string): void {
  const columns = Math.ceil((frame.right - frame.left) / CELL_PX) + 1;
  const rows = Math.floor((frame.bottom - frame.top) / CELL_PX) + 1;
  const cells = new Uint32Array(columns * rows);
  let most = 1;
  for (const mark of marks) {
    const column = Math.floor((frame.x(mark.x) - frame.left) / CELL_PX);
    const row = Math.floor((frame.y(mark.y) - frame.top) / CELL_PX);
    if (column < 0 || column >= columns || row < 0 || row >= rows) continue;
    const cell = row * columns + column;
    cells[cell] = (cells[cell] ?? 0) + 1;
    most = Math.max(most, cells[cell] ?? 0);
  }
  cells.forEach((n, cell) => {
    if (!n) return;
    const level = Math.round((LEVELS * Math.log(n)) / Math.log(most + 1)) / LEVELS;
    pen.cell(frame.left + (cell % columns) * CELL_PX, frame.top + Math.floor(cell / columns) * CELL_PX, CELL_PX, colour, 0.25 + 0.75 * level);
  });
}

function drawRule(pen: Pen, frame: Frame, { axis, at, text, colour = "--accent" }: Rule, colours: Colours): void {
  const { left, right, top, bottom } = frame;
  const place = axis === "x" ? frame.x(at) : frame.y(at);
  if (axis === "x" ? place < left || place > right : place < top || place > bottom) return;
  const accent = colours(colour);
  pen.line(axis === "x" ? [[place, top], [place, bottom]] : [[left, place], [right, place]], accent, { dashed: true });
  if (!text) return;
  if (axis === "x") pen.text(text, place, top - 3, { colour: accent }); // above what is drawn
  else pen.text(text, right - 3, place - 5, { colour: accent, anchor: "end" });
}

function drawSeries(pen: Pen, frame: Frame, series: Series, colour: string, isBusy: boolean): void {
  const places = series.marks.map((mark) => [frame.x(mark.x), frame.y(mark.y)] as const);
  if (series.isJoined && places.length > 1) pen.line(places, colour, { alpha: 0.35 });
  series.marks.forEach((mark, index) => {
    const [x, y] = places[index] as readonly [number, number];
    if (x < frame.left - 1 || x > frame.right + 1 || y < frame.top - 30 || y > frame.bottom + 1) return;
    if (mark.err) {
      const clip = (at: number): number => Math.min(frame.bottom, Math.max(frame.top, at));
      pen.line([[x, clip(frame.y(mark.y - mark.err))], [x, clip(frame.y(mark.y + mark.err))]], colour, { width: 1.3, alpha: isBusy ? BUSY_ALPHA : 1 });
    }
    if (mark.to) pen.line([[x, y], [frame.x(mark.to[0]), frame.y(mark.to[1])]], colour, { width: 1.3 });
    pen.mark(mark.shape ?? series.shape, x, y, mark.radius ?? (isBusy ? 1.7 : 3.4), colour);
  });
}

function drawSelected(pen: Pen, frame: Frame, colours: Colours): void {
  const { selected, chosen, series, density } = frame.content;
  if ((selected === null || selected === undefined) && !chosen?.size) return;
  const accent = colours("--accent");
  const marks = [...series.map((each) => each.marks), density ?? []];
  for (const { x, y } of marks.flatMap((each) => each.filter((mark) => mark.id !== undefined && mark.id === selected))) {
    pen.ellipse(frame.x(x), frame.y(y), 9, 9, 0, accent, 2);
  }
  if (!chosen?.size) return;
  const found = marks.flatMap((each) => each.filter((mark) => mark.id !== undefined && chosen.has(mark.id)));
  if (found.length > MANY) drawDensity(pen, frame, found, accent);
  else for (const { x, y } of found) pen.ellipse(frame.x(x), frame.y(y), 6, 6, 0, accent, 1.5);
}
