// One image: its verdict, its pixels with what was measured in them, its noise.

import { go, href, Link, useAddress } from "../address";
import { band as bandName, beamText, duration, flux, fluxWithError, number, place, snr, time, withError } from "../format";
import { get, url } from "../http";
import { ImageView } from "../parts/image_view";
import { useKeys } from "../parts/keys";
import { Fact } from "../parts/marks";
import { NoiseCard } from "../parts/noise";
import { ImagePositions } from "../parts/positions";
import { Loaded, useResource, type Resource } from "../resource";
import type { Detection, Image, Page } from "../types";
import { Verdict } from "./images";

export function ImagePage() {
  const { query } = useAddress();
  const id = query["id"] ?? "";
  const image = useResource<Image>(/^[0-9a-f]{1,64}$/.test(id) ? `images/${id}` : null);
  if (!/^[0-9a-f]{1,64}$/.test(id)) return <p class="empty">Not found: the address names no image. <Link to={href("images")}>Images</Link></p>;
  return <Loaded of={image} what="image">{(found) => <ImageDetail image={found} />}</Loaded>;
}

/** The images of the same band just before and after. */
async function loadNeighbours(image: Image, signal: AbortSignal): Promise<{ before: Image | null; after: Image | null }> {
  const of = { stream: image.stream, verdict: "accepted", limit: 100 };
  const startMs = Date.parse(image.time_start ?? "");
  const isSame = (each: Image): boolean => each.freq_eff_hz === image.freq_eff_hz && each.stokes === image.stokes;
  const spanMs = Math.max(10 * 1000 * (image.exposure_s ?? 1), 60_000);
  const [older, newer] = await Promise.all([
    get<Page<Image>>("images", { ...of, until: image.time_start }, signal),
    get<Page<Image>>("images", { ...of, since: new Date(startMs + 1).toISOString(), until: new Date(startMs + spanMs).toISOString() }, signal),
  ]);
  const byTime = (list: readonly Image[]): Image[] => list.filter(isSame).sort((a, b) => (a.time_start ?? "").localeCompare(b.time_start ?? ""));
  return { before: byTime(older.items).at(-1) ?? null, after: byTime(newer.items)[0] ?? null };
}

function ImageDetail({ image }: { image: Image }) {
  const neighbours = useResource(image.time_start ? `neighbours/${image.id}` : null, {}, { load: (signal) => loadNeighbours(image, signal) });
  const found = useResource<Page<Detection>>(image.verdict === "accepted" ? `images/${image.id}/sources` : null);
  const { before = null, after = null } = neighbours.data ?? {};
  const to = (of: Image | null) => (): void => { if (of) go(href("image", { id: of.id })); };
  useKeys({ k: to(before), j: to(after) });
  return (
    <div class="image-page">
      <div class="source-head">
        <h2>{time(image.time_start)} UTC, {bandName(image)} <Verdict of={image} /></h2>
        <p class="steps">
          {before && <Link to={href("image", { id: before.id })}><kbd>k</kbd> previous of the band</Link>}
          {after && <Link to={href("image", { id: after.id })}><kbd>j</kbd> next of the band</Link>}
          <Link to={href("images", { stream: image.stream })}>images of the stream</Link>
        </p>
        {image.reason_text && <p class="notice bad">{image.reason_text}</p>}
        {image.warnings.length > 0 && <p class="notice">{image.warnings.join("; ").replaceAll("_", " ")}</p>}
      </div>
      <div class="column">
        {image.verdict === "accepted" && <section class="card" aria-label="Picture"><h2>Picture</h2><ImageView image={image} /><p class="legend"><span><i class="blind" />blind</span><span><i class="forced" />forced</span><span><i class="monitor" />monitor</span>{image.beam_major_deg !== null && <span>white, below on the left: the beam</span>}</p></section>}
        {image.verdict === "accepted" && <NoiseCard image={image} />}
        {found.data && <ImagePositions image={image} detections={found.data.items} />}
      </div>
      <div class="column">
        <ImageFacts image={image} />
        {image.verdict === "accepted" && <Measurements image={image} found={found} />}
      </div>
    </div>
  );
}

