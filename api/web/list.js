// The list of transients: one button each, newest first.

import { ago, decText, kindText, number, raText } from "./format.js";

export function badge(text, kind = "") {
  const made = document.createElement("span");
  made.className = `badge ${kind}`;
  made.textContent = text;
  return made;
}

function part(className, ...content) {
  const made = document.createElement("span");
  made.className = className;
  made.append(...content);
  return made;
}

export function render(list, transients, { selected, fresh, onSelect }) {
  const focused = document.activeElement?.dataset?.transient;
  list.replaceChildren(...transients.map((transient) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.transient = transient.id;
    button.setAttribute("aria-current", String(transient.id === selected));
    if (fresh.has(transient.id)) button.classList.add("fresh");
    const when = part("sub", ago(transient.time_detected));
    when.title = `${transient.time_detected} UTC`;
    const remarks = [`S/N ${number(transient.snr)}`, transient.stream];
    if (transient.certainty === "possible") remarks.push("possible");
    if (transient.state === "retracted") remarks.push("retracted");
    button.append(
      part("place", `${raText(transient.ra)} ${decText(transient.dec)}`),
      badge(kindText[transient.kind] ?? transient.kind, transient.kind),
      part("sub", remarks.join(" · ")),
      when,
    );
    button.addEventListener("click", () => onSelect(transient));
    item.append(button);
    return item;
  }));
  if (focused) list.querySelector(`[data-transient="${CSS.escape(focused)}"]`)?.focus();
}
