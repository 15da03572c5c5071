// A chart on a canvas: drawn when its content changes, read by pointer, keyboard or as a table.

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { saveFigure } from "./figure";
import { drawFrame, frameOf, type Colours, type Content, type Frame, type Mark, type Series } from "./frame";
import { Lasso, type Lassoed } from "./lasso";
import { CanvasPen, type Shape } from "./pen";
import { valueAt } from "./scale";

export interface Place {
  series: Series;
  mark: Mark;
}
export interface View {
  x: readonly [number, number];
  y: readonly [number, number];
}
interface ChartProps {
  content: Content;
  label: string; // what it is, for those who do not see it
  describe: (at: Place) => string; // one mark in words, a line each
  onPick?: (at: Place) => void;
  table?: () => ComponentChildren; // made when it is opened
  file?: string; // name of the figure, without its ending
  height?: "tall" | "low";
  onView?: (view: View | null) => void; // wheel and drag change the axes; null: as they were
  onLasso?: (found: Lassoed) => void; // with onToggle: marks can be chosen
  onToggle?: (at: Place) => void;
}

const REACH_PX = 14;

export function Chart({ content, label, describe, onPick, table, file, height = "tall", onView, onLasso, onToggle }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<Frame | null>(null);
  const [at, setAt] = useState<(Place & { left: number; top: number }) | null>(null);
  const [isTableOpen, setTableOpen] = useState(false);
  const [isLassoOn, setLassoOn] = useState(false);
  const places = useMemo(() => inOrder(content.series), [content]);
  useDrawing(box, canvas, frame, content);
  useZoom(canvas, frame, onView);

  const show = (place: Place | undefined): void => {
    const now = frame.current;
    setAt(place && now ? { ...place, left: now.x(place.mark.x), top: now.y(place.mark.y) } : null);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const index = at ? places.findIndex(({ mark }) => mark === at.mark) : -1;
    const next = stepOf(event.key, index, places.length);
    if (next !== null) show(places[next]);
    else if (event.key === "Enter" && at && onPick) onPick(at);
    else if (event.key === " " && at && onToggle) onToggle(at);
    else if (event.key === "Escape") show(undefined);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const nearest = (event: MouseEvent): Place | undefined => (frame.current ? findNearest(frame.current, event.offsetX, event.offsetY) : undefined);
  return (
    <figure class="chart-figure">
      <div ref={box} class={`chart ${height}`}>
        <canvas
          ref={canvas} tabIndex={0} role="application" aria-roledescription="chart" aria-label={`${label}. Arrow keys read the marks${onPick ? ", Enter opens one" : ""}${onToggle ? ", Space selects it" : ""}.`}
          class={at && onPick ? "can-pick" : ""} onKeyDown={onKeyDown} onBlur={() => show(undefined)}
          onPointerMove={(event) => show(nearest(event))} onPointerLeave={() => show(undefined)}
          onClick={(event) => { const found = nearest(event); if (found && onPick) onPick(found); }}
        />
        {isLassoOn && onLasso && <Lasso frame={frame} onLasso={onLasso} />}
        {at && <Tooltip left={at.left} top={at.top} text={describe(at)} box={box.current} />}
        <p class="visually-hidden" aria-live="polite">{at ? describe(at) : ""}</p>
      </div>
      <div class="chart-foot">
        {table && (
          <details onToggle={(event) => setTableOpen(event.currentTarget.open)}>
            <summary>Table: {label.split(":")[0]?.toLowerCase()}</summary>
            {isTableOpen && <div class="scroll" tabIndex={0} role="region" aria-label={`Table: ${label}`}>{table()}</div>}
          </details>
        )}
        {onLasso && <button type="button" aria-pressed={isLassoOn} onClick={() => setLassoOn(!isLassoOn)}>Lasso</button>}
        {onView && <ZoomButtons frame={frame} onView={onView} />}
        {file && <FigureButtons content={content} label={label} file={file} />}
      </div>
    </figure>
  );
}

function FigureButtons({ content, label, file }: { content: Content; label: string; file: string }) {
  const [failure, setFailure] = useState("");
  const onSave = (kind: "svg" | "pdf") => (): void => {
    saveFigure(content, label, file, kind).then(() => setFailure(""), (error: Error) => setFailure(`not saved: ${error.message}`));
  };
  return <span>Figure: {(["svg", "pdf"] as const).map((kind) => <button key={kind} type="button" class="link" onClick={onSave(kind)}>{kind.toUpperCase()}</button>)} <span role="status">{failure}</span></span>;
}

/** A mark of a legend. */
export function Key({ colour, shape }: { colour: string; shape: Shape }) {
  return <i class={shape} style={{ color: colour.startsWith("--") ? `var(${colour})` : colour }} />;
}

function useDrawing(box: { current: HTMLDivElement | null }, canvas: { current: HTMLCanvasElement | null }, frame: { current: Frame | null }, content: Content): void {
  // Before the page is painted: keys and pointer read what is seen.
  useLayoutEffect(() => {
    const draw = (): void => {
      if (box.current && canvas.current) frame.current = drawOn(canvas.current, content, box.current.clientWidth, box.current.clientHeight);
    };
    draw();
    const resized = new ResizeObserver(draw);
    if (box.current) resized.observe(box.current);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
    };
  }, [content]);
}

