// What can be done to several sources at once: classify, tag, take back.

import { useState } from "preact/hooks";
import { count } from "../format";
import { useStore } from "../store";
import { classify, CLASSES, classifyingKeys, tag, undo, work } from "./classify";
import { useKeys } from "./keys";

interface Props {
  sources: readonly number[];
  onClear: () => void;
}

export function SelectionBar({ sources, onClear }: Props) {
  const { done, progress } = useStore(work);
  const newest = done.at(-1);
  const isIdle = progress === null;
  useKeys(sources.length && isIdle ? { ...classifyingKeys(sources), Escape: onClear } : { u: () => void undo() });
  return (
    <div class="selection" role="group" aria-label={`Classify ${count(sources.length)} selected sources`}>
      <strong role="status">{count(sources.length)} selected</strong>
      {CLASSES.map((name, index) => (
        <button key={name} type="button" disabled={!sources.length || !isIdle} onClick={() => void classify(sources, index + 1)}><kbd>{index + 1}</kbd> {name}</button>
      ))}
      <TagForm isAble={sources.length > 0 && isIdle} onTag={(name) => void tag(sources, name)} />
      <button type="button" disabled={!newest || !isIdle} onClick={() => void undo()}><kbd>u</kbd> undo{newest ? ` ${newest.words}` : ""}</button>
      <button type="button" disabled={!sources.length} onClick={onClear}><kbd>Esc</kbd> clear</button>
    </div>
  );
}

function TagForm({ isAble, onTag }: { isAble: boolean; onTag: (name: string) => void }) {
  const [name, setName] = useState("");
  const onSubmit = (event: Event): void => {
    event.preventDefault();
    onTag(name);
  };
  return (
    <form onSubmit={onSubmit}>
      <input
        value={name} aria-label="Tag" placeholder="tag" required maxLength={40} pattern="[a-z0-9][a-z0-9_\-]*" title="Lower case, digits, dash, underscore; at most 40"
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" disabled={!isAble}>Tag</button>
    </form>
  );
}
