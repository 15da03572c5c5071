// Flux density against time with error bars, one colour a band.

import { flux, fluxUnit, frequency, number, time } from "./format.js";
import { element, addTooltip, frame, linear, showMessage, timeTicks } from "./plot.js";

// Okabe & Ito: distinguishable with any colour vision deficiency; black is left to the text.
const COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#8a7a00", "#7f7f7f"];
// With more points, each is a small dot without a tooltip: browsers stay responsive.
const MAX_INTERACTIVE = 1500;

export function draw(container, legend, points, { trigger, maxPoints }) {
  const usable = points.filter((point) => point.flux_int_jy !== null);
  if (!usable.length) {
    legend.replaceChildren();
    showMessage(container, "No measurements yet.");
    return;
  }
  const bands = [...new Set(usable.map(bandOf))].sort((a, b) => parseFloat(a) - parseFloat(b));
  const colour = new Map(bands.map((band, index) => [band, COLOURS[index % COLOURS.length]]));
  const middle = (point) => Date.parse(point.time_start) + 500 * (point.exposure_s ?? 0);
  const times = usable.map(middle);
  const [first, last] = extent(times);
  const pad = Math.max((last - first) * 0.03, 500);
  const error = (point) => point.flux_int_err_jy ?? 0;
  const low = Math.min(0, ...usable.map((point) => point.flux_int_jy - error(point)));
  const high = Math.max(...usable.map((point) => point.flux_int_jy + error(point)));
  const [unit, unitName] = fluxUnit(high);
  const day = new Date(first).toISOString().slice(0, 10);
  const area = frame(container, {
    x: {
      make: (range) => linear([first - pad, last + pad], range),
      ticks: (_, count) => timeTicks(first - pad, last + pad, count),
    },
    y: {
      make: (range) => linear([low / unit, (high / unit) * 1.06], range),
      ticks: (scale, count) => scale.ticks(count).map((value) => [value, number(value, 4)]),
    },
    xLabel: `UTC, from ${day}`,
    yLabel: `integrated flux density [${unitName}]`,
  });
  if (trigger) {
    const at = area.x(Date.parse(trigger));
    area.svg.append(element("line", { class: "mark", x1: at, x2: at, y1: area.top, y2: area.bottom }));
  }
  for (const band of bands) {
    const own = usable.filter((point) => bandOf(point) === band);
    drawBand(area, own, { colour: colour.get(band), unit, middle, error, busy: usable.length > MAX_INTERACTIVE });
  }
  area.svg.setAttribute("aria-label", `Light curve of ${usable.length} points in ${bands.length} bands`);
  legend.replaceChildren(...bands.map((band) => legendEntry(band, colour.get(band))));
  if (points.some((point) => point.extraction_type !== "blind")) legend.append("hollow: forced fit");
  if (points.length >= maxPoints) legend.append(`the newest ${maxPoints.toLocaleString("en")} points; CSV and VOTable have all`);
}

function drawBand(area, points, { colour, unit, middle, error, busy }) {
  const place = (point) => [area.x(middle(point)), area.y(point.flux_int_jy / unit)];
  const line = points.map((point) => place(point).map((at) => at.toFixed(1)).join(",")).join("L");
  area.svg.append(element("path", { d: `M${line}`, fill: "none", stroke: colour, "stroke-opacity": 0.3 }));
  const bars = points.map((point) => {
    const [x] = place(point);
    const y1 = area.y((point.flux_int_jy - error(point)) / unit);
    const y2 = area.y((point.flux_int_jy + error(point)) / unit);
    return `M${x.toFixed(1)},${y1.toFixed(1)}V${y2.toFixed(1)}`;
  });
  area.svg.append(element("path", { d: bars.join(""), stroke: colour, "stroke-width": 1.4 }));
  for (const point of points) {
    const [cx, cy] = place(point);
    const blind = point.extraction_type === "blind";
    const dot = element("circle", {
      cx, cy, r: busy ? 1.6 : 3.4, fill: blind ? colour : "var(--card)", stroke: colour, "stroke-width": 1.4,
    });
    if (!busy) {
      addTooltip(dot, () => `${time(point.time_start)} UTC · ${frequency(point.freq_eff_hz)} ${point.stokes}
${flux(point.flux_int_jy)} ± ${flux(point.flux_int_err_jy)}
S/N ${number(point.snr)} · ${point.extraction_type}`);
    }
    area.svg.append(dot);
  }
}

const bandOf = (point) => `${point.freq_eff_hz} ${point.stokes}`;

function legendEntry(band, colour) {
  const [hz, stokes] = band.split(" ");
  const entry = document.createElement("span");
  const dot = document.createElement("i");
  dot.style.background = colour;
  entry.append(dot, `${frequency(Number(hz))} ${stokes}`);
  return entry;
}

function extent(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}
