// The eta-V plane: constant sources at small eta and V, variables at large ones.

import { number } from "./format.js";
import { element, addTooltip, frame, logarithmic, showMessage } from "./plot.js";

export function draw(container, sources, { selected, onSelect, kindOf }) {
  const shown = sources.filter((source) => source.n_datapoints > 1 && source.eta > 0 && source.v > 0);
  if (!shown.length) {
    showMessage(container, "No source has two measurements yet.");
    return;
  }
  const decade = (values) => [10 ** Math.floor(Math.log10(Math.min(...values))), 10 ** Math.ceil(Math.log10(Math.max(...values) * 1.01))];
  const axis = (values) => ({
    make: (range) => logarithmic(decade(values), range),
    ticks: (scale) => scale.ticks().map((value) => [value, value >= 1e4 || value < 1e-2 ? value.toExponential(0) : String(value)]),
  });
  const area = frame(container, {
    x: axis(shown.map((source) => source.eta)),
    y: axis(shown.map((source) => source.v)),
    xLabel: "η, reduced χ² against a constant flux",
    yLabel: "V, scatter over mean",
  });
  for (const source of shown) {
    const dot = element("circle", {
      class: `source ${kindOf(source)}`, cx: area.x(source.eta), cy: area.y(source.v), r: kindOf(source) ? 4.5 : 3.2,
    });
    addTooltip(dot, () => `source ${source.id}\nη ${number(source.eta)} · V ${number(source.v)}\n${source.n_datapoints} points`);
    dot.addEventListener("click", () => onSelect(source));
    area.svg.append(dot);
    if (source.id === selected) area.svg.append(element("circle", { class: "ring", cx: area.x(source.eta), cy: area.y(source.v), r: 8 }));
  }
  area.svg.setAttribute("aria-label", `${shown.length} sources in the eta-V plane`);
}
