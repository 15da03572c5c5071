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
type TakeBack = (token: string) => Promise<unknown>;
interface Done {
  words: string;
  takeBack: readonly TakeBack[];
}
interface Work {
  who: Who | null;
  done: readonly Done[];
  message: string;
  isAsking: boolean; // for the token
  nChanges: number;
  progress: { n: number; of: number } | null; // of what is done to many
}

const KEPT = "livetrap-token"; // of this tab, until it is closed

function readWho(): Who | null {
  try {
    return JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as Who | null;
  } catch {
    return null; // storage is forbidden here: the token is asked for again
  }
}

export const work = new Store<Work>({ who: readWho(), done: [], message: "", isAsking: false, nChanges: 0, progress: null });

let last: Promise<void> = Promise.resolve();

/** Run one write after the other: what is taken back is what was done last. */
function attempt(action: (who: Who) => Promise<string>): Promise<void> {
  const run = (): Promise<void> => attemptNow(action);
  last = last.then(run, run);
  return last;
}

async function attemptNow(action: (who: Who) => Promise<string>): Promise<void> {
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
    work.change({ message: error.message, nChanges: work.value.nChanges + 1, isAsking: isRefused, ...(isRefused ? { who: null } : {}) });
  }
}

async function classifyOne(source: number, classification: string, who: Who): Promise<TakeBack[]> {
  const path = `sources/${source}/classifications`;
  const said = (await get<Annotations>(`sources/${source}/annotations`)).classifications;
  const before = said.find((each) => each.origin === who.name);
  const made = await send<Classification>("POST", path, who.token, { classification, origin: who.name });
  if (before) {
    const { probability, origin, note } = before;
    return [(token) => send("POST", path, token, { classification: before.classification, probability, origin, note })];
  }
  return made ? [(token) => send("DELETE", `${path}/${made.id}`, token)] : [];
}

async function tagOne(source: number, tag: string, who: Who): Promise<TakeBack[]> {
  const path = `sources/${source}/tags`;
  const { tags } = await get<Annotations>(`sources/${source}/annotations`);
  if (tags.some((each) => each.tag === tag)) return [];
  await send("POST", path, who.token, { tag });
  return [(token) => send("DELETE", `${path}/${tag}`, token)];
}

const MOST_AT_ONCE = 1000;
let isStopped = false;

export function stop(): void {
  isStopped = true;
}

/** Take one step after the other and show how far it is; an error says what was done before it. */
async function inTurn<T>(items: readonly T[], step: (item: T) => Promise<void>): Promise<number> {
  isStopped = false;
  let n = 0;
  try {
    for (const item of items) {
      if (isStopped) break;
      if (items.length > 1) work.change({ progress: { n, of: items.length } });
      await step(item);
      n += 1;
    }
  } catch (error) {
    if (!(error instanceof ApiError) || items.length === 1) throw error;
    throw new ApiError(error.status, `${n} of ${items.length} done, then: ${error.message}`);
  } finally {
    work.change({ progress: null });
  }
  return n;
}

function mark(sources: readonly number[], words: string, one: (source: number, who: Who) => Promise<TakeBack[]>): Promise<void> {
  return attempt(async (who) => {
    if (sources.length > MOST_AT_ONCE) throw new ApiError(0, `At most ${MOST_AT_ONCE} sources at once; ${sources.length} are selected.`);
    const takeBack: TakeBack[] = [];
    const keep = (): void => {
      if (takeBack.length) work.change({ done: [...work.value.done, { words, takeBack }] });
    };
    const n = await inTurn(sources, async (source) => void takeBack.push(...(await one(source, who)))).finally(keep);
    return `${sources.length === 1 ? `Source ${sources[0]}` : `${n} sources`}: ${words}. u takes it back.`;
  });
}

export function classify(sources: readonly number[], key: number): Promise<void> {
  const classification = CLASSES[key - 1] ?? "unclear";
  return mark(sources, classification, (source, who) => classifyOne(source, classification, who));
}

export const tag = (sources: readonly number[], name: string): Promise<void> => mark(sources, `tag ${name}`, (source, who) => tagOne(source, name, who));

export function undo(): Promise<void> {
  return attempt(async (who) => {
    const { done } = work.value;
    const newest = done.at(-1);
    if (!newest) return "Nothing to take back.";
    const left = [...newest.takeBack];
    const keep = (): void => work.change({ done: [...done.slice(0, -1), ...(left.length ? [{ ...newest, takeBack: left }] : [])] });
    await inTurn([...left].reverse(), async (step) => {
      await step(who.token);
      left.pop();
    }).finally(keep);
    return left.length ? `${newest.words}: ${left.length} are left, u goes on.` : `${newest.words} taken back${newest.takeBack.length > 1 ? ` from ${newest.takeBack.length} sources` : ""}.`;
  });
}

export const classifyingKeys = (sources: readonly number[]): Record<string, () => void> => ({
  ...Object.fromEntries(CLASSES.map((_, index) => [String(index + 1), () => void classify(sources, index + 1)])),
  u: () => void undo(),
});

export function ClassifyBar({ source }: { source: number }) {
  const { done } = useStore(work);
  return (
    <div class="classify" role="group" aria-label="Classify this source">
      {CLASSES.map((name, index) => (
        <button key={name} type="button" onClick={() => void classify([source], index + 1)}><kbd>{index + 1}</kbd> {name}</button>
      ))}
      <button type="button" disabled={!done.length} onClick={() => void undo()}><kbd>u</kbd> undo</button>
    </div>
  );
}

/** What was done last, and the form for the token; once on a page. */
export function WorkMessage() {
  const { message, isAsking, progress } = useStore(work);
  return (
    <div class="work">
      {progress && <p class="notice">{progress.n} of {progress.of} … <button type="button" onClick={stop}>Stop</button></p>}
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
