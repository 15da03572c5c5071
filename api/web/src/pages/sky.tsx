// Where we look: fields of the newest images, and the sources of the running catalogue.

import { useMemo } from "preact/hooks";
import { go, href, Link, useAddress } from "../address";
import { isNew, isVariable, loadCatalogue, type Catalogue } from "../catalogue";
import { Chart, Key } from "../charts/chart";
import type { Content, Ellipse, Mark } from "../charts/frame";
import { around } from "../charts/scale";
import { centreOf, offsets } from "../charts/wcs";
import { count, flux, place, time } from "../format";
import { CoverageCard } from "../parts/coverage";
import { OfStream, StreamChoice, useStreams } from "../parts/filters";
import { InjectionCard } from "../parts/injections";
import { TimeCoverageCard } from "../parts/time_coverage";
import { Loaded, useResource } from "../resource";
import type { Image, Page } from "../types";

const NONE: readonly Image[] = [];
const MOST_MARKS = 20_000;

interface Field {
  ra: number;
  dec: number;
  radiusDeg: number;
  newest: Image;
  n: number;
  bestRms: number | null;
}

/** Fields of the images that share a centre. */
function fieldsOf(images: readonly Image[]): Field[] {
  const fields = new Map<string, Field>();
  for (const image of images) {
    if (image.verdict !== "accepted" || image.field_ra === null || image.field_dec === null) continue;
    const key = `${image.field_ra.toFixed(2)} ${image.field_dec.toFixed(2)}`;
    const before = fields.get(key);
    const bestRms = [before?.bestRms ?? null, image.rms_jy_beam].filter((each) => each !== null).sort((a, b) => a - b)[0] ?? null;
    fields.set(key, { ra: image.field_ra, dec: image.field_dec, radiusDeg: image.field_radius_deg ?? 0, newest: before?.newest ?? image, n: (before?.n ?? 0) + 1, bestRms });
  }
  return [...fields.values()];
}

export function SkyPage() {
  const { query } = useAddress();
  const of = { stream: query["stream"] };
  const streams = useStreams();
  const images = useResource<Page<Image>>(streams.unknown ? null : "images", { ...of, verdict: "accepted", limit: 500 }, { everyMs: 10_000 });
  const catalogue = useResource<Catalogue>(streams.unknown ? null : "sky", of, { everyMs: 60_000, load: (signal) => loadCatalogue(of, signal) });
  const fields = useMemo(() => fieldsOf(images.data?.items ?? []), [images.data]);
  return (
    <>
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <StreamChoice streams={streams} />
      </form>
      <OfStream streams={streams}>
        <div class="grid">
          <div class="column">
            <section class="card" aria-label="Sky">
              <Loaded of={catalogue} what="catalogue" heightRem={28}>
                {(found) => (found.n + fields.length === 0 ? <p class="empty">Nothing was observed yet.</p> : <SkyChart catalogue={found} fields={fields} />)}
              </Loaded>
            </section>
            <CoverageCard stream={of.stream} band={query["band"]} />
          </div>
          <div class="column">
            <section class="card" aria-label="Fields">
              <h2>Fields of the newest images</h2>
              <Loaded of={images} what="images">{() => <FieldTable fields={fields} />}</Loaded>
            </section>
            <TimeCoverageCard images={images.data?.items ?? NONE} />
            <InjectionCard stream={of.stream} catalogue={query["injections"]} />
          </div>
        </div>
      </OfStream>
    </>
  );
}

function SkyChart({ catalogue, fields }: { catalogue: Catalogue; fields: readonly Field[] }) {
  const positions = useMemo(() => [...catalogue.ra.keys()].map((index) => ({ ra: catalogue.ra[index] ?? 0, dec: catalogue.dec[index] ?? 0 })), [catalogue]);
  const centre = useMemo(() => centreOf(fields.length ? fields : positions) ?? { ra: 0, dec: 90 }, [positions, fields]);
  const content = useMemo(() => contentOf(catalogue, positions, fields, centre), [positions, fields, centre]);
  const n = content.series.reduce((sum, each) => sum + each.marks.length, 0);
  return (
    <>
      <Chart
        content={content} label={`Fields on the sky: around ${place(centre)}, ${count(n)} sources, ${fields.length} fields`} file="livetrap-sky"
        describe={({ mark, series }) => { const at = positions[catalogue.id.indexOf(mark.id ?? -1)]; return `source ${mark.id ?? ""}, ${series.name}\n${at ? place(at) : ""}`; }}
        onPick={({ mark }) => go(href("source", { id: mark.id ?? 0 }))}
        table={() => <FieldTable fields={fields} />}
      />
      <p class="legend"><span><Key colour="--faint-mark" shape="dot" />source</span><span><Key colour="#0072b2" shape="diamond" />variable</span><span><Key colour="#d55e00" shape="square" />new</span><span>circles: fields of images, to their corners</span></p>
      <p class="quiet">Around {place(centre)}; north is up, east is left.{catalogue.n > MOST_MARKS && ` The first ${count(MOST_MARKS)} of ${count(catalogue.n)} sources.`}</p>
    </>
  );
}

function contentOf(catalogue: Catalogue, positions: readonly { ra: number; dec: number }[], fields: readonly Field[], centre: { ra: number; dec: number }): Content {
  const kinds: [Mark[], Mark[], Mark[]] = [[], [], []];
  positions.slice(0, MOST_MARKS).forEach((at, index) => {
    const found = offsets(at, centre);
    if (found) kinds[isNew(catalogue, index) ? 2 : isVariable(catalogue, index) ? 1 : 0].push({ x: found[0], y: found[1], id: catalogue.id[index] ?? 0 });
  });
  const ellipses = fields.flatMap((each): Ellipse[] => {
    const found = offsets(each, centre);
    const size = Math.sin(Math.min(90, each.radiusDeg) * Math.PI / 180) * 180 / Math.PI;
    return found ? [{ x: found[0], y: found[1], halfX: size, halfY: size, colour: "--accent" }] : [];
  });
  const xs = [...kinds.flat().map((each) => each.x), ...ellipses.flatMap((each) => [each.x - each.halfX, each.x + each.halfX])];
  const ys = [...kinds.flat().map((each) => each.y), ...ellipses.flatMap((each) => [each.y - each.halfY, each.y + each.halfY])];
  return {
    x: { ...around(xs, "to the east [deg]"), isReversed: true }, y: around(ys, "to the north [deg]"), isSquare: true, ellipses,
    series: [
      { name: "source", colour: "--faint-mark", shape: "dot", marks: kinds[0] },
      { name: "variable", colour: "#0072b2", shape: "diamond", marks: kinds[1] },
      { name: "new", colour: "#d55e00", shape: "square", marks: kinds[2] },
    ],
  };
}

function FieldTable({ fields }: { fields: readonly Field[] }) {
  if (!fields.length) return <p class="empty">No image was accepted yet.</p>;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Fields">
      <table>
        <thead><tr><th scope="col">centre, ICRS</th><th scope="col" class="figure">radius</th><th scope="col" class="figure">images</th><th scope="col" class="figure">best rms</th><th scope="col">newest [UTC]</th></tr></thead>
        <tbody>{fields.map((each) => <tr key={each.newest.id}><th scope="row"><Link to={href("image", { id: each.newest.id })}>{place(each)}</Link></th><td class="figure">{each.radiusDeg.toFixed(2)}°</td><td class="figure">{each.n}</td><td class="figure">{flux(each.bestRms, "/beam")}</td><td>{time(each.newest.time_start)}</td></tr>)}</tbody>
      </table>
    </div>
  );
}