export function pageColours(of: Element): Colours {
  const style = getComputedStyle(of);
  return (name) => (name.startsWith("--") ? style.getPropertyValue(name).trim() : name);
}

function drawOn(canvas: HTMLCanvasElement, content: Content, width: number, height: number): Frame {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const frame = frameOf(content, width, height);
  const context = canvas.getContext("2d");
  if (!context) return frame;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const colours = pageColours(canvas);
  drawFrame(new CanvasPen(context, colours("--card"), `12px ${getComputedStyle(canvas).fontFamily}`), frame, colours);
  return frame;
}

const inOrder = (all: readonly Series[]): Place[] => all.flatMap((series) => series.marks.map((mark) => ({ series, mark }))).sort((a, b) => a.mark.x - b.mark.x);

function stepOf(key: string, index: number, length: number): number | null {
  if (!length) return null;
  const steps: Record<string, number> = {
    ArrowRight: Math.min(length - 1, index + 1), ArrowDown: Math.min(length - 1, index + 1),
    ArrowLeft: Math.max(0, index - 1), ArrowUp: Math.max(0, index - 1), Home: 0, End: length - 1,
  };
  return steps[key] ?? null;
}

function findNearest(frame: Frame, x: number, y: number): Place | undefined {
  let best: Place | undefined;
  let bestDistance = REACH_PX;
  for (const series of frame.content.series) {
    for (const mark of series.marks) {
      const distance = Math.hypot(frame.x(mark.x) - x, frame.y(mark.y) - y);
      if (distance < bestDistance) {
        best = { series, mark };
        bestDistance = distance;
      }
    }
  }
  return best;
}

function Tooltip({ left, top, text, box }: { left: number; top: number; text: string; box: HTMLElement | null }) {
  const width = box?.clientWidth ?? 0;
  const isRight = left > width / 2;
  const style = isRight ? { right: `${width - left + 10}px`, top: `${Math.max(0, top - 14)}px` } : { left: `${left + 10}px`, top: `${Math.max(0, top - 14)}px` };
  return <div class="tooltip" aria-hidden="true" style={style}>{text}</div>;
}

const ZOOM = 1.4;

/** The axes zoomed around a pixel, or moved by pixels. */
function viewOf({ content: { x, y }, left, right, top, bottom }: Frame, change: { factor?: number; at?: readonly [number, number]; by?: readonly [number, number] }): View {
  const { factor = 1, at = [(left + right) / 2, (top + bottom) / 2], by = [0, 0] } = change;
  const ends = (first: number, last: number, middle: number, move: number): [number, number] => [middle + (first - middle) * factor - move, middle + (last - middle) * factor - move];
  const [x0, x1] = ends(left, right, at[0], by[0]);
  const [y0, y1] = ends(bottom, top, at[1], by[1]);
  return { x: [valueAt(x, left, right, x0), valueAt(x, left, right, x1)], y: [valueAt(y, bottom, top, y0), valueAt(y, bottom, top, y1)] };
}

function useZoom(canvas: { current: HTMLCanvasElement | null }, frame: { current: Frame | null }, onView: ChartProps["onView"]): void {
  useLayoutEffect(() => {
    const place = canvas.current;
    if (!place || !onView) return undefined;
    let last: readonly [number, number] | null = null;
    const onWheel = (event: WheelEvent): void => {
      if (!frame.current || document.activeElement !== place) return; // the page scrolls until the chart is chosen
      event.preventDefault();
      onView(viewOf(frame.current, { factor: event.deltaY > 0 ? ZOOM : 1 / ZOOM, at: [event.offsetX, event.offsetY] }));
    };
    const onDown = (event: PointerEvent): void => { last = [event.offsetX, event.offsetY]; };
    const onMove = (event: PointerEvent): void => {
      if (!last || !frame.current || !event.buttons) return;
      const by = [event.offsetX - last[0], event.offsetY - last[1]] as const;
      if (Math.hypot(...by) < 3) return;
      last = [event.offsetX, event.offsetY];
      onView(viewOf(frame.current, { by }));
    };
    place.addEventListener("wheel", onWheel, { passive: false });
    place.addEventListener("pointerdown", onDown);
    place.addEventListener("pointermove", onMove);
    return () => {
      place.removeEventListener("wheel", onWheel);
      place.removeEventListener("pointerdown", onDown);
      place.removeEventListener("pointermove", onMove);
    };
  }, [onView]);
}

function ZoomButtons({ frame, onView }: { frame: { current: Frame | null }; onView: NonNullable<ChartProps["onView"]> }) {
  const zoom = (factor: number) => (): void => { if (frame.current) onView(viewOf(frame.current, { factor })); };
  return (
    <span class="zoom" role="group" aria-label="Zoom">
      <button type="button" onClick={zoom(1 / ZOOM)} aria-label="Zoom in">+</button>
      <button type="button" onClick={zoom(ZOOM)} aria-label="Zoom out">−</button>
      <button type="button" onClick={() => onView(null)}>whole</button>
    </span>
  );
}
