// Axes, scales and marks in SVG, shared by the three charts.

const NS = "http://www.w3.org/2000/svg";

export function element(name, attributes = {}, text = null) {
  const made = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  return made;
}

export function linear([from, to], [start, end]) {
  const scale = (value) => start + ((value - from) / (to - from || 1)) * (end - start);
  scale.ticks = (count) => linearTicks(from, to, count);
  return scale;
}

export function logarithmic([from, to], range) {
  const inner = linear([Math.log10(from), Math.log10(to)], range);
  const scale = (value) => inner(Math.log10(Math.max(value, from)));
  scale.ticks = () => {
    const ticks = [];
    for (let power = Math.ceil(Math.log10(from)); power <= Math.log10(to); power += 1) ticks.push(10 ** power);
    return ticks;
  };
  return scale;
}

function linearTicks(from, to, count) {
  const rough = Math.abs(to - from) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((each) => 1.5 * each * power >= rough) * power; // a few too many rather than too few
  const low = Math.min(from, to);
  const high = Math.max(from, to);
  const ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step * 1e-9; at += step) ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

const TIME_STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800, 2592000, 7776000, 31536000];
export function timeTicks(from, to, count) {
  const step = 1000 * (TIME_STEPS_S.find((each) => (each * 1000 * count) >= to - from) ?? 315360000);
  const ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  const text = (at) => {
    const iso = new Date(at).toISOString();
    if (step >= 86400000) return iso.slice(0, 10);
    return step >= 60000 ? iso.slice(11, 16) : iso.slice(11, step >= 1000 ? 19 : 21);
  };
  return ticks.map((at) => [at, text(at)]);
}

// A frame with axes; returns the SVG, its limits and the scales.
export function frame(container, { x, y, xLabel, yLabel, margin = { top: 10, right: 14, bottom: 38, left: 58 } }) {
  const width = Math.max(container.clientWidth, 160);
  const height = Math.max(container.clientHeight, 120);
  const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const left = margin.left;
  const right = width - margin.right;
  const top = margin.top;
  const bottom = height - margin.bottom;
  const xScale = x.make([left, right]);
  const yScale = y.make([bottom, top]);
  for (const [value, text] of y.ticks(yScale, Math.max(2, Math.round((bottom - top) / 55)))) {
    const at = yScale(value);
    svg.append(element("line", { class: "grid", x1: left, x2: right, y1: at, y2: at }));
    svg.append(element("text", { x: left - 7, y: at + 4, "text-anchor": "end" }, text));
  }
  for (const [value, text] of x.ticks(xScale, Math.max(2, Math.round((right - left) / 95)))) {
    const at = xScale(value);
    svg.append(element("line", { class: "grid", x1: at, x2: at, y1: top, y2: bottom }));
    svg.append(element("text", { x: at, y: bottom + 16, "text-anchor": "middle" }, text));
  }
  svg.append(element("path", { class: "axis", d: `M${left},${top}V${bottom}H${right}` }));
  svg.append(element("text", { x: (left + right) / 2, y: height - 5, "text-anchor": "middle" }, xLabel));
  svg.append(element("text", {
    transform: `translate(13 ${(top + bottom) / 2}) rotate(-90)`, "text-anchor": "middle",
  }, yLabel));
  container.replaceChildren(svg);
  return { svg, x: xScale, y: yScale, left, right, top, bottom };
}

export function showMessage(container, ...parts) {
  const text = document.createElement("p");
  text.className = "empty";
  text.append(...parts);
  container.replaceChildren(text);
}

const tooltip = document.getElementById("tooltip");
export function addTooltip(mark, text) {
  mark.addEventListener("pointerenter", (event) => {
    tooltip.textContent = text();
    tooltip.hidden = false;
    const box = tooltip.getBoundingClientRect();
    tooltip.style.left = `${Math.min(event.clientX + 12, window.innerWidth - box.width - 8)}px`;
    tooltip.style.top = `${Math.max(4, event.clientY - box.height - 10)}px`;
  });
  mark.addEventListener("pointerleave", () => { tooltip.hidden = true; });
}
