// A light curve in the height of a row: the shape alone, in one colour.

import { useEffect, useRef } from "preact/hooks";
import { pageColours } from "../charts/chart";
import { extent } from "../charts/scale";
import { fluxWithError } from "../format";
import type { Point } from "../types";

const WIDTH = 120;
const HEIGHT = 34;

export function Sparkline({ points }: { points: readonly Point[] }) {
  const place = useRef<HTMLCanvasElement>(null);
  const usable = points.filter((point) => point.flux_int_jy !== null);
  useEffect(() => {
    const draw = (): void => { if (place.current) drawPoints(place.current, usable); };
    draw();
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", draw);
    return () => scheme.removeEventListener("change", draw);
  }, [points]);
  const newest = usable.at(-1);
  const label = newest ? `Light curve of ${usable.length} points; the newest ${fluxWithError(newest.flux_int_jy, newest.flux_int_err_jy)}` : "No measurement";
  return <canvas ref={place} class="spark" role="img" aria-label={label} />;
}

function drawPoints(canvas: HTMLCanvasElement, usable: readonly Point[]): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const ratio = devicePixelRatio || 1;
  canvas.width = WIDTH * ratio;
  canvas.height = HEIGHT * ratio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = pageColours(canvas)("--accent");
  const times = usable.map((point) => Date.parse(point.time_start));
  const [first, last] = extent(times);
  const [low, high] = extent([0, ...usable.map((point) => point.flux_int_jy ?? 0)]);
  usable.forEach((point, index) => {
    const x = 3 + (((times[index] ?? 0) - first) / (last - first || 1)) * (WIDTH - 6);
    const y = HEIGHT - 3 - (((point.flux_int_jy ?? 0) - low) / (high - low || 1)) * (HEIGHT - 6);
    context.globalAlpha = point.extraction_type === "blind" ? 1 : 0.45;
    context.beginPath();
    context.arc(x, y, 1.8, 0, 2 * Math.PI);
    context.fill();
  });
}
