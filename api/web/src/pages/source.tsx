// One source: is it real, and every number behind the answer.

import { useState } from "preact/hooks";
import { go, href, Link, setQuery, useAddress, type Filters } from "../address";
import { bandsOf, ConstantFits, LightCurveChart, type Shown } from "../charts/lightcurve";
import { arcsec, band as bandName, degrees, duration, ETA_DECIMALS, figure, flux, fluxWithError, number, place, plainPlace, time, V_DECIMALS, withError } from "../format";
import { get, url } from "../http";
import { ClassifyBar, classifyingKeys, work } from "../parts/classify";
import { useKeys } from "../parts/keys";
import { KnownSources } from "../parts/known_sources";
import { SourcePositions } from "../parts/positions";
import { Copy, Fact, TransientBadges } from "../parts/marks";
import { cutoutUrl, Stamp } from "../parts/stamp";
import { StoredStamps } from "../parts/stored_stamps";
import { Loaded, useResource } from "../resource";
import { useStore } from "../store";
import type { Annotations, Delivery, Gap, LightCurve, Page, Point, Source, Transient } from "../types";
import { filtersOf, listOf, nearestImage } from "./transients";

const MAX_POINTS = 5000;
const STRIP = 5;
// The fits of a constant: what is around them, and one line.
const FITS_REM = 5.4;
const FIT_REM = 1.7;

interface Subject {
  source: Source;
  transient: Transient | null;
}

/** The source of the address, with its episode: the one that is asked for, or its newest. */
async function loadSubject(query: Filters, signal: AbortSignal): Promise<Subject> {
  if (query["transient"]) {
    const transient = await get<Transient>(`transients/${query["transient"]}`, {}, signal);
    return { transient, source: await get<Source>(`sources/${transient.source_id}`, {}, signal) };
  }
  const source = await get<Source>(`sources/${query["id"]}`, {}, signal);
  const near = await get<Page<Transient>>("transients", { ra: source.ra, dec: source.dec, radius_deg: 0.05, limit: 100 }, signal);
  return { source, transient: near.items.find((each) => each.source_id === source.id) ?? null };
}

export function SourcePage() {
  const { query } = useAddress();
  const name = ["transient", "id"].find((each) => query[each]);
  const isNumber = name !== undefined && /^\d{1,15}$/.test(query[name] ?? "");
  const subject = useResource<Subject>(isNumber ? `${name}/${query[name]}` : null, {}, { everyMs: 5000, onAlert: true, load: (signal) => loadSubject(query, signal) });
  if (!isNumber) return <p class="empty">Not found: the address names no source. <Link to={href("transients")}>Transients</Link></p>;
  return <Loaded of={subject} what="source">{(found) => <SourceView subject={found} query={query} />}</Loaded>;
}

function SourceView({ subject: { source, transient }, query }: { subject: Subject; query: Filters }) {
  const path = `sources/${source.id}`;
  const curve = useResource<LightCurve>(`${path}/lightcurve`, { newest: MAX_POINTS, limit: MAX_POINTS }, { everyMs: 5000, onAlert: true });
  const gaps = useResource<Page<Gap>>(`${path}/gaps`, { limit: 500 }, { everyMs: 30_000 });
  const [selected, setSelected] = useState<number | null>(null);
  const points = curve.data?.points ?? [];
  const isWaited = curve.data === null && curve.error === null;
  const shown: Shown = { isPeak: query["flux"] === "peak", band: query["band"] ?? "", hasLimits: query["limits"] !== "0" };
  return (
    <div class="source">
      <SourceHead source={source} transient={transient} query={query} />
      <div class="column">
        <section class="card" aria-label="Light curve">
          <CurveForm points={points} shown={shown} />
          <Loaded of={curve} what="light curve" heightRem={27}>
            {() => <LightCurveChart points={points} gaps={gaps.data?.items ?? []} source={source} trigger={transient?.time_start ?? null} shown={shown} selected={selected} onPick={setSelected} />}
          </Loaded>
          {points.length >= MAX_POINTS && <p class="quiet">The newest {MAX_POINTS.toLocaleString("en")} points; CSV and VOTable have all.</p>}
          <Exports path={`${path}/lightcurve`} />
          {isWaited ? <div style={{ minHeight: `${FITS_REM + FIT_REM * source.bands.length}rem` }} /> : points.length > 0 && <ConstantFits points={points} shown={shown} />}
        </section>
        <BandTable source={source} />
        <SourcePositions source={source} points={points} isWaited={isWaited} />
        {transient && <AlertsSent of={transient} />}
      </div>
      <div class="column">
        <section class="card" aria-label="Images of the source">
          <h2>Images</h2>
          <StoredStamps source={source.id} trigId={transient?.trig_id ?? null} />
          <h3>Along the light curve</h3>
          <FilmStrip isLoading={isWaited} points={points} source={source} transient={transient} selected={selected} band={shown.band} />
        </section>
        <Facts source={source} transient={transient} />
        <Said source={source.id} />
        <KnownSources source={source.id} />
      </div>
    </div>
  );
}

