// Alerts that were sent, and who has them.

import { href, Link, setQuery, useAddress } from "../address";
import { duration, kindText, number, place, time } from "../format";
import { url } from "../http";
import { Badge } from "../parts/marks";
import { Loaded, useResource } from "../resource";
import type { Alert, Delivery, Page } from "../types";
import { KINDS } from "./transients";
import { DeliveryTable } from "./source";

export function AlertsPage() {
  const { query } = useAddress();
  const filters = { stream: query["stream"], kind: query["kind"] };
  const alerts = useResource<Page<Alert>>("alerts", { ...filters, limit: 100, cursor: query["from"] }, query["from"] ? {} : { everyMs: 10_000, onAlert: true });
  return (
    <>
      {query["id"] && <Deliveries id={query["id"]} />}
      <section class="card" aria-label="Alerts">
        <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
          <label>Kind <select name="kind" value={query["kind"] ?? ""} onChange={(event) => setQuery({ kind: event.currentTarget.value, from: null })}><option value="">all</option>{KINDS.map((kind) => <option key={kind} value={kind}>{kindText(kind)}</option>)}</select></label>
        </form>
        <Loaded of={alerts} what="alerts">
          {({ items, next }) => (
            <>
              {items.length ? <AlertTable alerts={items} query={query} /> : <p class="empty">{query["kind"] ? "No alert passes these filters." : "No alert was sent yet."}</p>}
              <p class="links">
                {query["from"] && <Link to={href("alerts", filters)}>Newest</Link>}
                {next && <Link to={href("alerts", { ...filters, from: next })}>Older</Link>}
                <a href={url("alerts", { ...filters, format: "csv" })}>CSV</a> <a href={url("alerts", { ...filters, format: "votable" })}>VOTable</a>
              </p>
            </>
          )}
        </Loaded>
      </section>
    </>
  );
}

function AlertTable({ alerts, query }: { alerts: readonly Alert[]; query: Record<string, string> }) {
  return (
    <div class="scroll"><table>
      <thead><tr><th scope="col">sent [UTC]</th><th scope="col">type</th><th scope="col">kind</th><th scope="col">position, ICRS</th><th scope="col" class="figure">S/N</th><th scope="col" class="figure">latency</th><th scope="col">who has it</th><th scope="col" class="wide">stream</th></tr></thead>
      <tbody>
        {alerts.map((each) => (
          <tr key={each.id} class={query["id"] === String(each.id) ? "chosen" : ""}>
            <td>{time(each.time_alert)}</td>
            <td>{each.alert_type} {each.role === "test" && <Badge text="test" />}</td><td><Badge text={kindText(each.kind)} /></td>
            <th scope="row">{each.transient_id === null ? place(each) : <Link to={href("source", { transient: each.transient_id })}>{place(each)}</Link>}</th>
            <td class="figure">{number(each.snr)}</td><td class="figure">{each.latency_s === null ? "–" : duration(each.latency_s)}</td>
            <td><Link to={href("alerts", { ...query, id: each.id })} aria-label={`deliveries of alert ${each.id}`}>deliveries</Link></td><td class="wide name">{each.stream}</td>
          </tr>
        ))}
      </tbody>
    </table></div>
  );
}

function Deliveries({ id }: { id: string }) {
  const deliveries = useResource<Page<Delivery>>(`alerts/${encodeURIComponent(id)}/deliveries`, {}, { everyMs: 5000 });
  return (
    <section class="card" aria-label="Deliveries">
      <h2>Who has alert {id}</h2>
      <Loaded of={deliveries} what="deliveries">{({ items }) => <DeliveryTable items={items} />}</Loaded>
      <p class="links"><a href={url(`alerts/${encodeURIComponent(id)}`, { format: "json" })}>notice</a> <a href={url(`alerts/${encodeURIComponent(id)}`, { format: "xml" })}>VOEvent</a></p>
    </section>
  );
}
