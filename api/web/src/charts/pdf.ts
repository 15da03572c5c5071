// A drawing as a PDF of one page: vectors and text, with the font embedded, as journals ask (PDF 1.7, ISO 32000-1).

import type { Font } from "./font";
import { corners, type Pen, type Shape } from "./pen";

const SIZE = 12;

const short = (value: number): string => String(Math.round(value * 100) / 100);
const pair = (x: number, y: number): string => `${short(x)} ${short(y)}`;
const hex4 = (value: number): string => value.toString(16).padStart(4, "0");
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
  readonly #written = new Map<number, string>(); // glyphs, and the characters that they show

  constructor(private readonly width: number, private readonly height: number, private readonly font: Font) {
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
    const glyphs = [...text].map((each) => {
      const glyph = this.font.glyph(each) || this.font.glyph("?"); // for what the font does not have
      this.#written.set(glyph, each);
      return glyph;
    });
    const long = glyphs.reduce((sum, each) => sum + this.font.width(each), 0) * (SIZE / 1000);
    const back = long * { start: 0, middle: 0.5, end: 1 }[anchor];
    const place = upward ? `0 -1 -1 0 ${pair(x, y + back)}` : `1 0 0 -1 ${pair(x - back, y)}`;
    this.#parts.push(`${this.#alpha(1)} ${paint(colour)} rg BT ${place} Tm /F1 ${SIZE} Tf <${glyphs.map(hex4).join("")}> Tj ET`);
  }

  /** The file; `source` says where the figure comes from. */
  finish(title: string, source: string): string {
    const content = this.#parts.join("\n");
    const states = [...this.#alphas].map((percent) => `/A${percent} << /CA ${percent / 100} /ca ${percent / 100} >>`).join(" ");
    return fileOf([
      "<< /Type /Catalog /Pages 2 0 R >>",
      "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${this.width} ${this.height}] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> /ExtGState << ${states} >> >> >>`,
      streamOf(content),
      ...fontObjects(this.font, this.#written, 5),
      `<< /Title ${inUnicode(title)} /Subject ${inUnicode(source)} /Creator ${inUnicode("LiveTrap")} >>`,
    ]);
  }

  #alpha(alpha: number): string {
    const percent = Math.round(alpha * 20) * 5;
    this.#alphas.add(percent);
    return `/A${percent} gs`;
  }
}

const FONT_NAME = "LVTRAP+DejaVuSans"; // a part of it: ISO 32000-1, 9.6.4

/** A font of glyph numbers (9.7), its file, and which characters the glyphs show, for who copies the text. */
function fontObjects(font: Font, written: ReadonlyMap<number, string>, first: number): string[] {
  const glyphs = [...written.keys()].sort((a, b) => a - b);
  const widths = glyphs.map((each) => `${each} [${font.width(each)}]`).join(" ");
  const characters = glyphs.map((each) => `<${hex4(each)}> <${hex4(written.get(each)?.charCodeAt(0) ?? 0)}>`);
  const blocks = Array.from({ length: Math.ceil(characters.length / 100) }, (_, block) => characters.slice(100 * block, 100 * block + 100));
  const map = [
    "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /Figure def /CMapType 2 def",
    "1 begincodespacerange <0000> <ffff> endcodespacerange",
    ...blocks.map((block) => `${block.length} beginbfchar ${block.join(" ")} endbfchar`),
    "endcmap end end",
  ].join("\n");
  return [
    `<< /Type /Font /Subtype /Type0 /BaseFont /${FONT_NAME} /Encoding /Identity-H /DescendantFonts [${first + 1} 0 R] /ToUnicode ${first + 4} 0 R >>`,
    `<< /Type /Font /Subtype /CIDFontType2 /BaseFont /${FONT_NAME} /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> /FontDescriptor ${first + 2} 0 R /W [${widths}] /CIDToGIDMap /Identity >>`,
    `<< /Type /FontDescriptor /FontName /${FONT_NAME} /Flags 4 /FontBBox [${font.box.join(" ")}] /ItalicAngle 0 /Ascent ${font.ascent} /Descent ${font.descent} /CapHeight 729 /StemV 80 /FontFile2 ${first + 3} 0 R >>`,
    streamOf(`${font.hex}>`, ` /Length1 ${font.length} /Filter [/ASCIIHexDecode /FlateDecode]`),
    streamOf(map),
  ];
}

const streamOf = (text: string, more = ""): string => `<< /Length ${text.length}${more} >>\nstream\n${text}\nendstream`;

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