function SourceHead({ source, transient, query }: { source: Source; transient: Transient | null; query: Filters }) {
  const filters = filtersOf(query);
  const list = useResource<Page<Transient>>(transient ? "transients" : null, { ...filters, limit: 100 }, { onAlert: true });
  const rows = list.data?.items ?? [];
  const index = rows.findIndex((each) => each.id === transient?.id);
  const isHidden = transient !== null && list.data !== null && index < 0 && Object.keys(filters).length > 0;
  const newer = rows[index - 1];
  const older = index < 0 ? rows[0] : rows[index + 1];
  const to = (of: Transient): string => href("source", { ...query, id: null, transient: of.id, band: null });
  useKeys({
    ...classifyingKeys([source.id]),
    j: () => { if (older) go(to(older)); },
    k: () => { if (newer) go(to(newer)); },
    Escape: () => go(href("transients", listOf(query))),
  });
  return (
    <div class="source-head">
      <h2>{place(source)} {transient ? <TransientBadges of={transient} /> : <span class="badge">source</span>}</h2>
      <p class="steps">
        {newer && <Link to={to(newer)}><kbd>k</kbd> newer</Link>}
        {older && <Link to={to(older)}><kbd>j</kbd> next</Link>}
        <Link to={href("transients", listOf(query))}><kbd>Esc</kbd> list</Link>
      </p>
      {isHidden && <p class="notice">This transient does not pass the filters of the list, or is older than its first hundred.</p>}
      {transient?.retracted_because && <p class="notice bad">Retracted: {transient.retracted_because}</p>}
      <ClassifyBar source={source.id} />
    </div>
  );
}

function CurveForm({ points, shown }: { points: readonly Point[]; shown: Shown }) {
  return (
    <form class="filters" aria-label="What the light curve shows" onSubmit={(event) => event.preventDefault()}>
      <label>Flux <select name="flux" value={shown.isPeak ? "peak" : ""} onChange={(event) => setQuery({ flux: event.currentTarget.value })}><option value="">integrated</option><option value="peak">peak</option></select></label>
      <label>Band <select name="band" value={shown.band} onChange={(event) => setQuery({ band: event.currentTarget.value })}><option value="">all</option>{bandsOf(points).map((name) => <option key={name}>{name}</option>)}</select></label>
      <label>Below 3σ <select name="limits" value={shown.hasLimits ? "" : "0"} onChange={(event) => setQuery({ limits: event.currentTarget.value })}><option value="">upper limit</option><option value="0">measured flux</option></select></label>
    </form>
  );
}

const Exports = ({ path }: { path: string }) => (
  <p class="links"><a href={url(path, { format: "csv" })}>CSV</a> <a href={url(path, { format: "votable" })}>VOTable</a> <a href={url(path)}>JSON</a></p>
);

