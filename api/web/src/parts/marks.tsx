// Small things that several pages show.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { kindText } from "../format";
import type { Transient } from "../types";

export function Badge({ text, strong = false, bad = false }: { text: string; strong?: boolean; bad?: boolean }) {
  return <span class={`badge${strong ? " strong" : ""}${bad ? " bad" : ""}`}>{text}</span>;
}

export function TransientBadges({ of }: { of: Transient }) {
  return (
    <span class="badges">
      <Badge text={kindText(of.kind)} strong={of.kind === "new_source"} />
      {of.certainty === "possible" && <Badge text="possible" />}
      {of.state === "retracted" && <Badge text="retracted" bad />}
      {of.state !== "retracted" && of.time_end !== null && <Badge text="ended" />}
    </span>
  );
}

export function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>;
}

export function Copy({ text, label }: { text: string; label: string }) {
  const [shown, setShown] = useState(label);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setShown("copied");
    } catch {
      setShown(text); // no permission: to be copied by hand
    }
  };
  return <button type="button" class="link" onClick={copy}>{shown}</button>;
}

/** True from the first time that an element is near the window. */
export function useSeen<T extends Element>(): [{ current: T | null }, boolean] {
  const place = useRef<T>(null);
  const [isSeen, setSeen] = useState(false);
  useEffect(() => {
    if (isSeen || !place.current) return undefined;
    const watcher = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && setSeen(true), { rootMargin: "200px" });
    watcher.observe(place.current);
    return () => watcher.disconnect();
  }, [isSeen]);
  return [place, isSeen];
}
