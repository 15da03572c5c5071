// Rules: which sent alerts, what a subscription would have got, and the subscriptions of a token.

import { useState } from "preact/hooks";
import { useAddress } from "../address";
import { ApiError, send } from "../http";
import { TokenForm, work } from "../parts/classify";
import { Badge } from "../parts/marks";
import { Loaded, useResource } from "../resource";
import { useStore } from "../store";
import { count, kindText, time } from "../format";
import type { Rule } from "../operation_types";
import type { DryRun, Page, Subscription } from "../types";

const DAYS = 7;

export function RulesPage() {
  const { who } = useStore(work);
  return <><SentCard />{who ? <><DryRunCard token={who.token} /><SubscriptionsCard token={who.token} /></> : <TokenCard />}</>;
}

function SentCard() {
  const sent = useResource<Page<Rule>>("rules", { days: DAYS }, { everyMs: 60_000 });
  return (
    <section class="card" aria-label="Rules that sent alerts">
      <h2>Rules that sent alerts in {DAYS} days</h2>
      <Loaded of={sent} what="rules">
        {({ items }) => (items.length ? (
          <div class="scroll"><table class="short">
            <thead><tr><th scope="col">rule</th><th scope="col" class="figure">alerts</th><th scope="col">newest alert [UTC]</th></tr></thead>
            <tbody>{items.map((each) => <tr key={each.name}><th scope="row" class="name">{each.name}</th><td class="figure">{count(each.n_alerts)}</td><td>{time(each.time_last_alert)}</td></tr>)}</tbody>
          </table></div>
        ) : <p class="quiet">None did.</p>)}
      </Loaded>
    </section>
  );
}

function TokenCard() {
  return (
    <section class="card" aria-label="Token">
      <h2>Subscriptions and dry runs</h2>
      <p>Both belong to a token with scope <code>annotate</code>. <code>livetrap tokens create NAME --scope annotate</code> makes one.</p>
      <TokenForm />
    </section>
  );
}

function DryRunCard({ token }: { token: string }) {
  const [answer, setAnswer] = useState<DryRun | null>(null);
  const [message, setMessage] = useState("");
  const { query } = useAddress();
  const onSubmit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    setMessage("Comparing …");
    try {
      setAnswer(await send<DryRun>("POST", "subscriptions/dry-run", token, { rule: fields.get("rule"), days: Number(fields.get("days")) }));
      setMessage("");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setAnswer(null);
      setMessage(error.message);
    }
  };
  return (
    <section class="card" aria-label="Dry run">
      <h2>What would a rule have got?</h2>
      <form class="rule" onSubmit={(event) => void onSubmit(event)}>
        <label>Rule <textarea name="rule" rows={2} maxLength={4000} defaultValue={query["rule"] ?? ""} placeholder="kind == 'new_source' and snr > 12" /></label>
        <label>Days <input name="days" type="number" min="0.01" max="365" step="any" defaultValue="7" /></label>
        <button type="submit">Compare</button>
      </form>
      <p role="status" class={message ? "notice" : "visually-hidden"}>{message}</p>
      {answer && (
        <>
          <p>{answer.n_wanted} of {answer.n_alerts} alerts of {answer.days} {answer.days === 1 ? "day" : "days"}{answer.is_complete ? "" : " (there are more than are compared)"}: {Object.entries(answer.n_wanted_by_kind).map(([kind, n]) => `${n} ${kindText(kind)}`).join(", ") || "none"}.</p>
          {answer.warnings.length > 0 && <ul class="plain notice">{answer.warnings.map((each) => <li key={each}>{each}</li>)}</ul>}
          <ul class="plain">{answer.newest.map((each) => <li key={each} class="name">{each}</li>)}</ul>
        </>
      )}
    </section>
  );
}

function SubscriptionsCard({ token }: { token: string }) {
  const own = useResource<Subscription[]>("subscriptions", {}, { everyMs: 10_000, load: async () => (await send<Subscription[]>("GET", "subscriptions", token)) ?? [] });
  const [message, setMessage] = useState("");
  const setStamps = async (name: string, stamps: boolean): Promise<void> => {
    try {
      await send<Subscription>("PATCH", `subscriptions/${name}`, token, { stamps });
      setMessage(stamps ? `${name} gets stamps from now on.` : `${name} gets no stamps from now on.`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setMessage(`${name}: ${error.message}`);
    }
    own.reload();
  };
  return (
    <section class="card" aria-label="Subscriptions">
      <h2>Your subscriptions</h2>
      <Loaded of={own} what="subscriptions">
        {(items) => (items.length === 0 ? <p class="empty">None yet; <code>POST /subscriptions</code> makes one.</p> : (
          <div class="scroll"><table>
            <thead><tr><th scope="col">name</th><th scope="col">rule</th><th scope="col">channel</th><th scope="col">stamps</th><th scope="col" class="figure">delivered</th><th scope="col">state</th></tr></thead>
            <tbody>{items.map((each) => <SubscriptionRow key={each.name} of={each} onStamps={(stamps) => void setStamps(each.name, stamps)} />)}</tbody>
          </table></div>
        ))}
      </Loaded>
      <p role="status" class={message ? "notice" : "visually-hidden"}>{message}</p>
    </section>
  );
}

function SubscriptionRow({ of: each, onStamps }: { of: Subscription; onStamps: (stamps: boolean) => void }) {
  return (
    <tr>
      <th scope="row">{each.name}</th>
      <td class="name"><code>{each.rule || "all alerts"}</code>{each.warnings.length > 0 && <ul class="plain notice">{each.warnings.map((one) => <li key={one}>{one}</li>)}</ul>}</td>
      <td class="name">{each.channel} {each.target}</td>
      <td>{each.channel === "webhook" ? <input type="checkbox" checked={each.stamps} aria-label={`Stamps for ${each.name}`} onChange={(event) => onStamps(event.currentTarget.checked)} /> : "–"}</td>
      <td class="figure">{each.n_delivered}</td>
      <td>{each.disabled_reason ? <><Badge text="disabled" bad /> {each.disabled_reason}</> : each.failure_reason ? <><Badge text={`${each.n_failures} failures${each.n_refusals ? `, ${each.n_refusals} refused` : ""}`} bad /> {each.failure_reason}</> : <Badge text="works" />}</td>
    </tr>
  );
}
