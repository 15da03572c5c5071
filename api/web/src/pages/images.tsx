// Images and their verdicts.

import { href, Link, setQuery, useAddress } from "../address";
import { band as bandName, duration, flux, time } from "../format";
import { url } from "../http";
import { Badge } from "../parts/marks";
import { Loaded, useResource } from "../resource";
import type { Image, Page, Stream } from "../types";

export function ImagesPage() {
  const { query } = useAddress();
  const filters = { stream: query["stream"], verdict: query["verdict"] };
  const images = useResource<Page<Image>>("images", { ...filters, limit: 100, cursor: query["from"] }, query["from"] ? {} : { everyMs: 5000 });
  const streams = useResource<Page<Stream>>("streams", { limit: 500 });
  const names = new Set([...(query["stream"] ? [query["stream"]] : []), ...(streams.data?.items ?? []).map((each) => each.name)]);
  return (
    <section class="card" aria-label="Images">
      <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        <label>Stream <select name="stream" value={query["stream"] ?? ""} onChange={(event) => setQuery({ stream: event.currentTarget.value, from: null })}><option value="">all</option>{[...names].map((name) => <option key={name}>{name}</option>)}</select></label>
        <label>Verdict <select name="verdict" value={query["verdict"] ?? ""} onChange={(event) => setQuery({ verdict: event.currentTarget.value, from: null })}><option value="">all</option><option>accepted</option><option>rejected</option></select></label>
      </form>
      <Loaded of={images} what="images">
        {({ items, next }) => (
          <>
            {items.length ? <ImageTable images={items} /> : <p class="empty">{query["verdict"] || query["stream"] ? "No image passes these filters." : "No image arrived yet. Publish some with "}{!query["verdict"] && !query["stream"] && <code>livetrap ingest</code>}</p>}
            <p class="links">
              {query["from"] && <Link to={href("images", filters)}>Newest</Link>}
              {next && <Link to={href("images", { ...filters, from: next })}>Older</Link>}
              <a href={url("images", { ...filters, format: "csv" })}>CSV</a> <a href={url("images", { ...filters, format: "votable" })}>VOTable</a>
            </p>
          </>
        )}
      </Loaded>
    </section>
  );
}

function ImageTable({ images }: { images: readonly Image[] }) {
  return (
    <div class="scroll">
      <table>
        <thead><tr><th scope="col">image</th><th scope="col">start [UTC]</th><th scope="col">band</th><th scope="col">verdict</th><th scope="col" class="figure">rms</th><th scope="col" class="figure">sources</th><th scope="col" class="figure wide">exposure</th><th scope="col" class="wide">stream</th></tr></thead>
        <tbody>
          {images.map((each) => (
            <tr key={each.id}>
              <th scope="row"><Link to={href("image", { id: each.id })}>{each.id}</Link></th><td>{time(each.time_start)}</td><td>{bandName(each)}</td><td><Verdict of={each} /></td>
              <td class="figure">{flux(each.rms_jy_beam, "/beam")}</td><td class="figure">{each.n_sources}</td><td class="figure wide">{each.exposure_s === null ? "–" : duration(each.exposure_s)}</td><td class="wide name">{each.stream}</td>
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
