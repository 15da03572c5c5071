// Keys of a page; none acts while somebody writes.

import { useLayoutEffect, useRef } from "preact/hooks";

const isWriting = (target: EventTarget | null): boolean => target instanceof HTMLElement && (target.matches("input, select, textarea") || target.isContentEditable);

export function useKeys(actions: Record<string, () => void>): void {
  const latest = useRef(actions);
  latest.current = actions;
  // Before the page is painted: who sees a list can use its keys.
  useLayoutEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
      if (event.key === "Enter" && event.target instanceof HTMLElement && event.target.matches("a, button, summary")) return;
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, []);
}
