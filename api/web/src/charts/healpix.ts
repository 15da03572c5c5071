// HEALPix cells in nested order (Gorski et al. 2005, ApJ 622, 759), by their NUNIQ numbers.

import type { Position } from "./wcs";

const RAD = Math.PI / 180;
// Of each base pixel: the row of its northern corner, and its column.
const ROWS: readonly number[] = [2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4];
const COLUMNS: readonly number[] = [1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7];

interface Cell {
  order: number;
  face: number;
  x: number;
  y: number;
}

/** 4 * 4^order + pixel, up to order 24: a number has 53 bits. */
export function cellOf(uniq: number): Cell {
  let order = 0;
  while (16 * 4 ** order <= uniq) order += 1;
  let pixel = uniq - 4 * 4 ** order;
  const face = Math.floor(pixel / 4 ** order);
  pixel -= face * 4 ** order;
  let [x, y] = [0, 0];
  for (let bit = 0; bit < order; bit += 1) {
    const pair = pixel % 4;
    x += (pair % 2) * 2 ** bit;
    y += Math.floor(pair / 2) * 2 ** bit;
    pixel = Math.floor(pixel / 4);
  }
  return { order, face, x, y };
}

/** A place of a base pixel; x and y from 0 to 1. */
function placeOf(face: number, x: number, y: number): Position {
  const row = (ROWS[face] ?? 2) - x - y;
  const isCap = row < 1 || row > 3;
  const ring = row < 1 ? row : row > 3 ? 4 - row : 1;
  const height = isCap ? (row < 1 ? 1 : -1) * (1 - (ring * ring) / 3) : ((2 - row) * 2) / 3;
  const column = (COLUMNS[face] ?? 0) * ring + x - y;
  const ra = ring < 1e-12 ? 0 : (45 * column) / ring;
  return { ra: ((ra % 360) + 360) % 360, dec: Math.asin(Math.max(-1, Math.min(1, height))) / RAD };
}

/** South, east, north and west corner. */
export function cornersOf(uniq: number): Position[] {
  const { order, face, x, y } = cellOf(uniq);
  const n = 2 ** order;
  return ([[0, 0], [1, 0], [1, 1], [0, 1]] as const).map(([dx, dy]) => placeOf(face, (x + dx) / n, (y + dy) / n));
}

export function centreOfCell(uniq: number): Position {
  const { order, face, x, y } = cellOf(uniq);
  const n = 2 ** order;
  return placeOf(face, (x + 0.5) / n, (y + 0.5) / n);
}

/** Square root of the area of a cell [deg]. */
export const cellSideDeg = (order: number): number => Math.sqrt(Math.PI / 3) / 2 ** order / RAD;
