// A lasso around marks of a chart, by pointer; keys choose mark by mark.

import { useEffect, useRef, useState } from "preact/hooks";
import type { Frame } from "./frame";

export interface Lassoed {
  contains: (x: number, y: number) => boolean; // values of the axes
  isAdded: boolean; // to what is chosen already: Shift
}
type Corner = readonly [number, number];

const STEP_PX = 3;

/** Even-odd rule, after a box that is quick to leave. */
function insideOf(corners: readonly Corner[]): (x: number, y: number) => boolean {
  const [xs, ys] = [corners.map(([x]) => x), corners.map(([, y]) => y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return (x, y) => {
    if (x < left || x > right || y < top || y > bottom) return false;
    let isInside = false;
    for (let index = 0, before = corners.length - 1; index < corners.length; before = index, index += 1) {
      const [ax, ay] = corners[index] as Corner;
      const [bx, by] = corners[before] as Corner;
      if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) isInside = !isInside;
    }
    return isInside;
  };
}

interface Props {
  frame: { current: Frame | null };
  onLasso: (found: Lassoed) => void;
}

/** Lies over the chart while the lasso is on. */
export function Lasso({ frame, onLasso }: Props) {
  const place = useRef<SVGSVGElement>(null);
  const path = useRef<Corner[]>([]);
  const [drawn, setDrawn] = useState("");
  useEffect(() => () => { path.current = []; }, []);

  const at = (event: PointerEvent): Corner => {
    const box = place.current?.getBoundingClientRect();
    return [event.clientX - (box?.left ?? 0), event.clientY - (box?.top ?? 0)];
  };
  const show = (): void => setDrawn(path.current.map(([x, y]) => `${x.toFixed(0)},${y.toFixed(0)}`).join(" "));
  const onDown = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    place.current?.setPointerCapture(event.pointerId);
    path.current = [at(event)];
    event.preventDefault();
  };
  const onMove = (event: PointerEvent): void => {
    const last = path.current.at(-1);
    const next = at(event);
    if (!last || Math.hypot(next[0] - last[0], next[1] - last[1]) < STEP_PX) return;
    path.current.push(next);
    show();
  };
  const onUp = (event: PointerEvent): void => {
    const corners = path.current;
    path.current = [];
    show();
    const now = frame.current;
    if (corners.length < 3 || !now) return;
    const isInside = insideOf(corners);
    onLasso({ contains: (x, y) => isInside(now.x(x), now.y(y)), isAdded: event.shiftKey });
  };
  return (
    <svg ref={place} class="lasso" aria-hidden="true" onPointerDown={onDown} onPointerMove={onMove} onPointerUp={onUp} onPointerCancel={() => { path.current = []; show(); }}>
      <polygon points={drawn} />
    </svg>
  );
}
