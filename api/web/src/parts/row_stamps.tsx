// Pixels of a transient in a row: before, now, their difference; else a cut-out of the image.

import { href } from "../address";
import { useResource } from "../resource";
import { serverNowMs } from "../live";
import type { Page, StoredStamp, Transient } from "../types";
import { cutoutUrl, Stamp, stampUrl } from "./stamp";
import { CAPTIONS, whyGone } from "./stored_stamps";

const ROLES = ["before", "now", "difference"] as const;
const ASK_AGAIN_MS = 10_000;
const CUT_WITHIN_MS = 600_000; // after the detection

interface Props {
  of: Transient;
  name: string; // its place, for those who do not see it
  image: string | null; // that shows it, as far as the light curve is known
  isSeen: boolean;
  isBrief: boolean; // now alone
}

export function RowStamps({ of, name, image, isSeen, isBrief }: Props) {
  const isFresh = serverNowMs() - Date.parse(of.time_detected) < CUT_WITHIN_MS;
  const stamps = useResource<Page<StoredStamp>>(isSeen ? `sources/${of.source_id}/stamps` : null, {}, isFresh ? { everyMs: ASK_AGAIN_MS } : {});
  const own = new Map((stamps.data?.items ?? []).filter((each) => each.trig_id === of.trig_id).map((each) => [each.role, each]));
  const isKnown = stamps.data !== null || stamps.error !== null;
  const one = (role: (typeof ROLES)[number]) => {
    const stamp = own.get(role);
    const caption = CAPTIONS[role] ?? role;
    if (stamp?.png) return <Stamp key={role} pictures={[stampUrl(of.trig_id, role)]} to={href("image", { id: stamp.image })} label={`${caption}, around ${name}; open the image`} />;
    if (role === "now" && isKnown && image) return <Stamp key={role} pictures={[cutoutUrl(image, of)]} to={href("image", { id: image })} label={`Image around ${name}; open the image`} />;
    return <span key={role} class="stamp" title={stamp ? `${caption}: ${whyGone(stamp)}` : ""} />;
  };
  return <div class="row-stamps">{(isBrief ? (["now"] as const) : ROLES).map(one)}</div>;
}
