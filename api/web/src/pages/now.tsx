// What happens now: the newest images, the newest candidates, what is broken.

import { useEffect, useState } from "preact/hooks";
import { href, Link } from "../address";
import { band as bandName, duration, flux, kindText, number, time } from "../format";
import { isListening, live, serverNowMs } from "../live";
import { Badge } from "../parts/marks";
import { ImageView } from "../parts/image_view";
import { Loaded, useResource } from "../resource";
import { useStore } from "../store";
import type { Service, Services, Slo } from "../operation_types";
import type { Image, Page, Transient } from "../types";
import { TransientTable } from "./transients";

const NEWEST_IMAGES = 40;
const SHOWN_BANDS = 4;

export function NowPage() {
  const images = useResource<Page<Image>>("images", { limit: NEWEST_IMAGES }, { everyMs: 3000 });
  const transients = useResource<Page<Transient>>("transients", { limit: 8 }, { everyMs: 10_000, onAlert: true });
  // On a narrow window they stand below the list, which would move them.
  const isListed = transients.data !== null || transients.error !== null;
  return (
    <div class="now">
      <Broken images={images.data?.items ?? null} />
      <section class="card candidates" aria-label="Newest transients">
        <div class="card-head"><h2>Newest transients</h2><Attention /></div>
        <Loaded of={transients} what="transients">
          {({ items }) => (items.length ? <TransientTable rows={items} list={{}} brief /> : <NothingYet />)}
        </Loaded>
        {isListed && <p class="links"><Link to={href("transients")}>All transients</Link></p>}
      </section>
      {isListed && (
        <section class="card newest-images" aria-label="Newest images">
          <h2>Newest image of each band</h2>
          <Loaded of={images} what="images">{({ items }) => <NewestImages images={items} />}</Loaded>
        </section>
      )}
    </div>
  );
}

const NothingYet = () => (
  <p class="empty">No transients yet. Publish images with <code>livetrap ingest</code>, or simulated ones with <code>livetrap simulate --kafka</code>.</p>
);

function NewestImages({ images }: { images: readonly Image[] }) {
  const newest = new Map<string, Image>();
  for (const image of images) {
    const name = `${image.stream} ${bandName(image)}`;
    if (image.verdict === "accepted" && !newest.has(name)) newest.set(name, image);
  }
  if (!newest.size) return <p class="empty">{images.length ? "None of the newest images was accepted." : "No image arrived yet."}</p>;
  return (
    <div class="bands">
      {[...newest].sort(([a], [b]) => a.localeCompare(b)).slice(0, SHOWN_BANDS).map(([name, image]) => (
        <article key={name}>
          <h3><Link to={href("image", { id: image.id })}>{name}</Link></h3>
          <ImageView image={image} />
          <p class="quiet">{time(image.time_start)} UTC, <span class="whole">rms {flux(image.rms_jy_beam, "/beam")}</span>, <span class="whole">{image.n_sources} sources</span></p>
        </article>
      ))}
    </div>
  );
}

/** What is broken, in words; and what is not. */
function Broken({ images }: { images: readonly Image[] | null }) {
  const services = useResource<Services>("services", {}, { everyMs: 5000 });
  const slo = useResource<Slo>("slo", {}, { everyMs: 15_000 });
  const latency = slo.data?.stages.find((each) => each.stage === "alert_total");
  const faults = [...(services.data?.items ?? []).filter((each) => each.is_down).map(downText), ...imageFaults(images)];
  return (
    <section class="card broken" aria-label="State">
      <h2>State</h2>
      {faults.length > 0
        ? <ul id="down" class="faults" role="alert">{faults.map((each) => <li key={each}>{each}</li>)}</ul>
        : <p class="fine">{services.data ? "Nothing is known to be broken." : "Loading …"}</p>}
      <p class="quiet latency">{latency ? `Image to alert: ${duration(latency.p50_s)} (median of the last hour), 99 % within ${duration(latency.p99_s)}.` : "\u00a0"}</p>
      <p class="links"><Link to={href("system")}>System</Link> <Link to={href("quality")}>Quality</Link></p>
    </section>
  );
}

function downText(service: Service): string {
  if (!service.down_since) return `${service.name} is not running`;
  return `${service.name} is down since ${time(service.down_since)} UTC (${service.last_exit ?? "no exit"}, ${service.n_exits} in a row)`;
}

function imageFaults(images: readonly Image[] | null): string[] {
  if (!images?.length) return [];
  const rejected = images.filter((each) => each.verdict === "rejected");
  const faults = [];
  if (rejected.length * 4 > images.length) {
    faults.push(`${rejected.length} of the newest ${images.length} images were rejected: ${[...new Set(rejected.flatMap((each) => each.reasons))].join(", ").replaceAll("_", " ")}`);
  }
  return faults;
}

/** Sound and notification of new alerts, if asked. */
function Attention() {
  const [wishes, setWishes] = useState({ sound: false, note: false });
  const { alert, nChanges } = useStore(live);
  useEffect(() => {
    isListening.value = wishes.sound || wishes.note;
    return () => { isListening.value = false; };
  }, [wishes]);
  useEffect(() => {
    if (!alert || !nChanges || serverNowMs() - Date.parse(alert.time_alert) > 60_000) return;
    if (wishes.sound) beep();
    if (wishes.note) new Notification(`${kindText(alert.kind)}, S/N ${number(alert.snr)}`, { body: alert.stream, tag: alert.trig_id });
  }, [alert?.id]);
  const askNote = async (isWanted: boolean): Promise<void> => {
    setWishes({ ...wishes, note: isWanted && (await Notification.requestPermission()) === "granted" });
  };
  return (
    <span class="wishes">
      <label><input type="checkbox" checked={wishes.sound} onChange={(event) => setWishes({ ...wishes, sound: event.currentTarget.checked })} /> sound</label>
      {"Notification" in window && <label><input type="checkbox" checked={wishes.note} onChange={(event) => void askNote(event.currentTarget.checked)} /> notification</label>}
      {(wishes.sound || wishes.note) && <Badge text="on" />}
    </span>
  );
}

function beep(): void {
  const context = new AudioContext();
  const tone = context.createOscillator();
  tone.frequency.value = 880;
  tone.connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.2);
  tone.onended = () => void context.close();
}
