// Which cells of the sky were observed, and how deep.

import { useMemo } from "preact/hooks";
import { go, href, Link, setQuery } from "../address";
import { Chart } from "../charts/chart";
import type { Area, Content, Mark } from "../charts/frame";
import { cellOf, cellSideDeg, centreOfCell, cornersOf } from "../charts/healpix";
import { around, extent } from "../charts/scale";
import { centreOf, offsets, type Position } from "../charts/wcs";
import { band as bandName, count, flux, frequency, number, place } from "../format";
import { Loaded, useResource } from "../resource";
import type { Band, CoverageCell, Page } from "../types";

const MOST_CELLS = 50_000;
const MOST_ROWS = 1000;

export function CoverageCard({ stream, band }: { stream: string | undefined; band: string | undefined }) {
  const bands = useResource<Page<Band>>("bands", { stream, limit: 500 });
  const cells = useResource<Page<CoverageCell>>("coverage", { stream, band, limit: MOST_CELLS }, { everyMs: 60_000 });
  const frequencies = [...new Set((bands.data?.items ?? []).map((each) => each.freq_eff_hz))].sort((a, b) => a - b);
  return (
    <section class="card" aria-label="Coverage">
      <div class="card-head">
        <h2>Coverage and depth</h2>
        <form class="filters" aria-label="Band of the coverage" onSubmit={(event) => event.preventDefault()}>
          <label>Band <select name="band" value={band ?? ""} onChange={(event) => setQuery({ band: event.currentTarget.value })}><option value="">deepest of all</option>{frequencies.map((each) => <option key={each} value={each}>{frequency(each)}</option>)}</select></label>
        </form>
      </div>
      <Loaded of={cells} what="coverage" heightRem={28}>
        {({ items, next }) => (items.length === 0 ? <p class="empty">No cell of the sky was covered yet: accepted images with a noise grid cover it.</p> : <CoverageChart cells={items} isMore={next !== null} />)}
      </Loaded>
    </section>
  );
}

const areaDeg2 = (cells: readonly CoverageCell[]): number => cells.reduce((sum, { cell }) => sum + cellSideDeg(cellOf(cell).order) ** 2, 0);

function CoverageChart({ cells, isMore }: { cells: readonly CoverageCell[]; isMore: boolean }) {
  const centre = useMemo(() => centreOf(cells.map(({ cell }) => centreOfCell(cell))) ?? { ra: 0, dec: 90 }, [cells]);
  const content = useMemo(() => contentOf(cells, centre), [cells, centre]);
  const [deepest, shallowest] = extent(cells.map((each) => each.rms_jy_beam));
  const nHidden = cells.length - (content.areas?.length ?? 0);
  return (
    <>
      <Chart
        content={content} label={`Coverage: ${count(cells.length)} cells, ${number(areaDeg2(cells))} square degrees`} file="livetrap-coverage"
        describe={({ mark }) => { const each = cells[mark.id ?? -1]; return each ? `${place(centreOfCell(each.cell))}\nrms ${flux(each.rms_jy_beam, "/beam")}\n${bandName(each)}, image ${each.image}` : ""; }}
        onPick={({ mark }) => go(href("image", { id: cells[mark.id ?? -1]?.image }))} table={() => <CellTable cells={cells} />}
      />
      <p class="legend"><span>strong: rms {flux(deepest, "/beam")}, faint: {flux(shallowest, "/beam")}</span></p>
      <p class="quiet">
        {number(areaDeg2(cells))} square degrees in {count(cells.length)} HEALPix cells; north is up, east is left, around {place(centre)}.
        {nHidden > 0 && ` ${count(nHidden)} cells on the far side of the sky are in the table only.`}{isMore && ` The first ${count(MOST_CELLS)} cells.`}
      </p>
    </>
  );
}

/** Shades by the logarithm of the rms; marks in the middle of the cells are read and not drawn. */
function contentOf(cells: readonly CoverageCell[], centre: Position): Content {
  const [deepest, shallowest] = extent(cells.map((each) => Math.log(each.rms_jy_beam)));
  const areas: Area[] = [];
  const marks: Mark[] = [];
  cells.forEach(({ cell, rms_jy_beam }, id) => {
    const corners = cornersOf(cell).map((each) => offsets(each, centre));
    const middle = offsets(centreOfCell(cell), centre);
    if (!middle || corners.some((each) => each === null)) return;
    const part = (shallowest - Math.log(rms_jy_beam)) / (shallowest - deepest || 1);
    areas.push({ corners: corners as [number, number][], colour: "--accent", alpha: 0.2 + 0.7 * Math.round(part * 14) / 14 });
    marks.push({ x: middle[0], y: middle[1], id });
  });
  const all = areas.flatMap((each) => [...each.corners]);
  return {
    x: { ...around(all.map(([x]) => x), "to the east [deg]"), isReversed: true }, y: around(all.map(([, y]) => y), "to the north [deg]"), isSquare: true,
    areas, series: [{ name: "cell", colour: "--accent", shape: "dot", isRead: true, marks }],
  };
}

function CellTable({ cells }: { cells: readonly CoverageCell[] }) {
  return (
    <table>
      <thead><tr><th scope="col">cell, NUNIQ</th><th scope="col">centre, ICRS</th><th scope="col" class="figure">rms</th><th scope="col">band</th><th scope="col">deepest image</th></tr></thead>
      <tbody>{cells.slice(0, MOST_ROWS).map((each) => <tr key={each.cell}><th scope="row">{each.cell}</th><td>{place(centreOfCell(each.cell))}</td><td class="figure">{flux(each.rms_jy_beam, "/beam")}</td><td>{bandName(each)}</td><td><Link to={href("image", { id: each.image })}>{each.image}</Link></td></tr>)}</tbody>
    </table>
  );
}
