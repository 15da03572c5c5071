// A drawing as a PDF of one page: vectors and text, with the fonts that every reader has (PDF 1.7, ISO 32000-1).

import { corners, type Pen, type Shape } from "./pen";

const SIZE = 12;
const SMALL = 8; // superscripts
const RISE = 4;
// Advance widths [1/1000 em] of Helvetica from the space on, and of what else is written (Adobe font metrics).
const WIDTHS: readonly number[] = [
  278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556,
  1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556,
  333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
const OTHER_WIDTHS: Record<string, number> = { "²": 333, "³": 333, "¹": 333, "±": 584, "×": 584, "°": 400, "·": 278 };
const WINDOWS: Record<string, number> = { "–": 0x96, "—": 0x97, "…": 0x85, "•": 0x95 }; // beyond Latin-1
const SYMBOLS: Record<string, readonly [number, number]> = { // code in the font Symbol, width
  "−": [0x2d, 549], "η": [0x68, 603], "σ": [0x73, 603], "χ": [0x63, 549], "δ": [0x64, 494], "Δ": [0x44, 612], "α": [0x61, 631],
  "≥": [0xb3, 549], "≤": [0xa3, 549], "′": [0xa2, 247], "″": [0xb2, 411],
};
const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

interface Run {
  font: "F1" | "F2";
  size: number;
  codes: number[];
  width: number;
}

function glyph(character: string): Run {
  const raised = character === "⁻" ? "−" : SUPERSCRIPTS.includes(character) && !"¹²³".includes(character) ? String(SUPERSCRIPTS.indexOf(character)) : null;
  const size = raised === null ? SIZE : SMALL;
  const shown = raised ?? character;
  const symbol = SYMBOLS[shown];
  if (symbol) return { font: "F2", size, codes: [symbol[0]], width: (symbol[1] * size) / 1000 };
  const point = shown.codePointAt(0) ?? 63;
  const code = WINDOWS[shown] ?? (point < 256 ? point : 63); // "?" for what the fonts do not have
  return { font: "F1", size, codes: [code], width: ((WIDTHS[code - 32] ?? OTHER_WIDTHS[shown] ?? 556) * size) / 1000 };
}

function runsOf(text: string): Run[] {
  const runs: Run[] = [];
  for (const next of [...text].map(glyph)) {
    const last = runs.at(-1);
    if (last?.font === next.font && last.size === next.size) {
      last.codes.push(...next.codes);
      last.width += next.width;
    } else runs.push(next);
  }
  return runs;
}

const short = (value: number): string => String(Math.round(value * 100) / 100);
const pair = (x: number, y: number): string => `${short(x)} ${short(y)}`;
const hex = (codes: readonly number[]): string => `<${codes.map((code) => code.toString(16).padStart(2, "0")).join("")}>`;
const inUnicode = (text: string): string => hex([0xfe, 0xff, ...[...Array(text.length).keys()].flatMap((index) => [text.charCodeAt(index) >> 8, text.charCodeAt(index) & 255])]);

function paint(colour: string): string {
  const [, r = "0", g = "0", b = "0"] = /^#(..)(..)(..)$/.exec(colour) ?? [];
  return [r, g, b].map((each) => short(parseInt(each, 16) / 255)).join(" ");
}

const CURVE = 0.5523; // of a quarter circle
function ellipsePath(x: number, y: number, halfX: number, halfY: number, turnRad: number): string {
  const [cos, sin] = [Math.cos(turnRad), Math.sin(turnRad)];
  const at = (u: number, v: number): string => pair(x + u * halfX * cos - v * halfY * sin, y + u * halfX * sin + v * halfY * cos);
  const quarter = (u: number, v: number): string => `${at(u - v * CURVE, v + u * CURVE)} ${at(u * CURVE - v, v * CURVE + u)} ${at(-v, u)} c`;
  return `${at(1, 0)} m ${quarter(1, 0)} ${quarter(0, 1)} ${quarter(-1, 0)} ${quarter(0, -1)} h`;
}

export class PdfPen implements Pen {
  readonly #parts: string[] = [];
  readonly #alphas = new Set<number>();

  constructor(private readonly width: number, private readonly height: number) {
    this.#parts.push(`1 0 0 -1 0 ${height} cm`); // from the top down, as on a canvas
  }

  line(points: readonly (readonly [number, number])[], colour: string, { width = 1, dashed = false, alpha = 1 } = {}): void {
    const path = points.map(([x, y], index) => `${pair(x, y)} ${index ? "l" : "m"}`).join(" ");
    this.#parts.push(`${this.#alpha(alpha)} ${paint(colour)} RG ${width} w 0 J ${dashed ? "[4 4] 0 d" : "[] 0 d"} ${path} S`);
  }

  mark(shape: Shape, x: number, y: number, radius: number, colour: string): void {
    if (shape === "cross") {
      this.line([[x - radius, y - radius], [x + radius, y + radius]], colour);
      this.line([[x - radius, y + radius], [x + radius, y - radius]], colour);
      return;
    }
    const start = `${this.#alpha(1)} [] 0 d ${paint(colour)} RG`;
    if (shape === "dot") { // a point with round ends: a third of the bytes of a circle
      this.#parts.push(`${start} 1 J ${short(2 * radius + 1.4)} w ${pair(x, y)} m ${pair(x, y)} l S`);
      return;
    }
    const outline = corners(shape, radius)?.map(([dx, dy], index) => `${pair(x + dx, y + dy)} ${index ? "l" : "m"}`).join(" ");
    const isHollow = shape === "ring" || shape === "limit";
    this.#parts.push(`${start} ${isHollow ? "1 1 1" : paint(colour)} rg 1.4 w ${outline ? `${outline} h` : ellipsePath(x, y, radius, radius, 0)} B`);
  }

  ellipse(x: number, y: number, halfX: number, halfY: number, turnRad: number, colour: string, width = 1.5): void {
    this.#parts.push(`${this.#alpha(1)} [] 0 d ${paint(colour)} RG ${width} w ${ellipsePath(x, y, halfX, halfY, turnRad)} S`);
  }

  cell(x: number, y: number, side: number, colour: string, alpha: number): void {
    this.#parts.push(`${this.#alpha(alpha)} ${paint(colour)} rg ${pair(x, y)} ${side} ${side} re f`);
  }

  area(outline: readonly (readonly [number, number])[], colour: string, alpha: number): void {
    const path = outline.map(([x, y], index) => `${pair(x, y)} ${index ? "l" : "m"}`).join(" ");
    this.#parts.push(`${this.#alpha(alpha)} ${paint(colour)} rg ${path} f`);
  }

  text(text: string, x: number, y: number, { colour, anchor = "middle", upward = false }: Parameters<Pen["text"]>[3]): void {
    const runs = runsOf(text);
    const back = runs.reduce((sum, { width }) => sum + width, 0) * { start: 0, middle: 0.5, end: 1 }[anchor];
    const place = upward ? `0 -1 -1 0 ${pair(x, y + back)}` : `1 0 0 -1 ${pair(x - back, y)}`;
    const shown = runs.map(({ font, size, codes }) => `/${font} ${size} Tf ${size === SMALL ? RISE : 0} Ts ${hex(codes)} Tj`).join(" ");
    this.#parts.push(`${this.#alpha(1)} ${paint(colour)} rg BT ${place} Tm ${shown} ET`);
  }

  /** The file; `source` says where the figure comes from. */
  finish(title: string, source: string): string {
    const content = this.#parts.join("\n");
    const states = [...this.#alphas].map((percent) => `/A${percent} << /CA ${percent / 100} /ca ${percent / 100} >>`).join(" ");
    const font = (name: string, encoding: string): string => `<< /Type /Font /Subtype /Type1 /BaseFont /${name}${encoding} >>`;
    return fileOf([
      "<< /Type /Catalog /Pages 2 0 R >>",
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${this.width} ${this.height}] /Contents 4 0 R /Resources << /Font << /F1 5 0 R /F2 6 0 R >> /ExtGState << ${states} >> >> >>`,
      `<< /Length ${content.length} >>\nstream\n${content}\nendstream`,
      font("Helvetica", " /Encoding /WinAnsiEncoding"),
      font("Symbol", ""),
      `<< /Title ${inUnicode(title)} /Subject ${inUnicode(source)} /Creator ${inUnicode("LiveTrap")} >>`,
    ]);
  }

  #alpha(alpha: number): string {
    const percent = Math.round(alpha * 20) * 5;
    this.#alphas.add(percent);
    return `/A${percent} gs`;
  }
}

/** Objects, numbered from 1, and where each begins; all of it is ASCII. */
function fileOf(objects: readonly string[]): string {
  let text = "%PDF-1.7\n";
  const places = objects.map((each, index) => {
    const place = text.length;
    text += `${index + 1} 0 obj\n${each}\nendobj\n`;
    return `${String(place).padStart(10, "0")} 00000 n \n`;
  });
  const size = objects.length + 1;
  return `${text}xref\n0 ${size}\n0000000000 65535 f \n${places.join("")}trailer\n<< /Size ${size} /Root 1 0 R /Info ${objects.length} 0 R >>\nstartxref\n${text.length}\n%%EOF\n`;
}
