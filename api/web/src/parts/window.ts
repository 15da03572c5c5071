// The rows of a long table that are near the window; others are as much empty height.

import { useEffect, useState } from "preact/hooks";

const ALL = 150; // so many rows are simply there
const MARGIN = 20;
const GUESS_PX = 67;

interface Range {
  first: number;
  end: number;
  rowPx: number;
}
interface RowWindow {
  first: number;
  end: number;
  beforePx: number;
  afterPx: number;
  include: (index: number) => void; // before it is given the focus
}

function rangeOf(body: HTMLElement, n: number, before: Range): Range {
  const rows = body.querySelectorAll("tr[aria-rowindex]");
  const [first, last] = [rows[0], rows[rows.length - 1]];
  const rowPx = first && last ? (last.getBoundingClientRect().bottom - first.getBoundingClientRect().top) / rows.length : before.rowPx;
  const topPx = body.getBoundingClientRect().top;
  const start = Math.max(0, Math.min(n - 1, Math.floor(-topPx / rowPx)) - MARGIN);
  return { first: start, end: Math.min(n, Math.max(start, Math.ceil((innerHeight - topPx) / rowPx)) + MARGIN), rowPx };
}

export function useRowWindow(body: { current: HTMLElement | null }, n: number): RowWindow {
  const [range, setRange] = useState<Range>({ first: 0, end: 3 * MARGIN, rowPx: GUESS_PX });
  useEffect(() => {
    if (n <= ALL) return undefined;
    let frame = 0;
    const update = (): void => {
      frame = 0;
      setRange((before) => {
        const next = body.current ? rangeOf(body.current, n, before) : before;
        return next.first === before.first && next.end === before.end ? before : next;
      });
    };
    const later = (): void => { frame ||= requestAnimationFrame(update); };
    update();
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    return () => {
      cancelAnimationFrame(frame);
      removeEventListener("scroll", later);
      removeEventListener("resize", later);
    };
  }, [n]);
  if (n <= ALL) return { first: 0, end: n, beforePx: 0, afterPx: 0, include: () => undefined };
  const first = Math.min(range.first, n);
  const end = Math.min(Math.max(range.end, first), n);
  const include = (index: number): void => {
    if (index < first || index >= end) setRange({ ...range, first: Math.max(0, index - MARGIN), end: Math.min(n, index + MARGIN) });
  };
  return { first, end, beforePx: first * range.rowPx, afterPx: (n - end) * range.rowPx, include };
}
