// The address is the state: which page, which filters, which source.

import type { ComponentChildren, JSX } from "preact";
import { Store, useStore } from "./store";

const PAGES = ["now", "transients", "source", "eta-v", "images", "image", "streams", "rules", "alerts", "system", "quality", "sky"] as const;
export type PageName = (typeof PAGES)[number];
export type Filters = Record<string, string>;
export interface Address {
  page: PageName | null; // null: there is no such page
  query: Filters;
}

const read = (): Address => {
  const name = location.pathname.split("/").pop() || "now";
  const page = PAGES.find((each) => each === name) ?? null;
  return { page, query: Object.fromEntries(new URLSearchParams(location.search)) };
};

/** All pages stand side by side, so relative addresses work behind any prefix. */
export function href(page: PageName, query: Record<string, string | number | null | undefined> = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return (page === "now" ? "./" : page) + (text ? `?${text}` : "");
}

// Addresses of before: /#source=24 and /#transient=5.
function followOldAddress(): void {
  const found = /^#(source|transient)=(\d{1,15})$/.exec(location.hash);
  if (!found) return;
  history.replaceState(null, "", href("source", { [found[1] === "source" ? "id" : "transient"]: found[2] }));
}

followOldAddress();
const current = new Store(read());
addEventListener("popstate", () => current.set(read()));
addEventListener("hashchange", () => {
  followOldAddress();
  current.set(read());
});

export const useAddress = (): Address => useStore(current);

export function go(target: string, { replace = false } = {}): void {
  if (replace) history.replaceState(null, "", target);
  else history.pushState(null, "", target);
  const before = current.value.page;
  current.set(read());
  if (!replace && current.value.page !== before) {
    scrollTo(0, 0);
    requestAnimationFrame(() => document.querySelector<HTMLElement>("h1")?.focus());
  }
}

/** Change filters of this page: a step in the history, so that Back takes it back. */
export function setQuery(changes: Record<string, string | number | null>): void {
  const { page, query } = current.value;
  if (page) go(href(page, { ...query, ...changes }));
}

interface LinkProps extends Omit<JSX.HTMLAttributes<HTMLAnchorElement>, "href"> {
  to: string;
  children: ComponentChildren;
}

export function Link({ to, children, ...others }: LinkProps) {
  const onClick = (event: MouseEvent): void => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  return <a {...others} href={to} onClick={onClick}>{children}</a>;
}
