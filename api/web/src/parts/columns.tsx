// Which columns a table shows: named in the address, chosen from a list.

import type { ComponentChildren } from "preact";
import { setQuery } from "../address";

export interface Column<T> {
  name: string; // in the address
  head: string;
  fields: readonly string[]; // of the table that the API gives
  isFigure?: boolean;
  isWide?: boolean; // unless asked for, not on a narrow screen
  isExtra?: boolean; // only if asked for
  cell: (of: T) => ComponentChildren;
}

const NONE = "none";
export const EXPORTS: readonly (readonly ["csv" | "votable" | "parquet", string])[] = [["csv", "CSV"], ["votable", "VOTable"], ["parquet", "Parquet"]];

/** Those that the address names, in the order of the table; without names the usual ones. */
export function shownOf<T>(all: readonly Column<T>[], names: string | undefined): Column<T>[] {
  if (!names) return all.filter((each) => !each.isExtra);
  const wanted = new Set(names.split(","));
  return all.filter((each) => wanted.has(each.name)).map((each) => ({ ...each, isWide: false }));
}

export const classOf = <T,>({ isFigure = false, isWide = false }: Column<T>): string => `${isFigure ? "figure " : ""}${isWide ? "wide" : ""}`.trim();

/** Columns of a table of the API: what identifies a row, and what is shown; undefined: all. */
export function fieldsOf<T>(always: readonly string[], all: readonly Column<T>[], names: string | undefined): string | undefined {
  return names ? [...new Set([...always, ...shownOf(all, names).flatMap((each) => each.fields)])].join(",") : undefined;
}

export function ColumnChooser<T>({ all, names }: { all: readonly Column<T>[]; names: string | undefined }) {
  const shown = new Set(shownOf(all, names).map((each) => each.name));
  const usual = shownOf(all, undefined).map((each) => each.name).join(",");
  const toggle = (name: string): void => {
    const next = all.map((each) => each.name).filter((each) => shown.has(each) !== (each === name)).join(",");
    setQuery({ columns: next === usual ? null : next || NONE });
  };
  return (
    <details class="columns">
      <summary>Columns</summary>
      <div role="group" aria-label="Columns">
        {all.map(({ name, head }) => <label key={name}><input type="checkbox" name={`column-${name}`} checked={shown.has(name)} onChange={() => toggle(name)} /> {head}</label>)}
        {names && <button type="button" onClick={() => setQuery({ columns: null })}>Usual ones</button>}
      </div>
    </details>
  );
}
