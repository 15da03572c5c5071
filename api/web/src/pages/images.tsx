// Images and their verdicts.

import { href, Link, useAddress } from "../address";
import { band as bandName, beamText, duration, fluxFigure, number, place, time } from "../format";
import { url } from "../http";
import { classOf, ColumnChooser, EXPORTS, fieldsOf, shownOf, type Column } from "../parts/columns";
import { Choice, OfStream, StreamChoice, useStreams } from "../parts/filters";
import { Badge } from "../parts/marks";
import { Loaded, useResource } from "../resource";
import type { Image, Page } from "../types";

// The number of an image is in every row: it is its name.
const ALWAYS: readonly string[] = ["id"];
const COLUMNS: readonly Column<Image>[] = [
  { name: "start", head: "start [UTC]", fields: ["time_start"], cell: (of) => time(of.time_start) },
  { name: "band", head: "band", fields: ["freq_eff_hz", "stokes"], cell: bandName },
  { name: "width", head: "bandwidth", fields: ["freq_bw_hz"], isFigure: true, isExtra: true, cell: (of) => (of.freq_bw_hz === null ? "–" : `${number(of.freq_bw_hz / 1e6)} MHz`) },
  { name: "verdict", head: "verdict", fields: ["verdict"], cell: (of) => <Verdict of={of} /> },
  { name: "rms", head: "rms", fields: ["rms_jy_beam"], isFigure: true, cell: (of) => fluxFigure(of.rms_jy_beam, "/beam") },
  { name: "sources", head: "sources", fields: ["n_sources"], isFigure: true, cell: (of) => of.n_sources },
  { name: "exposure", head: "exposure", fields: ["exposure_s"], isFigure: true, isWide: true, cell: (of) => (of.exposure_s === null ? "–" : duration(of.exposure_s)) },
  { name: "beam", head: "beam, FWHM", fields: ["beam_major_deg", "beam_minor_deg", "beam_pa_deg"], isFigure: true, isExtra: true, cell: beamText },
  { name: "centre", head: "centre, ICRS", fields: ["field_ra", "field_dec"], isExtra: true, cell: (of) => (of.field_ra === null || of.field_dec === null ? "–" : place({ ra: of.field_ra, dec: of.field_dec })) },
  { name: "size", head: "size", fields: ["width_px", "height_px"], isFigure: true, isExtra: true, cell: (of) => `${of.width_px ?? "–"} × ${of.height_px ?? "–"} px` },
  { name: "telescope", head: "telescope", fields: ["telescope"], isExtra: true, cell: (of) => of.telescope ?? "–" },
  { name: "stream", head: "stream", fields: ["stream"], isWide: true, cell: (of) => <span class="name">{of.stream}</span> },
];

const VERDICTS: readonly string[] = ["accepted", "rejected"];

export function ImagesPage() {
  const { query } = useAddress();
  const filters = { stream: query["stream"], verdict: query["verdict"] };
  const streams = useStreams();
  const images = useResource<Page<Image>>(streams.unknown ? null : "images", { ...filters, limit: 100, cursor: query["from"] }, query["from"] ? {} : { everyMs: 5000 });
  const { columns } = query;
  return (
    <section class="card" aria-label="Images">
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <StreamChoice streams={streams} />
        <Choice label="Verdict" name="verdict" known={VERDICTS} />
        <ColumnChooser all={COLUMNS} names={columns} />
      </form>
      <OfStream streams={streams}>
        <Loaded of={images} what="images">
          {({ items, next }) => (
            <>
              {items.length ? <ImageTable images={items} columns={shownOf(COLUMNS, columns)} /> : <p class="empty">{query["verdict"] || query["stream"] ? "No image passes these filters." : "No image arrived yet. Publish some with "}{!query["verdict"] && !query["stream"] && <code>livetrap ingest</code>}</p>}
              <p class="links">
                {query["from"] && <Link to={href("images", { ...filters, columns })}>Newest</Link>}
                {next && <Link to={href("images", { ...filters, columns, from: next })}>Older</Link>}
                {EXPORTS.map(([format, text]) => <a key={format} href={url("images", { ...filters, format, columns: fieldsOf(ALWAYS, COLUMNS, columns) })}>{text}</a>)}
              </p>
            </>
          )}
        </Loaded>
      </OfStream>
    </section>
  );
}

function ImageTable({ images, columns }: { images: readonly Image[]; columns: readonly Column<Image>[] }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Images, newest first">
      <table class="images">
        <thead><tr><th scope="col">image</th>{columns.map((each) => <th key={each.name} scope="col" class={classOf(each)}>{each.head}</th>)}</tr></thead>
        <tbody>
          {images.map((image) => (
            <tr key={image.id}>
              <th scope="row"><Link to={href("image", { id: image.id })}>{image.id}</Link></th>
              {columns.map((each) => <td key={each.name} class={classOf(each)}>{each.cell(image)}</td>)}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Verdict({ of }: { of: Image }) {
  if (of.verdict === "rejected") return <><Badge text="rejected" bad /> {of.reasons.join(", ").replaceAll("_", " ")}</>;
  return <><Badge text={of.verdict} />{of.is_late && <Badge text="late" />}</>;
}
