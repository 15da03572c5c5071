// Classes of a source by one key each, and what was said last taken back.

import { useState } from "preact/hooks";
import { ApiError, get, send } from "../http";
import { Store, useStore } from "../store";
import type { Annotations, Classification } from "../types";

export const CLASSES: readonly string[] = ["transient", "variable", "unclear", "artefact", "interference"];

interface Who {
  token: string;
  name: string;
}
interface Done {
  source: number;
  made: Classification;
  before: Classification | null;
}
interface Work {
  who: Who | null;
  done: readonly Done[];
  message: string;
  isAsking: boolean; // for the token
  nChanges: number;
}

const KEPT = "livetrap-token"; // of this tab, until it is closed

function readWho(): Who | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Who | null;
  } catch {
    return null; // storage is forbidden here: the token is asked for again
  }
}

export const work = new Store<Work>({ who: readWho(), done: [], message: "", isAsking: false, nChanges: 0 });

async function attempt(action: (who: Who) => Promise<string>): Promise<void> {
  const { who } = work.value;
  if (!who) {
    work.change({ isAsking: true, message: "Classifying needs a token with scope annotate." });
    return;
  }
  try {
    const message = await action(who);
    work.change({ message, nChanges: work.value.nChanges + 1 });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const isRefused = error.status === 401 || error.status === 403;
    work.change({ message: error.message, isAsking: isRefused, ...(isRefused ? { who: null } : {}) });
  }
}

export function classify(source: number, key: number): Promise<void> {
  return attempt(async (who) => {
    const classification = CLASSES[key - 1] ?? "unclear";
    const said = (await get<Annotations>(`sources/${source}/annotations`)).classifications;
    const before = said.find((each) => each.origin === who.name) ?? null;
    const made = await send<Classification>("POST", `sources/${source}/classifications`, who.token, { classification, origin: who.name });
    if (made) work.change({ done: [...work.value.done, { source, made, before }] });
    return `Source ${source}: ${classification}. u takes it back.`;
  });
}

export function undo(): Promise<void> {
  return attempt(async (who) => {
    const last = work.value.done.at(-1);
    if (!last) return "Nothing to take back.";
    const path = `sources/${last.source}/classifications`;
    if (last.before) {
      const { classification, probability, origin, note } = last.before;
      await send("POST", path, who.token, { classification, probability, origin, note });
    } else {
      await send("DELETE", `${path}/${last.made.id}`, who.token);
    }
    work.change({ done: work.value.done.slice(0, -1) });
    return `Source ${last.source}: ${last.made.classification} taken back.`;
  });
}

export const classifyingKeys = (source: number | undefined): Record<string, () => void> => ({
  ...(source === undefined ? {} : Object.fromEntries(CLASSES.map((_, index) => [String(index + 1), () => void classify(source, index + 1)]))),
  u: () => void undo(),
});

export function ClassifyBar({ source }: { source: number }) {
  const { done } = useStore(work);
  return (
    <div class="classify" role="group" aria-label="Classify this source">
      {CLASSES.map((name, index) => (
        <button key={name} type="button" onClick={() => void classify(source, index + 1)}><kbd>{index + 1}</kbd> {name}</button>
      ))}
      <button type="button" disabled={!done.length} onClick={() => void undo()}><kbd>u</kbd> undo</button>
    </div>
  );
}

/** What was done last, and the form for the token; once on a page. */
export function WorkMessage() {
  const { message, isAsking } = useStore(work);
  return (
    <div class="work">
      <p role="status" class={message ? "notice" : "visually-hidden"}>{message}</p>
      {isAsking && <TokenForm />}
    </div>
  );
}

export function TokenForm() {
  const [token, setToken] = useState("");
  const [name, setName] = useState("");
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    const who = { token: token.trim(), name: name.trim() };
    try {
      sessionStorage.setItem(KEPT, JSON.stringify(who));
    } catch {
      // Storage is forbidden here: the token is kept until the page is left.
    }
    work.change({ who, isAsking: false, message: "" });
  };
  return (
    <form class="token" onSubmit={onSubmit}>
      <label>Token <input type="password" autocomplete="off" required value={token} onInput={(event) => setToken(event.currentTarget.value)} /></label>
      <label>Your name <input required maxLength={60} value={name} onInput={(event) => setName(event.currentTarget.value)} /></label>
      <button type="submit">Use it in this tab</button>
    </form>
  );
}
