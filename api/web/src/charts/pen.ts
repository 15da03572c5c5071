// Marks on a canvas, or as the text of an SVG file for a paper: one drawing, two results.

export type Shape = "dot" | "ring" | "square" | "diamond" | "limit" | "cross";

export interface Pen {
  line(points: readonly (readonly [number, number])[], colour: string, options?: { width?: number; dashed?: boolean; alpha?: number }): void;
  mark(shape: Shape, x: number, y: number, radius: number, colour: string): void;
  ellipse(x: number, y: number, halfX: number, halfY: number, turnRad: number, colour: string, width?: number): void;
  cell(x: number, y: number, side: number, colour: string, alpha: number): void;
  area(corners: readonly (readonly [number, number])[], colour: string, alpha: number): void;
  text(text: string, x: number, y: number, options: { colour: string; anchor?: "start" | "middle" | "end"; upward?: boolean }): void;
}

/** Corners of a shape around the origin; null: a circle. */
export function corners(shape: Shape, r: number): (readonly [number, number])[] | null {
  if (shape === "square") return [[-r, -r], [r, -r], [r, r], [-r, r]];
  if (shape === "diamond") return [[0, -r * 1.3], [r * 1.3, 0], [0, r * 1.3], [-r * 1.3, 0]];
  if (shape === "limit") return [[-r, -r * 0.6], [r, -r * 0.6], [0, r]];
  return null;
}

const isHollow = (shape: Shape): boolean => shape === "ring" || shape === "limit";

export class CanvasPen implements Pen {
  constructor(private readonly to: CanvasRenderingContext2D, private readonly ground: string, private readonly font: string) {}

  line(points: readonly (readonly [number, number])[], colour: string, { width = 1, dashed = false, alpha = 1 } = {}): void {
    const { to } = this;
    to.globalAlpha = alpha;
    to.strokeStyle = colour;
    to.lineWidth = width;
    to.setLineDash(dashed ? [4, 4] : []);
    to.beginPath();
    points.forEach(([x, y], index) => (index ? to.lineTo(x, y) : to.moveTo(x, y)));
    to.stroke();
    to.setLineDash([]);
    to.globalAlpha = 1;
  }

  mark(shape: Shape, x: number, y: number, radius: number, colour: string): void {
    const { to } = this;
    if (shape === "cross") {
      this.line([[x - radius, y - radius], [x + radius, y + radius]], colour, { width: 1.5 });
      this.line([[x - radius, y + radius], [x + radius, y - radius]], colour, { width: 1.5 });
      return;
    }
    to.beginPath();
    const outline = corners(shape, radius);
    if (outline) outline.forEach(([dx, dy], index) => (index ? to.lineTo(x + dx, y + dy) : to.moveTo(x + dx, y + dy)));
    else to.arc(x, y, radius, 0, 2 * Math.PI);
    to.closePath();
    to.fillStyle = isHollow(shape) ? this.ground : colour;
    to.fill();
    to.strokeStyle = colour;
    to.lineWidth = 1.4;
    to.stroke();
  }

  ellipse(x: number, y: number, halfX: number, halfY: number, turnRad: number, colour: string, width = 1.5): void {
    this.to.beginPath();
    this.to.ellipse(x, y, halfX, halfY, turnRad, 0, 2 * Math.PI);
    this.to.strokeStyle = colour;
    this.to.lineWidth = width;
    this.to.stroke();
  }

  cell(x: number, y: number, side: number, colour: string, alpha: number): void {
    this.to.globalAlpha = alpha;
    this.to.fillStyle = colour;
    this.to.fillRect(x, y, side, side);
    this.to.globalAlpha = 1;
  }

  area(corners: readonly (readonly [number, number])[], colour: string, alpha: number): void {
    const { to } = this;
    to.globalAlpha = alpha;
    to.fillStyle = colour;
    to.beginPath();
    corners.forEach(([x, y], index) => (index ? to.lineTo(x, y) : to.moveTo(x, y)));
    to.fill();
    to.globalAlpha = 1;
  }

