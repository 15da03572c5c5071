// The head of every page: where to go, whether the server lives, how old its news are.

import { useEffect, useState } from "preact/hooks";
import { go, href, Link, type PageName } from "../address";
import { age } from "../format";
import { ApiError, get } from "../http";
import { isSilent, live, serverNowMs, type Condition, type Live } from "../live";
import { useStore } from "../store";
import type { Found, SearchResult } from "../types";

const LINKS: readonly (readonly [PageName, string])[] = [
  ["now", "Now"], ["transients", "Transients"], ["eta-v", "η–V"], ["images", "Images"], ["quality", "Quality"], ["sky", "Sky"],
  ["streams", "Streams"], ["rules", "Rules"], ["alerts", "Alerts"], ["system", "System"],
];
const PARENTS: Partial<Record<PageName, PageName>> = { source: "transients", image: "images" };
const WORDS: Record<Condition, string> = { connecting: "connecting", live: "live", stale: "out of date", failing: "failing", unreachable: "unreachable" };
const SILENCE: Partial<Record<Condition, string>> = { stale: "The server is silent", failing: "The server has not answered", unreachable: "The server is unreachable" };

function useSeconds(): number {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return Math.max(now, performance.now() - 1000);
}

export const imageAgeS = (of: Live, nowMs: number): number | null => (of.imageAgeS === null ? null : of.imageAgeS + (nowMs - of.imageHeardAtMs) / 1000);

export function Header({ page }: { page: PageName | null }) {
  const now = useStore(live);
  const nowMs = useSeconds();
  const imageS = imageAgeS(now, nowMs);
  const alertS = now.alert ? (serverNowMs() - Date.parse(now.alert.time_alert)) / 1000 : null;
  const chosen = page && (PARENTS[page] ?? page);
  return (
    <header>
      <Link to={href("now")} class="brand"><img src="web/icon.svg" alt="" width="22" height="22" /> LiveTrap</Link>
      <nav aria-label="Pages">
        {LINKS.map(([name, text]) => <Link key={name} to={href(name)} aria-current={name === chosen ? "page" : undefined}>{text}</Link>)}
        <a href="docs">API</a>
      </nav>
      <Search />
      <p id="connection" class={`connection ${now.condition}`} role="status"><span class="dot" /><span class="text">{WORDS[now.condition]}</span></p>
      <dl class="ages">
        <div><dt>last image</dt><dd id="image-age">{imageS === null ? "none" : `${age(imageS)} ago`}</dd></div>
        <div><dt>last alert</dt><dd id="alert-age">{alertS === null ? "none" : `${age(alertS)} ago`}</dd></div>
      </dl>
      {isSilent(now.condition) && (
        <p class="outdated" role="alert">
          {SILENCE[now.condition]} for <span aria-hidden="true">{age((nowMs - now.heardAtMs) / 1000)}</span>: what is shown here is of that time. It is asked again and again.
        </p>
      )}
    </header>
  );
}

const PAGES_OF: Partial<Record<string, (id: string) => string>> = {
  source: (id) => href("source", { id }),
  transient: (id) => href("source", { transient: id }),
  image: (id) => href("image", { id }),
  stream: (id) => href("transients", { stream: id }),
  alert: (id) => href("alerts", { id }),
};

function Search() {
  const [found, setFound] = useState<{ items: Found[]; words: string } | null>(null);
  const search = async (text: string): Promise<void> => {
    try {
      const { items } = await get<SearchResult>("search", { q: text });
      const known = items.filter((each) => PAGES_OF[each.kind]);
      const [only] = known;
      if (only && known.length === 1) {
        setFound(null);
        go(PAGES_OF[only.kind]?.(only.id) ?? "./");
      } else setFound({ items: known, words: known.length ? `${known.length} found` : `Nothing found for ${text}` });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setFound({ items: [], words: error.message });
    }
  };
  const onSubmit = (event: SubmitEvent): void => {
    event.preventDefault();
    const text = new FormData(event.currentTarget as HTMLFormElement).get("q");
    if (typeof text === "string" && text.trim()) void search(text.trim());
  };
  return (
    <form class="search" role="search" onSubmit={onSubmit}>
      <input name="q" type="search" aria-label="Search: position, number, name" placeholder="position, number, name" maxLength={300} />
      {found && (
        <div class="found" role="status">
          <p>{found.words} <button type="button" class="link" onClick={() => setFound(null)}>close</button></p>
          <ul>{found.items.map((each) => <li key={`${each.kind}${each.id}`}><Link to={PAGES_OF[each.kind]?.(each.id) ?? "./"} onClickCapture={() => setFound(null)}>{each.kind} {each.id}</Link> {each.label}</li>)}</ul>
        </div>
      )}
    </form>
  );
}
