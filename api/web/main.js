// State of the page; a change redraws the parts that show it.

import { follow, get, getAll } from "./api.js";
import * as detail from "./detail.js";
import { downText, kindText, number, seconds } from "./format.js";
import * as lightcurve from "./lightcurve.js";
import * as list from "./list.js";
import * as plane from "./plane.js";
import { showMessage } from "./plot.js";
import * as sky from "./sky.js";

const MAX_SOURCES = 2000;
const MAX_POINTS = 5000;
const SOURCES_EVERY_MS = 4000;
const FIGURES_EVERY_MS = 2000;
const FRESH_MS = 6000;

const byId = (id) => document.getElementById(id);
const parts = { badges: byId("detail-kind"), facts: byId("facts"), links: byId("links"), title: byId("detail-title") };
const state = {
  transients: [], next: null, sources: [], points: [], filters: {},
  selected: null, // {source: id, transient: id or null}
  fresh: new Map(), isLive: false,
};

// --- drawing ---

function showList() {
  const now = Date.now();
  for (const [id, until] of state.fresh) if (until < now) state.fresh.delete(id);
  const place = byId("transients");
  byId("list-count").textContent = state.transients.length ? `${state.transients.length}${state.next ? "+" : ""}` : "";
  byId("more").hidden = !state.next;
  if (state.transients.length) {
    list.render(place, state.transients, {
      selected: state.selected?.transient, fresh: state.fresh, onSelect: (transient) => select(transient.source_id, transient.id),
    });
    return;
  }
  const command = document.createElement("code");
  const isFiltered = Object.values(state.filters).some(Boolean);
  command.textContent = "livetrap simulate --kafka";
  if (isFiltered) showMessage(place, "No transient passes these filters.");
  else showMessage(place, "No transients yet. Publish images with ", Object.assign(document.createElement("code"), { textContent: "livetrap ingest" }), ", or simulated ones with ", command, ".");
}

const kindOf = (source) => (source.is_new ? "new_source" : source.is_variable ? "variable" : "");

function showSources() {
  const options = { selected: state.selected?.source, onSelect: selectSource, kindOf };
  plane.draw(byId("plane"), state.sources, options);
  sky.draw(byId("sky"), byId("sky-centre"), state.sources, options);
}

function showDetail(source) {
  const transient = state.transients.find((each) => each.id === state.selected?.transient);
  if (source) detail.show(parts, source, transient);
  lightcurve.draw(byId("lightcurve"), byId("legend"), state.points, { trigger: transient?.time_start, maxPoints: MAX_POINTS });
}

// --- changes ---

function selectSource(source) {
  const transient = state.transients.find((each) => each.source_id === source.id);
  select(source.id, transient?.id ?? null);
}

async function select(source, transient, { keepHash = false } = {}) {
  state.selected = { source, transient };
  if (!keepHash) history.replaceState(null, "", transient ? `#transient=${transient}` : `#source=${source}`);
  showList();
  showSources();
  await loadDetail();
}

async function loadDetail() {
  if (!state.selected) return;
  const wanted = state.selected.source;
  const [source, curve] = await Promise.all([get(`sources/${wanted}`), get(`sources/${wanted}/lightcurve`, { newest: MAX_POINTS, limit: MAX_POINTS })]);
  if (state.selected?.source !== wanted) return; // another one was selected meanwhile
  state.points = curve.points;
  showDetail(source);
}

async function loadTransients() {
  const page = await get("transients", { ...state.filters, limit: 100 });
  const known = new Set(state.transients.map((each) => each.id));
  const isFirst = state.transients.length === 0 && known.size === 0 && !state.isFilled;
  for (const each of page.items) if (!isFirst && !known.has(each.id)) state.fresh.set(each.id, Date.now() + FRESH_MS);
  state.isFilled = true;
  state.transients = page.items;
  state.next = page.next;
  showList();
  if (!state.selected && page.items.length) await select(page.items[0].source_id, page.items[0].id, { keepHash: true });
}

