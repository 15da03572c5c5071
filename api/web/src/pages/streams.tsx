// Streams of images: what arrived, what became of it.

import { href, Link } from "../address";
import { count, duration, frequency, number, time } from "../format";
import { serverNowMs } from "../live";
import { Loaded, useResource } from "../resource";
import type { Ledger } from "../operation_types";
import type { Band, Page, Stream } from "../types";

export function StreamsPage() {
  const streams = useResource<Page<Stream>>("streams", { limit: 500 }, { everyMs: 5000 });
  const ledger = useResource<Ledger>("ledger", {}, { everyMs: 5000 });
  const bands = useResource<Page<Band>>("bands", { limit: 500 }, { everyMs: 10_000 });
  return (
    <>
      <section class="card" aria-label="Streams">
        <Loaded of={streams} what="streams">
          {({ items }) => (items.length ? <StreamTable streams={items} ledger={ledger.data} /> : <p class="empty">No stream yet: the first image makes one. Publish images with <code>livetrap ingest</code>.</p>)}
        </Loaded>
      </section>
      <section class="card" aria-label="Rejections">
        <h2>Why images were rejected</h2>
        <Loaded of={ledger} what="ledger">
          {({ reasons }) => (Object.keys(reasons).length ? (
            <table class="short"><thead><tr><th scope="col">reason</th><th scope="col" class="figure">images</th></tr></thead><tbody>{Object.entries(reasons).sort(([, a], [, b]) => b - a).map(([reason, n]) => <tr key={reason}><th scope="row">{reason.replaceAll("_", " ")}</th><td class="figure">{count(n)}</td></tr>)}</tbody></table>
          ) : <p class="quiet">None was.</p>)}
        </Loaded>
      </section>
      <section class="card" aria-label="Bands">
        <h2>Frequency bands</h2>
        <Loaded of={bands} what="bands">
          {({ items }) => (items.length ? (
            <div class="scroll"><table>
              <thead><tr><th scope="col">stream</th><th scope="col" class="figure">centre</th><th scope="col" class="figure">width</th><th scope="col">Stokes</th><th scope="col">newest image [UTC]</th></tr></thead>
              <tbody>{items.map((each) => <tr key={each.id}><th scope="row" class="name">{each.stream}</th><td class="figure">{frequency(each.freq_eff_hz)}</td><td class="figure">{number(each.freq_bw_hz / 1e6)} MHz</td><td>{each.stokes.join(" ")}</td><td>{time(each.last_time_start)}</td></tr>)}</tbody>
            </table></div>
          ) : <p class="quiet">None yet.</p>)}
        </Loaded>
      </section>
    </>
  );
}

function StreamTable({ streams, ledger }: { streams: readonly Stream[]; ledger: Ledger | null }) {
  const outcomes = new Map((ledger?.streams ?? []).map((each) => [each.stream, each.outcomes]));
  return (
    <div class="scroll"><table>
      <thead><tr><th scope="col">stream</th><th scope="col" class="figure">images</th><th scope="col" class="figure">processed</th><th scope="col" class="figure">rejected</th><th scope="col" class="figure">late</th><th scope="col" class="figure">duplicate</th><th scope="col">newest exposure [UTC]</th><th scope="col" class="figure">ago</th></tr></thead>
      <tbody>
        {streams.map((each) => {
          const of = outcomes.get(each.name) ?? {};
          return (
            <tr key={each.id}>
              <th scope="row" class="name"><Link to={href("transients", { stream: each.name })}>{each.name}</Link></th>
              <td class="figure"><Link to={href("images", { stream: each.name })}>{count(each.n_images)}</Link></td>
              {["processed", "rejected", "late", "duplicate"].map((name) => <td key={name} class="figure">{count(of[name] ?? 0)}</td>)}
              <td>{time(each.last_time_start)}</td><td class="figure">{each.last_time_start ? duration(Math.max(0, (serverNowMs() - Date.parse(each.last_time_start)) / 1000)) : "–"}</td>
            </tr>
          );
        })}
      </tbody>
    </table></div>
  );
}
