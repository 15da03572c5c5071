// The machinery: processes, latencies, accounting.

import { count, duration, time } from "../format";
import { Badge } from "../parts/marks";
import { Loaded, useResource, type Resource } from "../resource";
import type { Ledger, Services, Slo } from "../operation_types";

/** How high a card is only its data say: all come at once, so that none moves another. */
export function SystemPage() {
  const services = useResource<Services>("services", {}, { everyMs: 3000 });
  const slo = useResource<Slo>("slo", {}, { everyMs: 5000 });
  const ledger = useResource<Ledger>("ledger", {}, { everyMs: 5000 });
  if ([services, slo, ledger].some(({ data, error }) => data === null && error === null)) return <p class="empty" aria-busy="true">Loading processes, latencies and the ledger …</p>;
  return <><ServicesCard of={services} /><LatencyCard of={slo} /><LedgerCard of={ledger} /></>;
}

function ServicesCard({ of }: { of: Resource<Services> }) {
  return (
    <section class="card" aria-label="Processes">
      <h2>Processes</h2>
      <Loaded of={of} what="processes">
        {({ items }) => (items.length === 0 ? <p class="quiet">Something else than <code>livetrap up</code> runs the services here; ask it.</p> : (
          <div class="scroll"><table>
            <thead><tr><th scope="col">process</th><th scope="col">state</th><th scope="col">down since [UTC]</th><th scope="col" class="figure">exits in a row</th><th scope="col">last exit</th><th scope="col">next start [UTC]</th></tr></thead>
            <tbody>{items.map((each) => <tr key={each.name}><th scope="row">{each.name}</th><td><Badge text={each.state.toLowerCase()} bad={each.is_down} /></td><td>{time(each.down_since)}</td><td class="figure">{each.n_exits}</td><td>{each.last_exit ?? "–"}</td><td>{time(each.next_start)}</td></tr>)}</tbody>
          </table></div>
        ))}
      </Loaded>
    </section>
  );
}

function LatencyCard({ of }: { of: Resource<Slo> }) {
  return (
    <section class="card" aria-label="Latency">
      <h2>Latency of the last hour</h2>
      <Loaded of={of} what="latencies">
        {({ stages }) => (stages.length === 0 ? <p class="empty">No image arrived within the last hour.</p> : (
          <div class="scroll"><table class="short">
            <thead><tr><th scope="col">stage</th><th scope="col" class="figure">count</th><th scope="col" class="figure">median</th><th scope="col" class="figure">90 %</th><th scope="col" class="figure">99 %</th></tr></thead>
            <tbody>{stages.map((each) => <tr key={each.stage}><th scope="row">{each.stage.replaceAll("_", " ")}</th><td class="figure">{count(each.n)}</td><td class="figure">{duration(each.p50_s)}</td><td class="figure">{duration(each.p90_s)}</td><td class="figure">{duration(each.p99_s)}</td></tr>)}</tbody>
          </table></div>
        ))}
      </Loaded>
    </section>
  );
}

function LedgerCard({ of }: { of: Resource<Ledger> }) {
  return (
    <section class="card" aria-label="Image accounting">
      <h2>Image accounting</h2>
      <Loaded of={of} what="ledger">
        {({ total, outcomes }) => (
          <table class="short">
            <thead><tr><th scope="col">outcome</th><th scope="col" class="figure">images</th></tr></thead>
            <tbody>
              {Object.entries(outcomes).map(([name, n]) => <tr key={name}><th scope="row">{name}</th><td class="figure">{count(n)}</td></tr>)}
              <tr><th scope="row">all that arrived</th><td class="figure">{count(total)}</td></tr>
            </tbody>
          </table>
        )}
      </Loaded>
    </section>
  );
}