/** Images around the trigger in one band: before, now, after; or around the chosen point. */
function FilmStrip({ isLoading, points, source, transient, selected, band }: { isLoading: boolean; points: readonly Point[]; source: Source; transient: Transient | null; selected: number | null; band: string }) {
  const picked = selected === null ? undefined : points[selected];
  const centre = picked?.image_id ?? nearestImage(points, transient?.time_start ?? source.last_time_start);
  const at = points.find((point) => point.image_id === centre);
  if (!at) return <p class="empty film">{isLoading ? "Loading images …" : "No image of this source yet."}</p>;
  const wanted = band || bandName(at);
  const own = points.filter((point) => bandName(point) === wanted);
  const middle = Math.max(0, own.findIndex((point) => point.time_start >= at.time_start));
  const first = Math.max(0, Math.min(middle - 2, own.length - STRIP));
  return (
    <div class="strip">
      {own.slice(first, first + STRIP).map((point, index) => {
        const isNow = first + index === middle;
        const words = isNow ? (picked ? "chosen" : transient ? "trigger" : "newest") : first + index < middle ? "before" : "after";
        return <Stamp key={point.image_id} pictures={[cutoutUrl(point.image_id, source)]} to={href("image", { id: point.image_id })} isChosen={isNow} label={`${words}, ${time(point.time_start)} UTC, ${wanted}; open the image`} caption={`${words}\n${point.time_start.slice(11, 19)}`} />;
      })}
      <p class="quiet">{wanted}. A mark of the light curve chooses another time.</p>
    </div>
  );
}

function Facts({ source, transient }: { source: Source; transient: Transient | null }) {
  const around = plainPlace(source);
  return (
    <section class="card" aria-label="Quantities">
      <h2>Quantities</h2>
      <dl class="facts">
        {transient && <><Fact name="S/N at detection">{number(transient.snr)}</Fact><Fact name="peak flux at detection">{flux(transient.flux_peak_jy_beam, "/beam")}</Fact></>}
        {transient && transient.flux_expected_jy_beam !== null && <Fact name="peak flux expected">{fluxWithError(transient.flux_expected_jy_beam, transient.flux_expected_err_jy_beam, "/beam")}</Fact>}
        {transient && transient.rate_arcsec_s !== null && <Fact name="motion, position angle">{number(transient.rate_arcsec_s)}″/s, {number(transient.direction_deg)}°</Fact>}
        <Fact name="η, V, forced points too">{number(source.eta)}, {number(source.v)}</Fact>
        <Fact name="η, V, blind points only">{number(source.eta_blind)}, {number(source.v_blind)}</Fact>
        <Fact name="points, forced ones of them">{source.n_datapoints}, {source.n_forced}</Fact>
        <Fact name="right ascension, declination">{degrees(source.ra)} {degrees(source.dec)} <span class="copies"><Copy text={`${source.ra} ${source.dec}`} label="copy degrees" /> <Copy text={around} label="copy hms dms" /></span></Fact>
        <Fact name="1σ error, east and north">{arcsec(source.ra_err_deg && source.ra_err_deg * 3600, 2)}, {arcsec(source.dec_err_deg && source.dec_err_deg * 3600, 2)}</Fact>
        {source.spectral_index !== null && <Fact name="spectral index">{withError(source.spectral_index, source.spectral_index_err, 3)}</Fact>}
        <Fact name="first image [UTC]">{time(source.first_time_start)}</Fact>
        <Fact name="last image [UTC]">{time(source.last_time_start)}</Fact>
        {transient && <><Fact name="raised by">{transient.trigger || "–"}{transient.trigger_sigma !== null && `, ${number(transient.trigger_sigma)}σ`}</Fact><Fact name="alert family">{transient.trig_id}</Fact></>}
        <Fact name="source, stream">{source.id}, {source.stream}</Fact>
        {source.parent_source_id !== null && <Fact name="split from"><Link to={href("source", { id: source.parent_source_id })}>source {source.parent_source_id}</Link></Fact>}
      </dl>
      <p class="links">
        Elsewhere: {Object.entries(elsewhere(source)).map(([name, address]) => <a key={name} href={address} target="_blank" rel="noreferrer noopener">{name}</a>)}
      </p>
    </section>
  );
}

const elsewhere = ({ ra, dec }: Source): Record<string, string> => ({
  SIMBAD: `https://simbad.cds.unistra.fr/simbad/sim-coo?Coord=${ra}+${dec}&CooFrame=ICRS&Radius=2&Radius.unit=arcmin`,
  NED: `https://ned.ipac.caltech.edu/conesearch?search_type=Near%20Position%20Search&ra=${ra}d&dec=${dec}d&radius=2`,
  TNS: `https://www.wis-tns.org/search?ra=${ra}&decl=${dec}&radius=60&coords_unit=arcsec`,
  Aladin: `https://aladin.cds.unistra.fr/AladinLite/?target=${ra}%20${dec}&fov=0.5`,
});

