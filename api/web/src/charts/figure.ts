// A chart as a file for a paper: white ground, a legend in the picture, and where it comes from.

import { save } from "../save";
import { drawFrame, frameOf, type Content } from "./frame";
import { loadFont } from "./font";
import { PdfPen } from "./pdf";
import { SvgPen, type Pen, type Shape } from "./pen";

const SIZE = { width: 720, height: 440 };
const ROW_PX = 18;
const PAPER: Record<string, string> = { "--faint-mark": "#7f8c97", "--quiet": "#333333", "--grid": "#e6e6e6", "--faint": "#666666", "--accent": "#0b5c8f" };
const onPaper = (name: string): string => PAPER[name] ?? name;

interface Entry {
  shape: Shape;
  colour: string;
  name: string;
  x: number;
  row: number;
}

/** Series that have marks, then symbols, in rows from the left. */
function entriesOf({ series, symbols = [] }: Content): Entry[] {
  const named = [...series.filter((each) => each.marks.length && !each.isRead), ...symbols.map((each) => ({ ...each, colour: "--quiet" }))];
  let [x, row] = [70, 0];
  return named.map(({ shape, colour, name }) => {
    const width = 26 + 6.5 * name.length;
    if (x + width > SIZE.width && x > 70) [x, row] = [70, row + 1];
    const entry = { shape, colour, name, x, row };
    x += width;
    return entry;
  });
}

function drawFigure(pen: Pen, content: Content): void {
  const entries = entriesOf(content);
  const legendPx = entries.length ? ROW_PX * ((entries.at(-1)?.row ?? 0) + 1) : 0;
  drawFrame(pen, frameOf({ ...content, selected: null, chosen: new Set() }, SIZE.width, SIZE.height, legendPx), onPaper);
  for (const { shape, colour, name, x, row } of entries) {
    pen.mark(shape, x, 12 + row * ROW_PX, 3.4, onPaper(colour));
    pen.text(name, x + 9, 16 + row * ROW_PX, { colour: onPaper("--quiet"), anchor: "start" });
  }
}

export async function saveFigure(content: Content, title: string, file: string, kind: "svg" | "pdf"): Promise<void> {
  const source = `${location.href}, ${new Date().toISOString()}`;
  const font = await loadFont();
  if (kind === "svg") {
    const pen = new SvgPen(SIZE.width, SIZE.height);
    drawFigure(pen, content);
    save(new Blob([pen.finish(source, font.base64)], { type: "image/svg+xml" }), `${file}.svg`);
  } else {
    const pen = new PdfPen(SIZE.width, SIZE.height, font);
    drawFigure(pen, content);
    save(new Blob([pen.finish(title, source)], { type: "application/pdf" }), `${file}.pdf`);
  }
}
