// Alerts that were sent, and who has them.

import { href, Link, useAddress } from "../address";
import { duration, fluxFigure, kindText, place, snr, time } from "../format";
import { url } from "../http";
import { classOf, ColumnChooser, EXPORTS, fieldsOf, shownOf, type Column } from "../parts/columns";
import { Choice, OfStream, StreamChoice, useStreams } from "../parts/filters";
import { Badge } from "../parts/marks";
import { Loaded, useResource } from "../resource";
import type { Alert, Delivery, Page } from "../types";
import { KINDS } from "./transients";
import { DeliveryTable } from "./source";

// The position is in every row: it names what the alert is about.
const ALWAYS: readonly string[] = ["id", "transient_id", "ra", "dec"];
const COLUMNS: readonly Column<Alert>[] = [
  { name: "sent", head: "sent [UTC]", fields: ["time_alert"], cell: (of) => time(of.time_alert) },
  { name: "type", head: "type", fields: ["alert_type", "role"], cell: (of) => <>{of.alert_type} {of.role === "test" && <Badge text="test" />}</> },
  { name: "kind", head: "kind", fields: ["kind"], cell: (of) => <Badge text={kindText(of.kind)} /> },
  { name: "snr", head: "S/N", fields: ["snr"], isFigure: true, cell: (of) => snr(of.snr) },
  { name: "flux", head: "peak flux", fields: ["flux_peak_jy_beam"], isFigure: true, isExtra: true, cell: (of) => fluxFigure(of.flux_peak_jy_beam, "/beam") },
  { name: "latency", head: "latency", fields: ["latency_s"], isFigure: true, cell: (of) => (of.latency_s === null ? "–" : duration(of.latency_s)) },
  { name: "start", head: "exposure [UTC]", fields: ["time_start"], isExtra: true, cell: (of) => time(of.time_start) },
  { name: "state", head: "state", fields: ["state"], isExtra: true, cell: (of) => of.state },
  { name: "source", head: "source", fields: ["source_id"], isFigure: true, isExtra: true, cell: (of) => of.source_id ?? "–" },
  { name: "family", head: "family", fields: ["trig_id"], isExtra: true, cell: (of) => <span class="name">{of.trig_id}</span> },
  { name: "stream", head: "stream", fields: ["stream"], isWide: true, cell: (of) => <span class="name">{of.stream}</span> },
];

export function AlertsPage() {
  const { query } = useAddress();
  const filters = { stream: query["stream"], kind: query["kind"] };
  const { columns } = query;
  const streams = useStreams();
  const alerts = useResource<Page<Alert>>(streams.unknown ? null : "alerts", { ...filters, limit: 100, cursor: query["from"] }, query["from"] ? {} : { everyMs: 10_000, onAlert: true });
  return (
    <>
      {query["id"] && <Deliveries id={query["id"]} />}
      <section class="card" aria-label="Alerts">
        <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
          <StreamChoice streams={streams} />
          <Choice label="Kind" name="kind" known={KINDS} textOf={kindText} />
          <ColumnChooser all={COLUMNS} names={columns} />
        </form>
        <OfStream streams={streams}>
          <Loaded of={alerts} what="alerts">
            {({ items, next }) => (
              <>
                {items.length ? <AlertTable alerts={items} query={query} /> : <p class="empty">{query["kind"] || query["stream"] ? "No alert passes these filters." : "No alert was sent yet."}</p>}
                <p class="links">
                  {query["from"] && <Link to={href("alerts", { ...filters, columns })}>Newest</Link>}
                  {next && <Link to={href("alerts", { ...filters, columns, from: next })}>Older</Link>}
                  {EXPORTS.map(([format, text]) => <a key={format} href={url("alerts", { ...filters, format, columns: fieldsOf(ALWAYS, COLUMNS, columns) })}>{text}</a>)}
                </p>
              </>
            )}
          </Loaded>
        </OfStream>
      </section>
    </>
  );
}

function AlertTable({ alerts, query }: { alerts: readonly Alert[]; query: Record<string, string> }) {
  const columns = shownOf(COLUMNS, query["columns"]);
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Alerts, newest first">
      <table class="alerts">
        <thead><tr><th scope="col">position, ICRS</th>{columns.map((each) => <th key={each.name} scope="col" class={classOf(each)}>{each.head}</th>)}<th scope="col">who has it</th></tr></thead>
        <tbody>
          {alerts.map((alert) => (
            <tr key={alert.id} class={query["id"] === String(alert.id) ? "chosen" : ""}>
              <th scope="row">{alert.transient_id === null ? place(alert) : <Link to={href("source", { transient: alert.transient_id })}>{place(alert)}</Link>}</th>
              {columns.map((each) => <td key={each.name} class={classOf(each)}>{each.cell(alert)}</td>)}
              <td><Link to={href("alerts", { ...query, id: alert.id })} aria-label={`deliveries of alert ${alert.id}`}>deliveries</Link></td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
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
