// The local rms of an image: a map of its cells, and along the distance from the centre.

import { useMemo } from "preact/hooks";
import { Chart } from "../charts/chart";
import type { Area, Content, Mark } from "../charts/frame";
import { around, extent } from "../charts/scale";
import { flux, number } from "../format";
import { Loaded, useResource } from "../resource";
import type { Image, RmsGrid } from "../types";

interface Cell {
  corners: [number, number][]; // [px]
  x: number;
  y: number;
  rms: number; // [Jy/beam]
}

/** Cells divide the image evenly; blank ones are left out. */
function cellsOf({ rms_jy_beam: rows, width_px, height_px, cell_px }: RmsGrid): Cell[] {
  const nColumns = rows[0]?.length ?? 0;
  const [width, height] = [width_px ?? nColumns * (cell_px ?? 1), height_px ?? rows.length * (cell_px ?? 1)];
  return rows.flatMap((row, j) => row.flatMap((rms, i): Cell[] => {
    if (rms === null) return [];
    const [left, right] = [(i * width) / nColumns, ((i + 1) * width) / nColumns];
    const [low, high] = [(j * height) / rows.length, ((j + 1) * height) / rows.length];
    return [{ corners: [[left, low], [right, low], [right, high], [left, high]], x: (left + right) / 2, y: (low + high) / 2, rms }];
  }));
}

export function NoiseCard({ image }: { image: Image }) {
  const grid = useResource<RmsGrid>(`images/${image.id}/rms`);
  return (
    <section class="card" aria-label="Noise">
      <h2>Noise</h2>
      <Loaded of={grid} what="rms grid" heightRem={42}>{(found) => <NoiseCharts image={image} grid={found} />}</Loaded>
    </section>
  );
}

function NoiseCharts({ image, grid }: { image: Image; grid: RmsGrid }) {
  const cells = useMemo(() => cellsOf(grid), [grid]);
  const map = useMemo(() => mapOf(cells, grid), [cells, grid]);
  const profile = useMemo(() => profileOf(cells, grid), [cells, grid]);
  const [deepest, shallowest] = extent(cells.map(({ rms }) => rms));
  if (!cells.length) return <p class="empty">Every cell of the rms grid is blank.</p>;
  const describe = ({ mark }: { mark: Mark }): string => {
    const cell = cells[mark.id ?? -1];
    return cell ? `rms ${flux(cell.rms, "/beam")}\ncolumn ${number(cell.x, 4)}, row ${number(cell.y, 4)} px` : "";
  };
  return (
    <>
      <Chart content={map} label={`Rms map: ${cells.length} cells`} describe={describe} file={`livetrap-image-${image.id}-rms`} table={() => <NoiseTable grid={grid} />} />
      <p class="legend"><span>faint: rms {flux(deepest, "/beam")}, strong: {flux(shallowest, "/beam")}{grid.margin_px ? "; dashed: where blind detections begin" : ""}</span></p>
      <Chart content={profile} label={`Noise profile: local rms of ${cells.length} cells`} height="low" describe={describe} file={`livetrap-image-${image.id}-noise`} />
    </>
  );
}

const SHADES = 14;

/** Shades by the logarithm of the rms; marks in the middle of the cells are read and not drawn. */
function mapOf(cells: readonly Cell[], { width_px, height_px, margin_px }: RmsGrid): Content {
  const [deepest, shallowest] = extent(cells.map(({ rms }) => Math.log(rms)));
  const shadeOf = (rms: number): number => Math.round((SHADES * (Math.log(rms) - deepest)) / (shallowest - deepest || 1)) / SHADES;
  const areas = cells.map(({ corners, rms }): Area => ({ corners, colour: "--accent", alpha: 0.15 + 0.75 * shadeOf(rms) }));
  const all = areas.flatMap((each) => [...each.corners]);
  const edges = (size: number | null, axis: "x" | "y") => (margin_px && size ? [{ axis, at: margin_px }, { axis, at: size - margin_px }] : []);
  return {
    x: around(all.map(([x]) => x), "column [px]"), y: around(all.map(([, y]) => y), "row [px]"), isSquare: true, areas,
    rules: [...edges(width_px, "x"), ...edges(height_px, "y")],
    series: [{ name: "cell", colour: "--accent", shape: "dot", isRead: true, marks: cells.map(({ x, y }, id) => ({ x, y, id })) }],
  };
}

function profileOf(cells: readonly Cell[], { width_px, height_px }: RmsGrid): Content {
  const marks = cells.map(({ x, y, rms }, id): Mark => ({ x: Math.hypot(x - (width_px ?? 0) / 2, y - (height_px ?? 0) / 2), y: rms * 1e3, id }));
  return {
    x: around([0, ...marks.map((each) => each.x)], "distance from the centre [px]"), y: around([0, ...marks.map((each) => each.y)], "local rms [mJy/beam]"),
    series: [{ name: "cells", colour: "--accent", shape: "dot", marks }],
  };
}

function NoiseTable({ grid }: { grid: RmsGrid }) {
  return (
    <table>
      <caption>Local rms [mJy/beam], the top row of the image first; a cell is {grid.cell_px ?? "–"} px</caption>
      <tbody>{[...grid.rms_jy_beam].reverse().map((row, index) => <tr key={index}>{row.map((value, column) => <td key={column} class="figure">{value === null ? "–" : number(value * 1e3)}</td>)}</tr>)}</tbody>
    </table>
  );
}