function AlertsSent({ of }: { of: Transient }) {
  const newest = of.alerts[0];
  const deliveries = useResource<Page<Delivery>>(newest ? `alerts/${newest.id}/deliveries` : null, {}, { everyMs: 10_000 });
  return (
    <section class="card" aria-label="Alerts">
      <h2>Alerts</h2>
      {of.alerts.length === 0 && <p class="empty">No alert about this transient was sent.</p>}
      <ul class="plain">
        {of.alerts.map((each) => (
          <li key={each.id}>{each.alert_type} <a href={url(`alerts/${each.id}`, { format: "json" })} title={each.ivorn}>notice</a> <a href={url(`alerts/${each.id}`, { format: "xml" })} title={each.ivorn}>VOEvent</a></li>
        ))}
      </ul>
      {newest && <Loaded of={deliveries} what="deliveries">{({ items }) => <DeliveryTable items={items} />}</Loaded>}
    </section>
  );
}

export function DeliveryTable({ items }: { items: readonly Delivery[] }) {
  if (!items.length) return <p class="quiet">Nobody was sent it yet.</p>;
  return (
    <div class="scroll">
      <table>
        <thead><tr><th scope="col">channel</th><th scope="col">who has it</th><th scope="col">sent [UTC]</th><th scope="col">acknowledged after</th></tr></thead>
        <tbody>
          {items.map((each) => (
            <tr key={`${each.channel}${each.subscriber}`}>
              <td>{each.channel}</td><td class="name">{each.subscriber}</td><td>{time(each.time_handed)}</td>
              <td>{each.time_acknowledged ? duration((Date.parse(each.time_acknowledged) - Date.parse(each.time_handed)) / 1000) : "not yet"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function BandTable({ source }: { source: Source }) {
  return (
    <section class="card" aria-label="Bands">
      <h2>Bands</h2>
      {source.bands.length === 0
        ? <p class="quiet">No band has statistics: none of the {source.n_datapoints} points of this source counted in them. The light curve shows what was measured.</p>
        : <BandRows source={source} />}
    </section>
  );
}

function BandRows({ source: { bands } }: { source: Source }) {
  return (
    <>
      <div class="scroll">
        <table>
          <thead><tr><th scope="col">band</th><th scope="col" class="figure">points</th><th scope="col" class="figure">weighted mean, 1σ</th><th scope="col" class="figure">greatest</th><th scope="col" class="figure">η</th><th scope="col" class="figure">V</th></tr></thead>
          <tbody>
            {bands.map((each) => (
              <tr key={bandName(each)}>
                <th scope="row">{bandName(each)}</th><td class="figure">{each.n_datapoints}</td><td class="figure">{fluxWithError(each.flux_int_wmean_jy, each.flux_int_wmean_err_jy)}</td>
                <td class="figure">{flux(each.flux_int_max_jy)}</td><td class="figure">{figure(each.eta, ETA_DECIMALS)}</td><td class="figure">{figure(each.v, V_DECIMALS)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {bands.some((each) => each.eta === null) && <p class="quiet">– : η and V need two points in a band.</p>}
    </>
  );
}

function Said({ source }: { source: number }) {
  const { nChanges } = useStore(work);
  const said = useResource<Annotations>(`sources/${source}/annotations`, {}, { everyMs: 15_000, load: (signal) => get(`sources/${source}/annotations`, {}, signal) });
  const [seen, setSeen] = useState(nChanges);
  if (seen !== nChanges) {
    setSeen(nChanges);
    said.reload();
  }
  return (
    <section class="card" aria-label="What was said">
      <h2>What was said</h2>
      <Loaded of={said} what="annotations">
        {({ tags, classifications, comments }) => (
          <ul class="plain said">
            {classifications.map((each) => <li key={each.id}><strong>{each.classification}</strong> {each.origin}, {time(each.time_created)} {each.note}</li>)}
            {tags.length > 0 && <li>{tags.map((each) => <span key={each.id} class="badge">{each.tag}</span>)}</li>}
            {comments.map((each) => <li key={each.id}>{each.body} <span class="quiet">{each.actor}, {time(each.time_created)}</span></li>)}
            {!tags.length && !classifications.length && !comments.length && <li class="quiet">Nothing yet: 1 to 5 classify it.</li>}
          </ul>
        )}
      </Loaded>
    </section>
  );
}