  text(text: string, x: number, y: number, { colour, anchor = "middle", upward = false }: Parameters<Pen["text"]>[3]): void {
    const { to } = this;
    to.save();
    to.font = this.font;
    to.fillStyle = colour;
    to.textAlign = anchor === "middle" ? "center" : anchor;
    to.translate(x, y);
    if (upward) to.rotate(-Math.PI / 2);
    to.fillText(text, 0, 0);
    to.restore();
  }
}

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
const short = (value: number): string => String(Math.round(value * 100) / 100);

export class SvgPen implements Pen {
  readonly #parts: string[] = [];

  constructor(private readonly width: number, private readonly height: number) {}

  line(points: readonly (readonly [number, number])[], colour: string, { width = 1, dashed = false, alpha = 1 } = {}): void {
    const path = points.map(([x, y]) => `${short(x)},${short(y)}`).join(" ");
    const dash = dashed ? ' stroke-dasharray="4 4"' : "";
    this.#parts.push(`<polyline points="${path}" fill="none" stroke="${escape(colour)}" stroke-width="${width}" stroke-opacity="${alpha}"${dash}/>`);
  }

  mark(shape: Shape, x: number, y: number, radius: number, colour: string): void {
    if (shape === "cross") {
      this.line([[x - radius, y - radius], [x + radius, y + radius]], colour);
      this.line([[x - radius, y + radius], [x + radius, y - radius]], colour);
      return;
    }
    const style = `fill="${isHollow(shape) ? "#ffffff" : escape(colour)}" stroke="${escape(colour)}" stroke-width="1.4"`;
    const outline = corners(shape, radius)?.map(([dx, dy]) => `${short(x + dx)},${short(y + dy)}`).join(" ");
    this.#parts.push(outline ? `<polygon points="${outline}" ${style}/>` : `<circle cx="${short(x)}" cy="${short(y)}" r="${radius}" ${style}/>`);
  }

  ellipse(x: number, y: number, halfX: number, halfY: number, turnRad: number, colour: string, width = 1.5): void {
    const turn = `rotate(${short((turnRad * 180) / Math.PI)} ${short(x)} ${short(y)})`;
    this.#parts.push(`<ellipse cx="${short(x)}" cy="${short(y)}" rx="${short(halfX)}" ry="${short(halfY)}" transform="${turn}" fill="none" stroke="${escape(colour)}" stroke-width="${width}"/>`);
  }

  cell(x: number, y: number, side: number, colour: string, alpha: number): void {
    this.#parts.push(`<rect x="${short(x)}" y="${short(y)}" width="${side}" height="${side}" fill="${escape(colour)}" fill-opacity="${short(alpha)}"/>`);
  }

  area(corners: readonly (readonly [number, number])[], colour: string, alpha: number): void {
    const path = corners.map(([x, y]) => `${short(x)},${short(y)}`).join(" ");
    this.#parts.push(`<polygon points="${path}" fill="${escape(colour)}" fill-opacity="${short(alpha)}"/>`);
  }

  text(text: string, x: number, y: number, { colour, anchor = "middle", upward = false }: Parameters<Pen["text"]>[3]): void {
    const turn = upward ? ` transform="rotate(-90 ${short(x)} ${short(y)})"` : "";
    this.#parts.push(`<text x="${short(x)}" y="${short(y)}" text-anchor="${anchor}" fill="${escape(colour)}"${turn}>${escape(text)}</text>`);
  }

  /** The file; `source` says where the figure comes from. */
  finish(source: string, fontBase64: string): string {
    return `<svg xmlns="http://www.w3.org/2000/svg" width="${this.width}" height="${this.height}" viewBox="0 0 ${this.width} ${this.height}" font-family="Figure, DejaVu Sans, sans-serif" font-size="12"><metadata>${escape(source)}</metadata><style>@font-face{font-family:Figure;src:url(data:font/ttf;base64,${fontBase64})}</style><rect width="100%" height="100%" fill="#ffffff"/>${this.#parts.join("")}</svg>\n`;
  }
}
