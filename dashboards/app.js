// app.js -- the host page: state, the refresh loop, and what the controls do.

import * as api from "./api.js";
import * as range from "./range.js";
import {Chart} from "./chart.js";
import {expand, panels, seriesName, tiles} from "./panels.js";
import {format, formatTime} from "./format.js";
import {showAlerts} from "./alerts.js";

const LIVE_MS = 1000; // while following a short span
const SLOW_MS = 5000;
const THEMES = ["system", "light", "dark"];
const $ = (id) => document.getElementById(id);

const state = {
  range: range.parse(location.search),
  select: "", // this host's matchers
  theme: localStorage.getItem("theme") || "system",
  failing: false,
};
let timer = 0;
let running = null; // AbortController of the refresh in flight

const darkQuery = matchMedia("(prefers-color-scheme: dark)");
function theme() {
  return state.theme === "system" ? (darkQuery.matches ? "dark" : "light") : state.theme;
}

function applyTheme() {
  document.documentElement.dataset.theme = theme();
  $("theme").textContent = {system: "Theme: system", light: "Theme: light", dark: "Theme: dark"}[
    state.theme];
}

// --- charts ---

const charts = panels.map((panel) => new Chart(panel, {onZoom: zoomed, onCursor: moveCursor}));
$("charts").append(...charts.map((c) => c.root));

function moveCursor(seconds) {
  for (const c of charts) c.setCursor(seconds);
}

function zoomed(startMs, endMs, reset) {
  if (reset) setRange(range.parse(before || "?range=5m"));
  else setRange(range.between(startMs, endMs));
}

let before = ""; // the range to go back to from a zoom
function setRange(next) {
  if (state.range.endMs === null || next.endMs === null) before = range.print(state.range);
  state.range = next;
  history.replaceState(null, "", range.print(next));
  showRange();
  refresh();
}

function showRange() {
  for (const b of $("ranges").children) {
    b.setAttribute("aria-pressed", String(Number(b.value) === state.range.seconds));
  }
  $("live").setAttribute("aria-pressed", String(state.range.endMs === null));
  const {start, end} = range.span(state.range, Date.now());
  $("span").textContent = `${formatTime(start * 1000)} to ${formatTime(end * 1000)}`;
}

// --- data ---

async function findHost(signal) {
  if (state.host) return;
  const found = await api.instant("node_uname_info", signal);
  const local = found.find((s) => s.metric.job === "node") || found[0];
  if (!local) return;
  const {job, instance, nodename} = local.metric;
  const quote = (v) => JSON.stringify(v);
  state.host = instance || nodename;
  state.select = `job=${quote(job)},instance=${quote(instance)}`;
  $("host").textContent = state.host;
  document.title = `${state.host} \u2013 tocsin`;
}

async function refreshTiles(signal) {
  const queries = tiles.map((t) => expand(t.query, {window: "5s", select: state.select}));
  const end = Math.floor(Date.now() / 1000);
  const results = await api.batch({start: end, end, step: 1}, queries, signal);
  $("tiles").replaceChildren(...tiles.map((tile, i) => {
    const series = results[i].result?.[0];
    const value = series ? Number(series.values.at(-1)[1]) : null;
    const e = document.createElement("div");
    const title = document.createElement("span");
    const number = document.createElement("b");
    e.className = "tile" + (value > tile.bad ? " bad" : value > tile.warn ? " warn" : "");
    e.dataset.tile = tile.title;
    title.textContent = tile.title;
    number.textContent = format(value, tile.unit);
    e.append(title, number);
    return e;
  }));
}

async function refreshCharts(signal) {
  const span = range.span(state.range, Date.now());
  const scope = {window: range.rateWindow(span.step), select: state.select};
  const queries = panels.flatMap((p) => p.queries.map((q) => expand(q.query, scope)));
  const results = await api.batch(span, queries, signal);
  let next = 0;
  for (const chart of charts) {
    const mine = chart.panel.queries.map((q) => ({q, r: results[next++]}));
    const series = mine.flatMap(({q, r}) => (r.result || [])
      .map((s) => ({name: seriesName(q.name, s.metric), values: s.values})));
    const error = mine.map(({r}) => r.error).find(Boolean);
    chart.update(span, series, error, theme());
  }
}

function showProblem(error) {
  state.failing = Boolean(error);
  $("banner").hidden = !error;
  $("banner").textContent = error ? `${error.message} Trying again\u2026` : "";
  document.body.classList.toggle("stale", Boolean(error));
}

async function refresh() {
  clearTimeout(timer);
  running?.abort();
  const mine = running = new AbortController();
  try {
    await findHost(mine.signal);
    await Promise.all([
      refreshCharts(mine.signal),
      refreshTiles(mine.signal),
      api.alerts(mine.signal).then((list) => showAlerts($("alerts"), list, Date.now())),
    ]);
    showProblem(null);
  } catch (error) {
    if (mine.signal.aborted) return; // a newer refresh has taken over
    showProblem(error);
  }
  showRange();
  schedule();
}

function schedule() {
  clearTimeout(timer);
  if (document.hidden || (state.range.endMs !== null && !state.failing)) return;
  const quick = state.range.seconds <= 900 && !state.failing;
  timer = setTimeout(refresh, quick ? LIVE_MS : SLOW_MS);
}

// --- controls ---

for (const [name, seconds] of range.RANGES) {
  const b = document.createElement("button");
  b.textContent = name;
  b.value = String(seconds);
  b.addEventListener("click", () => setRange({...state.range, seconds}));
  $("ranges").append(b);
}

function toggleLive() {
  setRange({...state.range, endMs: state.range.endMs === null ? Date.now() : null});
}

function nextTheme() {
  state.theme = THEMES[(THEMES.indexOf(state.theme) + 1) % THEMES.length];
  localStorage.setItem("theme", state.theme);
  applyTheme();
  refresh();
}

function toggleTables() {
  const focused = charts.find((c) => c.root.contains(document.activeElement));
  const some = focused ? [focused] : charts;
  const on = !some.every((c) => c.showTable);
  for (const c of some) c.setTable(on);
}

const actions = {
  "[": () => setRange(range.shift(state.range, -0.5, Date.now())),
  "]": () => setRange(range.shift(state.range, 0.5, Date.now())),
  "+": () => setRange(range.zoom(state.range, 0.5, Date.now())),
  "-": () => setRange(range.zoom(state.range, 2, Date.now())),
  "l": toggleLive,
  "r": refresh,
  "t": toggleTables,
  "d": nextTheme,
  "?": () => $("keys").showModal(),
};

$("earlier").addEventListener("click", actions["["]);
$("later").addEventListener("click", actions["]"]);
$("live").addEventListener("click", toggleLive);
$("theme").addEventListener("click", nextTheme);
$("help").addEventListener("click", actions["?"]);
document.addEventListener("keydown", (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open) return;
  const action = actions[e.key];
  if (action) {
    e.preventDefault();
    action();
  }
});
document.addEventListener("visibilitychange", () => document.hidden ? clearTimeout(timer) : refresh());
addEventListener("popstate", () => setRange(range.parse(location.search)));
darkQuery.addEventListener("change", () => {
  applyTheme();
  refresh();
});

applyTheme();
showRange();
refresh();
