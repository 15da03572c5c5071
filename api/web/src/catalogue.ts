// The whole running catalogue in one request, as arrays: 100 000 sources are 4.5 MB.

import { getBytes } from "./http";

export interface Catalogue {
  n: number;
  id: Float64Array;
  ra: Float64Array;
  dec: Float64Array;
  eta: Float64Array; // NaN where it is not defined
  v: Float64Array;
  nPoints: Int32Array;
  flags: Uint8Array;
}
interface Head {
  n: number;
  columns: [string, string][];
}
export interface Wanted {
  stream?: string | undefined;
  min_n_datapoints?: string | undefined;
  min_snr_max?: string | undefined;
  tag?: string | undefined;
}

const NEW = 1;
const VARIABLE = 2;
const BYTES: Record<string, number> = { float64: 8, int32: 4, uint8: 1 };

export const isNew = (of: Catalogue, index: number): boolean => ((of.flags[index] ?? 0) & NEW) !== 0;
export const isVariable = (of: Catalogue, index: number): boolean => ((of.flags[index] ?? 0) & VARIABLE) !== 0;

export async function loadCatalogue(wanted: Wanted, signal: AbortSignal): Promise<Catalogue> {
  return toCatalogue(await getBytes("sources/columns", { ...wanted }, signal));
}

/** A line of JSON, then the arrays that it names, little-endian as every machine with a browser is. */
function toCatalogue(body: ArrayBuffer): Catalogue {
  const end = new Uint8Array(body).indexOf(10) + 1;
  const { n, columns } = JSON.parse(new TextDecoder().decode(new Uint8Array(body, 0, end))) as Head;
  const places = new Map<string, number>();
  let place = end;
  for (const [name, kind] of columns) {
    places.set(name, place);
    place += n * (BYTES[kind] ?? 0);
  }
  const at = (name: string): number => {
    const found = places.get(name);
    if (found === undefined) throw new Error(`the catalogue has no column ${name}`);
    return found;
  };
  return {
    n, id: new Float64Array(body, at("id"), n), ra: new Float64Array(body, at("ra"), n), dec: new Float64Array(body, at("dec"), n),
    eta: new Float64Array(body, at("eta"), n), v: new Float64Array(body, at("v"), n), nPoints: new Int32Array(body, at("n_datapoints"), n), flags: new Uint8Array(body, at("flags"), n),
  };
}
