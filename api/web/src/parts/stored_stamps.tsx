// What is stored of an episode: before, now, their difference; in words what is not.

import { href } from "../address";
import { time } from "../format";
import { Loaded, useResource } from "../resource";
import type { Page, StoredStamp } from "../types";
import { Stamp, stampUrl } from "./stamp";

const ORDER: readonly string[] = ["before", "now", "difference", "deepest"];
export const CAPTIONS: Record<string, string> = { before: "before", now: "now", difference: "now − before", deepest: "deepest" };
const REASONS: Record<string, string> = {
  no_earlier_image: "no earlier image shows the place",
  outside: "outside of the image",
  blank: "blank pixels",
  image_gone: "the image had left Kafka",
  image_elsewhere: "the image was on another Kafka",
  not_answered: "no extractor answered",
  expired: "deleted after its retention",
};

/** Why a stamp has no pixels. */
export const whyGone = (of: StoredStamp): string => (of.state === "waiting" ? "not cut yet" : REASONS[of.reason ?? ""] ?? (of.reason ?? "").replaceAll("_", " "));

export function StoredStamps({ source, trigId }: { source: number; trigId: string | null }) {
  const stamps = useResource<Page<StoredStamp>>(`sources/${source}/stamps`, {}, { everyMs: 10_000, onAlert: true });
  return (
    <Loaded of={stamps} what="stamps" heightRem={11}>
      {({ items }) => <Strip items={items.filter((each) => each.trig_id === (trigId ?? items[0]?.trig_id))} isAnnounced={trigId !== null} />}
    </Loaded>
  );
}

function Strip({ items, isAnnounced }: { items: readonly StoredStamp[]; isAnnounced: boolean }) {
  if (!items.length) {
    return <p class="quiet">{isAnnounced ? "Stamps have not been asked for: they follow the alert by some seconds." : "No stamps: they are cut around announced sources."}</p>;
  }
  const shown = [...items].sort((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role));
  const files = shown.filter((each) => each.fits !== null);
  return (
    <>
      <div class="strip four" role="group" aria-label="Stamps of the detection">
        {shown.map((each) => <One key={each.id} of={each} />)}
      </div>
      {files.length > 0 && <p class="links">North up, 65 px or ten beams. FITS: {files.map((each) => <a key={each.id} href={stampUrl(each.trig_id, each.role, "fits")}>{each.role}</a>)}</p>}
    </>
  );
}

function One({ of }: { of: StoredStamp }) {
  const name = CAPTIONS[of.role] ?? of.role;
  if (of.png !== null) {
    const label = `${name}, image of ${time(of.time_start)} UTC`;
    return <Stamp pictures={[stampUrl(of.trig_id, of.role)]} to={href("image", { id: of.image })} isChosen={of.role === "now"} label={label} caption={name} />;
  }
  return (
    <figure class="stamp gone">
      <span class="frame"><span class="gone">{whyGone(of)}</span></span>
      <figcaption>{name}</figcaption>
    </figure>
  );
}