async function loadOlder() {
  const page = await get("transients", { ...state.filters, limit: 100, cursor: state.next });
  state.transients.push(...page.items);
  state.next = page.next;
  showList();
}

async function loadSources() {
  const stream = state.filters.stream;
  state.sources = await getAll("sources", { stream, sort: "eta" }, MAX_SOURCES);
  showSources();
}

async function loadFigures() {
  showDown((await get("services")).items.filter((each) => each.is_down));
  const [ledger, slo] = await Promise.all([get("ledger"), get("slo")]);
  const { processed = 0, rejected = 0, duplicate = 0, late = 0 } = ledger.outcomes;
  byId("figure-images").textContent = processed.toLocaleString("en");
  byId("figure-rejected").textContent = rejected.toLocaleString("en");
  byId("figure-other").textContent = (duplicate + late).toLocaleString("en");
  const alerts = slo.stages.find((stage) => stage.stage === "alert_total");
  byId("figure-latency").textContent = alerts ? seconds(alerts.p50_s) : "–";
  offerStreams(ledger.streams.map((each) => each.stream));
}

function offerStreams(names) {
  const field = byId("filters").elements.stream;
  const offered = new Set([...field.options].map((option) => option.value));
  for (const name of names) if (!offered.has(name)) field.append(new Option(name, name));
}

function showDown(services) {
  const place = byId("down");
  place.hidden = !services.length;
  const text = services.map(downText).join("; ");
  if (place.textContent !== text) place.textContent = text; // a screen reader reads every change
}

function showConnection(isLive, text) {
  const place = byId("connection");
  place.className = `connection ${isLive ? "live" : "lost"}`;
  place.querySelector(".text").textContent = text;
}

// --- repetition ---

// Repeat a task with a pause; the header shows an error until the next success.
async function every(pauseMs, work) {
  for (;;) {
    if (!document.hidden) await attempt(work);
    await new Promise((done) => { setTimeout(done, pauseMs); });
  }
}

async function attempt(work) {
  try {
    await work();
    if (state.isLive) showConnection(true, "live");
  } catch (error) {
    showConnection(false, error instanceof TypeError ? "server unreachable, reconnecting" : error.message);
  }
}

let pending = null;
function soon(work) {
  clearTimeout(pending);
  pending = setTimeout(() => attempt(work), 150);
}

// --- start ---

function readHash() {
  const [name, value] = location.hash.slice(1).split("=");
  const id = Number(value);
  if (!Number.isSafeInteger(id) || id <= 0) return null;
  return { name, id };
}

async function openHash() {
  const place = readHash();
  if (place?.name === "source") await select(place.id, null, { keepHash: true });
  if (place?.name === "transient") {
    const transient = await get(`transients/${place.id}`);
    await select(transient.source_id, transient.id, { keepHash: true });
  }
}

byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("input", () => {
  state.filters = Object.fromEntries(new FormData(byId("filters")));
  state.isFilled = false;
  state.transients = [];
  soon(async () => { await loadTransients(); await loadSources(); });
});
byId("more").addEventListener("click", () => attempt(loadOlder));
addEventListener("hashchange", () => attempt(openHash));
new ResizeObserver(() => { showSources(); showDetail(null); }).observe(document.querySelector("main"));

follow({
  onAlert: (alert) => {
    byId("announcement").textContent = `New alert: ${kindText[alert.kind] ?? alert.kind}, S/N ${number(alert.snr)}, ${alert.stream}`;
    soon(loadTransients);
  },
  onState: (isLive) => {
    state.isLive = isLive;
    showConnection(isLive, isLive ? "live" : "server unreachable, reconnecting");
  },
});
await attempt(openHash);
await attempt(loadTransients);
every(FIGURES_EVERY_MS, loadFigures);
every(SOURCES_EVERY_MS, async () => { await loadSources(); await loadDetail(); showList(); });
