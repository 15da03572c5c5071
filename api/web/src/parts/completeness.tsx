// How much of the night was used: accepted, rejected and missing exposures of each band.

import { useMemo } from "preact/hooks";
import { band as bandName, count, duration, time } from "../format";
import type { Image } from "../types";

const NIGHT_MS = 24 * 3600 * 1000;
const LEAST_IMAGES = 3; // for a cadence

interface Row {
  name: string;
  fromMs: number;
  toMs: number;
  cadenceMs: number;
  nExpected: number;
  nAccepted: number;
  nRejected: number;
  reasons: string;
  longestMs: number; // between two starts
}

/** One row a stream and band; the cadence is the median time between starts. */
function completenessOf(images: readonly Image[]): Row[] {
  const newestMs = Math.max(...images.map((each) => Date.parse(each.time_start ?? "")).filter((each) => !Number.isNaN(each)));
  const bands = new Map<string, Image[]>();
  for (const image of images) {
    if (image.time_start === null || Date.parse(image.time_start) < newestMs - NIGHT_MS) continue;
    const name = `${image.stream}, ${bandName(image)}`;
    const known = bands.get(name);
    if (known) known.push(image);
    else bands.set(name, [image]);
  }
  return [...bands].flatMap(([name, own]) => rowOf(name, own) ?? []).sort((a, b) => a.name.localeCompare(b.name, "en", { numeric: true }));
}

function rowOf(name: string, images: readonly Image[]): Row | null {
  const exposures = new Map<number, boolean>(); // by start: whether an image of it was accepted
  for (const { time_start, verdict } of images) {
    const startMs = Date.parse(time_start ?? "");
    exposures.set(startMs, (exposures.get(startMs) ?? false) || verdict === "accepted");
  }
  const starts = [...exposures.keys()].sort((a, b) => a - b);
  const steps = starts.slice(1).map((each, index) => each - (starts[index] ?? 0)).sort((a, b) => a - b);
  const cadenceMs = steps[Math.floor(steps.length / 2)];
  const [fromMs, toMs] = [starts[0], starts.at(-1)];
  if (starts.length < LEAST_IMAGES || !cadenceMs || fromMs === undefined || toMs === undefined) return null;
  const nAccepted = [...exposures.values()].filter(Boolean).length;
  const reasons = new Set(images.filter((each) => each.verdict === "rejected").flatMap((each) => each.reasons));
  return {
    name, fromMs, toMs, cadenceMs, nAccepted, nRejected: starts.length - nAccepted, reasons: [...reasons].join(", ").replaceAll("_", " "),
    nExpected: Math.max(starts.length, Math.round((toMs - fromMs) / cadenceMs) + 1), longestMs: steps.at(-1) ?? 0,
  };
}

const percent = (part: number, whole: number): string => `${((100 * part) / whole).toFixed(1)} %`;

export function CompletenessCard({ images }: { images: readonly Image[] }) {
  const rows = useMemo(() => completenessOf(images), [images]);
  return (
    <section class="card" aria-label="Completeness">
      <h2>Completeness of the night</h2>
      {rows.length === 0 ? <p class="quiet">A cadence needs three exposures of a band.</p> : (
        <div class="scroll" tabIndex={0} role="region" aria-label="Completeness by band">
          <table>
            <thead>
              <tr>
                <th scope="col">stream, band</th><th scope="col" class="figure">accepted</th><th scope="col" class="figure">of expected</th><th scope="col" class="figure">rejected</th><th scope="col" class="figure">missing</th>
                <th scope="col" class="figure">cadence</th><th scope="col" class="figure">longest step</th><th scope="col">from, to [UTC]</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((each) => (
                <tr key={each.name}>
                  <th scope="row">{each.name}</th><td class="figure"><strong>{percent(each.nAccepted, each.nExpected)}</strong></td><td class="figure">{count(each.nAccepted)} / {count(each.nExpected)}</td>
                  <td class="figure" title={each.reasons}>{count(each.nRejected)}</td><td class="figure">{count(each.nExpected - each.nAccepted - each.nRejected)}</td>
                  <td class="figure">{duration(each.cadenceMs / 1000)}</td><td class="figure">{duration(each.longestMs / 1000)}</td>
                  <td>{time(new Date(each.fromMs).toISOString())}, {time(new Date(each.toMs).toISOString()).slice(11)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      <p class="quiet">Expected: one exposure every cadence (the median time between starts) from the first to the last one, within 24 h before the newest and within the images above. Missing ones were never received.</p>
    </section>
  );
}