function ImageFacts({ image }: { image: Image }) {
  const latencyS = image.time_appended ? (Date.parse(image.time_associated) - Date.parse(image.time_appended)) / 1000 : null;
  return (
    <section class="card" aria-label="Quantities">
      <h2>Quantities</h2>
      <dl class="facts">
        <Fact name="rms, median">{flux(image.rms_jy_beam, "/beam")}</Fact>
        <Fact name="beam, FWHM, position angle">{beamText(image)}</Fact>
        <Fact name="centre">{image.field_ra === null || image.field_dec === null ? "–" : place({ ra: image.field_ra, dec: image.field_dec })}</Fact>
        <Fact name="centre to corner">{image.field_radius_deg === null ? "–" : `${number(image.field_radius_deg, 4)}°`}</Fact>
        <Fact name="size">{image.width_px ?? "–"} × {image.height_px ?? "–"} px</Fact>
        <Fact name="exposure">{image.exposure_s === null ? "–" : duration(image.exposure_s)}</Fact>
        <Fact name="bandwidth">{image.freq_bw_hz === null ? "–" : `${number(image.freq_bw_hz / 1e6)} MHz`}</Fact>
        <Fact name="sources">{image.n_sources}</Fact>
        <Fact name="flux over the catalogue">{image.flux_factor === null ? (image.flux_status ?? "–").replaceAll("_", " ") : `${withError(image.flux_factor, image.flux_factor_err)}, ${image.is_flux_factor_applied ? "applied" : "not applied"}`}</Fact>
        <Fact name="shift east, north">{image.shift_east_arcsec === null ? (image.shift_status ?? "–").replaceAll("_", " ") : `${withError(image.shift_east_arcsec, image.shift_err_arcsec, 3)}″, ${withError(image.shift_north_arcsec, image.shift_err_arcsec, 3)}″, ${image.is_shift_applied ? "applied" : "not applied"}`}</Fact>
        <Fact name="from Kafka to associated">{latencyS === null ? "–" : duration(Math.max(0, latencyS))}</Fact>
        <Fact name="telescope, stream">{image.telescope ?? "–"}, {image.stream}</Fact>
        <Fact name="image, sha256">{image.id}, {image.image_id.slice(0, 16)}…</Fact>
      </dl>
    </section>
  );
}

function Measurements({ image, found }: { image: Image; found: Resource<Page<Detection>> }) {
  return (
    <section class="card" aria-label="Measurements">
      <h2>Measurements</h2>
      <Loaded of={found} what="measurements">
        {({ items }) => (items.length === 0 ? <p class="empty">Nothing was measured in this image.</p> : (
          <div class="scroll" tabIndex={0} role="region" aria-label="Measurements">
            <table>
              <thead><tr><th scope="col">source</th><th scope="col">position, ICRS</th><th scope="col">kind</th><th scope="col" class="figure">S/N</th><th scope="col" class="figure">peak flux, 1σ</th><th scope="col" class="figure wide">integrated flux, 1σ</th></tr></thead>
              <tbody>
                {items.slice(0, 1000).map((each) => (
                  <tr key={each.source_number}>
                    <th scope="row"><Link to={href("source", { id: each.source_id })}>{each.source_id}</Link></th><td>{place(each)}</td><td>{each.extraction_type}</td><td class="figure">{snr(each.snr)}</td>
                    <td class="figure">{fluxWithError(each.flux_peak_jy_beam, each.flux_peak_err_jy_beam, "/beam")}</td><td class="figure wide">{fluxWithError(each.flux_int_jy, each.flux_int_err_jy)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ))}
      </Loaded>
      <p class="links"><a href={url(`images/${image.id}/sources`, { format: "ds9" })}>DS9 regions</a> <a href={url(`images/${image.id}/sources`)}>JSON</a> {image.field_ra !== null && image.field_dec !== null && <a href={url(`images/${image.id}/cutout`, { ra: image.field_ra, dec: image.field_dec, format: "fits" })}>FITS of the centre</a>}</p>
    </section>
  );
}
