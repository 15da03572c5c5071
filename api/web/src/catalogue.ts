// The whole running catalogue in one request, in columns: 100 000 sources are a few megabytes.

import { getText } from "./http";

// Of 42: a quarter of the bytes.
const COLUMNS: readonly string[] = ["id", "ra", "dec", "eta", "v", "n_datapoints", "is_new", "is_variable"];

export interface Catalogue {
  n: number;
  id: Float64Array;
  ra: Float64Array;
  dec: Float64Array;
  eta: Float64Array; // NaN where it is not defined
  v: Float64Array;
  nPoints: Float64Array;
  isNew: boolean[];
  isVariable: boolean[];
}

export async function loadCatalogue(stream: string | undefined, signal: AbortSignal): Promise<Catalogue> {
  return toCatalogue(parseCsv(await getText("sources", { stream, format: "csv", columns: COLUMNS.join(",") }, signal)));
}

/** Rows of fields; RFC 4180. */
export function parseCsv(text: string): string[][] {
  if (!text.includes('"')) {
    return text.split(/\r?\n/).filter(Boolean).map((line) => line.split(","));
  }
  const rows: string[][] = [];
  let row: string[] = [];
  for (const [, separator, quoted, plain] of text.matchAll(/(^|,|\r?\n)(?:"((?:[^"]|"")*)"|([^",\r\n]*))/g)) {
    if (separator !== "," && row.length) {
      rows.push(row);
      row = [];
    }
    row.push(quoted === undefined ? (plain ?? "") : quoted.replaceAll('""', '"'));
  }
  if (row.length) rows.push(row);
  return rows.filter((each) => each.length > 1);
}

function toCatalogue([head = [], ...rows]: string[][]): Catalogue {
  const column = (name: string): string[] => {
    const index = head.indexOf(name);
    if (index < 0) throw new Error(`the catalogue has no column ${name}`);
    return rows.map((row) => row[index] ?? "");
  };
  const numbers = (name: string): Float64Array => Float64Array.from(column(name), (text) => (text === "" ? Number.NaN : Number(text)));
  const flags = (name: string): boolean[] => column(name).map((text) => text.toLowerCase() === "true" || text === "1");
  return {
    n: rows.length, id: numbers("id"), ra: numbers("ra"), dec: numbers("dec"), eta: numbers("eta"), v: numbers("v"),
    nPoints: numbers("n_datapoints"), isNew: flags("is_new"), isVariable: flags("is_variable"),
  };
}
