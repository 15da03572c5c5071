// An image with the measurements that were made in it.

import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { go, href } from "../address";
import { pageColours } from "../charts/chart";
import { CanvasPen } from "../charts/pen";
import { parseWcs, type Wcs } from "../charts/wcs";
import { fluxWithError, number } from "../format";
import { url } from "../http";
import { useResource } from "../resource";
import type { Detection, Image, Page, RmsGrid } from "../types";

const MOST_PX = 1025; // of a cut-out
const COLOURS: Record<string, string> = { blind: "#e8a33d", forced: "#69d08c", monitor: "#5fc3e8" };
const REACH_PX = 12;
const BEAM_AIR_PX = 6;

interface Placed {
  detection: Detection;
  x: number; // of the picture, from the left and from the top, in picture pixels
  y: number;
  halfMajor: number;
  halfMinor: number;
  turnRad: number;
}

interface Beam {
  halfMajor: number; // in picture pixels
  halfMinor: number;
  turnRad: number;
}

export function ImageView({ image }: { image: Image }) {
  const grid = useResource<RmsGrid>(`images/${image.id}/rms`);
  const found = useResource<Page<Detection>>(`images/${image.id}/sources`);
  const wcs = useMemo(() => (grid.data?.wcs_header ? parseWcs(grid.data.wcs_header) : null), [grid.data]);
  const [side, setSide] = useState(0);
  const [isGone, setGone] = useState(false);
  const address = useMemo(() => pictureAddress(image, wcs), [image.id, wcs]);
  const placed = useMemo(() => (wcs && side ? (found.data?.items ?? []).flatMap((each) => placeOf(each, image, wcs, side) ?? []) : []), [found.data, wcs, side, image.id]);
  const beam = useMemo(() => (wcs ? beamOf(image, wcs) : null), [image.id, wcs]);
  if (grid.error) return <p class="empty picture">{grid.error.message}</p>;
  if (grid.data && !wcs) return <p class="empty picture">The page draws SIN and TAN projections only.</p>;
  if (isGone) return <p class="empty picture">The pixels of this image are not kept any more; its measurements are.</p>;
  return (
    <div class="picture">
      {address && <img src={address} alt={`Image ${image.id}`} onLoad={(event) => setSide(event.currentTarget.naturalWidth)} onError={() => setGone(true)} />}
      {side > 0 && <Overlay placed={placed} side={side} beam={beam} />}
    </div>
  );
}

function pictureAddress(image: Image, wcs: Wcs | null): string | null {
  if (!wcs || image.field_ra === null || image.field_dec === null) return null;
  const wantedPx = Math.min(MOST_PX, Math.max(image.width_px ?? MOST_PX, image.height_px ?? MOST_PX)) - 1;
  return url(`images/${image.id}/cutout`, { ra: image.field_ra, dec: image.field_dec, size_arcmin: wantedPx * wcs.scaleDeg * 60 });
}

function placeOf(detection: Detection, image: Image, wcs: Wcs, side: number): Placed | null {
  const at = wcs.toPixel(detection.ra, detection.dec);
  const centre = wcs.toPixel(image.field_ra ?? 0, image.field_dec ?? 0);
  if (!at || !centre) return null;
  const half = (side - 1) / 2;
  const perArcsec = 1 / (wcs.scaleDeg * 3600);
  return {
    detection,
    x: at[0] - Math.round(centre[0]) + half + 0.5,
    y: half - (at[1] - Math.round(centre[1])) + 0.5, // FITS counts rows from the bottom
    halfMajor: Math.max(3, ((detection.major_arcsec ?? 0) / 2) * perArcsec),
    halfMinor: Math.max(3, ((detection.minor_arcsec ?? 0) / 2) * perArcsec),
    turnRad: turnOf(detection.pa_deg, wcs),
  };
}

/** Of an ellipse on a canvas: the major axis points up in a picture at position angle 0. */
const turnOf = (paDeg: number | null, wcs: Wcs): number => -(wcs.northRad + ((paDeg ?? 0) * Math.PI) / 180) - Math.PI / 2;

function beamOf({ beam_major_deg, beam_minor_deg, beam_pa_deg }: Image, wcs: Wcs): Beam | null {
  if (beam_major_deg === null || beam_minor_deg === null) return null;
  return { halfMajor: beam_major_deg / 2 / wcs.scaleDeg, halfMinor: beam_minor_deg / 2 / wcs.scaleDeg, turnRad: turnOf(beam_pa_deg, wcs) };
}

function Overlay({ placed, side, beam }: { placed: readonly Placed[]; side: number; beam: Beam | null }) {
  const place = useRef<HTMLCanvasElement>(null);
  const [at, setAt] = useState<Placed | null>(null);
  useLayoutEffect(() => {
    const canvas = place.current;
    const draw = (): void => {
      if (canvas) drawOverlay(canvas, placed, side, beam);
    };
    draw();
    const resized = new ResizeObserver(draw);
    if (canvas) resized.observe(canvas);
    return () => resized.disconnect();
  }, [placed, side, beam]);
  const nearest = (event: MouseEvent): Placed | null => {
    const scale = (place.current?.clientWidth ?? 1) / side;
    const near = placed.map((each) => ({ each, px: Math.hypot(each.x * scale - event.offsetX, each.y * scale - event.offsetY) })).sort((a, b) => a.px - b.px)[0];
    return near && near.px < REACH_PX ? near.each : null;
  };
  const words = at && `source ${at.detection.source_id}\n${at.detection.extraction_type}, S/N ${number(at.detection.snr)}\n${fluxWithError(at.detection.flux_peak_jy_beam, at.detection.flux_peak_err_jy_beam, "/beam")}`;
  return (
    <>
      <canvas
        ref={place} role="img" aria-label={`${placed.length} measurements${beam ? " and the beam" : ""}, of which a table follows on the page of the image`} class={at ? "can-pick" : ""}
        onPointerMove={(event) => setAt(nearest(event))} onPointerLeave={() => setAt(null)}
        onClick={(event) => { const found = nearest(event); if (found) go(href("source", { id: found.detection.source_id })); }}
      />
      {words && <p class="tooltip corner" aria-hidden="true">{words}</p>}
    </>
  );
}

function drawOverlay(canvas: HTMLCanvasElement, placed: readonly Placed[], side: number, beam: Beam | null): void {
  const ratio = devicePixelRatio || 1;
  const shownPx = canvas.clientWidth;
  canvas.width = canvas.height = Math.round(shownPx * ratio);
  const context = canvas.getContext("2d");
  if (!context) return;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const pen = new CanvasPen(context, pageColours(canvas)("--card"), "12px sans-serif");
  const scale = shownPx / side;
  for (const each of placed) {
    const [major, minor] = [each.halfMajor, each.halfMinor].map((half) => Math.max(5, half * 2 * scale)) as [number, number];
    pen.ellipse(each.x * scale, each.y * scale, major, minor, each.turnRad, COLOURS[each.detection.extraction_type] ?? "#e8a33d", 1.4);
  }
  if (!beam) return;
  // In its true size, in the lower left corner.
  const reach = Math.max(beam.halfMajor * scale, 2) + BEAM_AIR_PX;
  pen.ellipse(reach, shownPx - reach, beam.halfMajor * scale, beam.halfMinor * scale, beam.turnRad, "#ffffff", 1.6);
}
