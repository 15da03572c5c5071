// Panel of the selected source: badges, quantities, download links.

import { url } from "./api.js";
import { arcsec, decText, degrees, flux, kindText, number, raText, time } from "./format.js";
import { badge } from "./list.js";

function fact(name, ...content) {
  const entry = document.createElement("div");
  const term = document.createElement("dt");
  term.textContent = name;
  const value = document.createElement("dd");
  value.append(...content);
  entry.append(term, value);
  return entry;
}

function copyButton(text, label) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = label;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      button.textContent = text; // no permission: show the text to be copied by hand
    }
  });
  return button;
}

// The form that catalogue services accept: 08:06:37.90 -09:38:17.0
function sexagesimal({ ra, dec }) {
  const colons = (text) => text.replace("−", "-").replace(/[s″]$/, "").replaceAll(/[hm°′]/g, ":");
  return `${colons(raText(ra))} ${colons(decText(dec))}`;
}

function link(text, href) {
  const made = document.createElement("a");
  made.textContent = text;
  made.href = href;
  return made;
}

export function show({ badges, facts, links, title }, source, transient) {
  title.textContent = `${raText(source.ra)} ${decText(source.dec)}`;
  badges.replaceChildren(...(transient
    ? [badge(kindText[transient.kind] ?? transient.kind, transient.kind), badge(transient.certainty), badge(transient.state)]
    : [badge("source")]));
  const entries = [
    fact("right ascension, declination", `${degrees(source.ra)} ${degrees(source.dec)}`, copyButton(`${source.ra} ${source.dec}`, "copy degrees"), copyButton(sexagesimal(source), "copy hms dms")),
    fact("1σ error, east and north", `${arcsec(source.ra_err_deg)} ${arcsec(source.dec_err_deg)}`),
    fact("η", number(source.eta)),
    fact("V", number(source.v)),
    fact("points", String(source.n_datapoints)),
    fact("first image [UTC]", time(source.first_time_start)),
    fact("last image [UTC]", time(source.last_time_start)),
    fact("source", String(source.id)),
  ];
  if (transient) {
    entries.splice(2, 0, fact("S/N", number(transient.snr)), fact("peak flux", flux(transient.flux_peak_jy_beam, "/beam")));
    entries.push(fact("alert family", transient.trig_id));
    if (transient.retracted_because) entries.push(fact("reason of retraction", transient.retracted_because));
  }
  if (source.parent_source_id !== null) entries.push(fact("split from", `source ${source.parent_source_id}`));
  facts.replaceChildren(...entries);
  const curve = `sources/${source.id}/lightcurve`;
  const made = [
    link("CSV", url(curve, { format: "csv" })),
    link("VOTable", url(curve, { format: "votable" })),
    link("JSON", url(curve)), // its first page
  ];
  for (const alert of transient?.alerts ?? []) {
    // A plain link cannot set the header Accept; the parameter overrides it.
    const notice = link(`${alert.alert_type} alert`, url(`alerts/${alert.id}`, { format: "json" }));
    notice.title = alert.ivorn;
    made.push(notice, link("VOEvent", url(`alerts/${alert.id}`, { format: "xml" })));
  }
  links.replaceChildren(...made);
}

export function clear({ badges, facts, links, title }) {
  title.textContent = "Light curve";
  for (const part of [badges, facts, links]) part.replaceChildren();
}
