// Positions as offsets from their centre, east to the left; valid at RA 0h and at the poles too.

import { decText, number, raText } from "./format.js";
import { element, addTooltip, frame, linear, showMessage } from "./plot.js";

const RADIAN = Math.PI / 180;

function vector({ ra, dec }) {
  return [Math.cos(dec * RADIAN) * Math.cos(ra * RADIAN), Math.cos(dec * RADIAN) * Math.sin(ra * RADIAN), Math.sin(dec * RADIAN)];
}

function centreOf(sources) {
  const sum = [0, 0, 0];
  for (const source of sources) vector(source).forEach((value, axis) => { sum[axis] += value; });
  const [x, y, z] = sum;
  return { ra: ((Math.atan2(y, x) / RADIAN) + 360) % 360, dec: Math.atan2(z, Math.hypot(x, y)) / RADIAN };
}

function offsets(source, centre) {
  const [x, y, z] = vector(source);
  const [sinRa, cosRa] = [Math.sin(centre.ra * RADIAN), Math.cos(centre.ra * RADIAN)];
  const [sinDec, cosDec] = [Math.sin(centre.dec * RADIAN), Math.cos(centre.dec * RADIAN)];
  return [(-sinRa * x + cosRa * y) / RADIAN, (-sinDec * cosRa * x - sinDec * sinRa * y + cosDec * z) / RADIAN];
}

export function draw(container, centreText, sources, { selected, onSelect, kindOf }) {
  if (!sources.length) {
    centreText.textContent = "";
    showMessage(container, "No sources yet.");
    return;
  }
  const centre = centreOf(sources);
  const placed = sources.map((source) => [source, ...offsets(source, centre)]);
  const reach = Math.max(1 / 60, ...placed.flatMap(([, east, north]) => [Math.abs(east), Math.abs(north)])) * 1.08;
  // One degree has the same length in both directions.
  const width = Math.max(container.clientWidth - 72, 80);
  const height = Math.max(container.clientHeight - 48, 80);
  const [wide, high] = width > height ? [reach * (width / height), reach] : [reach, reach * (height / width)];
  const ticks = (scale, count) => scale.ticks(count).map((value) => [value, number(value, 3)]);
  const area = frame(container, {
    x: { make: (range) => linear([wide, -wide], range), ticks },
    y: { make: (range) => linear([-high, high], range), ticks },
    xLabel: "east [°]",
    yLabel: "north [°]",
  });
  const brightest = Math.max(...sources.map(brightness), 1e-12);
  for (const [source, east, north] of placed) {
    const radius = 1.6 + 3.4 * Math.sqrt(brightness(source) / brightest);
    const dot = element("circle", {
      class: `source ${kindOf(source)}`, cx: area.x(east), cy: area.y(north), r: kindOf(source) ? radius + 1.5 : radius,
    });
    addTooltip(dot, () => `source ${source.id}\n${raText(source.ra)} ${decText(source.dec)}`);
    dot.addEventListener("click", () => onSelect(source));
    area.svg.append(dot);
    if (source.id === selected) area.svg.append(element("circle", { class: "ring", cx: area.x(east), cy: area.y(north), r: radius + 6 }));
  }
  centreText.textContent = `around ${raText(centre.ra)} ${decText(centre.dec)}`;
  area.svg.setAttribute("aria-label", `${sources.length} sources on the sky`);
}

const brightness = (source) => Math.max(0, ...source.bands.map((band) => band.flux_int_mean_jy ?? 0));
