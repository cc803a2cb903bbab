// chart.js -- one panel: a dygraph with our own legend, a cursor moved by pointer or keys, and a
// table of the same numbers.

import {format, formatTime} from "./format.js";

// Okabe and Ito's colours tell apart for every kind of colour vision; dashes help beyond them.
const COLORS = {
  light: ["#0072b2", "#d55e00", "#009e73", "#b8487f", "#7a6a00", "#3a3a3a", "#2a7fb8", "#8c4a00"],
  dark: ["#56b4e9", "#ff9d4d", "#2fd0a0", "#e48fbf", "#f0e442", "#d0d0d0", "#8cc8f0", "#d8a46a"],
};
const DASHES = [null, [7, 3], [2, 2], [9, 3, 2, 3]];

function element(tag, properties = {}, ...children) {
  const e = Object.assign(document.createElement(tag), properties);
  e.append(...children);
  return e;
}

/** Rows [seconds, v1, v2, ...] on the common grid of start, end and step; gaps are null. */
export function grid({start, end, step}, series) {
  const rows = [];
  const columns = series.map((s) => new Map(s.values.map(([t, v]) => [t, Number(v)])));
  for (let t = start; t <= end; t += step) {
    rows.push([t, ...columns.map((c) => c.has(t) ? c.get(t) : null)]);
  }
  return rows;
}

export class Chart {
  /** onZoom(startMs, endMs), onCursor(seconds or null) */
  constructor(panel, {onZoom, onCursor}) {
    this.panel = panel;
    this.onZoom = onZoom;
    this.onCursor = onCursor;
    this.names = [];
    this.rows = [];
    this.cursor = null;
    this.showTable = false;
    this.build();
  }

  build() {
    const {panel} = this;
    this.note = element("p", {className: "note", textContent: "Loading\u2026"});
    this.plot = element("div", {className: "plot", tabIndex: 0});
    this.plot.setAttribute("role", "img");
    this.plot.setAttribute("aria-label", panel.title);
    this.legend = element("ul", {className: "legend"});
    this.table = element("div", {className: "table", hidden: true, tabIndex: 0});
    this.said = element("p", {className: "unseen"});
    this.said.setAttribute("aria-live", "polite");
    this.toggle = element("button", {className: "small", textContent: "Table"});
    this.toggle.setAttribute("aria-pressed", "false");
    this.toggle.addEventListener("click", () => this.setTable(!this.showTable));
    this.root = element("figure", {id: `panel-${panel.id}`, className: "panel"},
      element("figcaption", {}, element("h2", {textContent: panel.title}), this.toggle),
      this.note, this.plot, this.legend, this.table, this.said);
    this.plot.addEventListener("keydown", (e) => this.key(e));
    this.plot.addEventListener("blur", () => this.onCursor(null));
  }

  setTable(on) {
    this.showTable = on;
    this.toggle.setAttribute("aria-pressed", String(on));
    this.table.hidden = !on;
    this.plot.hidden = on;
    if (on) this.fillTable();
    else if (this.graph) this.graph.resize();
  }

  key(e) {
    const step = {ArrowLeft: -1, ArrowRight: 1}[e.key];
    if (!step || !this.rows.length) return;
    e.preventDefault();
    const last = this.rows.length - 1;
    const at = this.cursor === null ? last
      : Math.min(last, Math.max(0, this.indexOf(this.cursor) + step * (e.shiftKey ? 10 : 1)));
    this.onCursor(this.rows[at][0]);
    this.said.textContent = `${formatTime(this.rows[at][0] * 1000)}: ` + this.names
      .map((name, i) => `${name} ${format(this.rows[at][i + 1], this.panel.unit)}`).join(", ");
  }

  indexOf(seconds) {
    const first = this.rows[0][0];
    const step = this.rows.length > 1 ? this.rows[1][0] - first : 1;
    return Math.round((seconds - first) / step);
  }

  /** Shows the cursor of whichever chart has it. */
  setCursor(seconds) {
    this.cursor = seconds;
    const at = seconds === null || !this.rows.length ? -1 : this.indexOf(seconds);
    const inside = at >= 0 && at < this.rows.length;
    if (this.graph && !this.plot.hidden) {
      if (inside) this.graph.setSelection(at);
      else this.graph.clearSelection();
    }
    this.fillLegend(inside ? at : this.lastRow());
  }

  lastRow() {
    let at = this.rows.length - 1;
    while (at > 0 && this.rows[at].slice(1).every((v) => v === null)) at--;
    return at;
  }

  fillLegend(at) {
    const row = at >= 0 ? this.rows[at] : null;
    this.values.forEach((e, i) => {
      e.textContent = format(row ? row[i + 1] : null, this.panel.unit);
    });
  }

  makeLegend(colors) {
    this.values = [];
    this.legend.replaceChildren(...this.names.map((name, i) => {
      const swatch = element("span", {className: "swatch"});
      swatch.style.background = colors[i % colors.length];
      const value = element("b");
      this.values.push(value);
      return element("li", {}, swatch, name, " ", value);
    }));
  }

  fillTable() {
    const head = element("tr", {}, ...["Time", ...this.names]
      .map((text) => element("th", {textContent: text, scope: "col"})));
    const body = this.rows.slice(-500).reverse().map((row) => element("tr", {},
      element("th", {textContent: formatTime(row[0] * 1000), scope: "row"}),
      ...row.slice(1).map((v) => element("td", {textContent: format(v, this.panel.unit)}))));
    this.table.replaceChildren(element("table", {},
      element("thead", {}, head), element("tbody", {}, ...body)));
  }

  /** series: [{name, values: [[t, "v"], ...]}]; error: a text that is shown instead. */
  update(span, series, error, theme) {
    this.note.hidden = !error && series.length > 0;
    this.note.className = error ? "note bad" : "note";
    this.note.textContent = error || "No data in this span.";
    const names = series.map((s) => s.name);
    const same = this.graph && this.theme === theme && names.join("\0") === this.names.join("\0");
    this.names = names;
    this.rows = series.length ? grid(span, series) : [];
    this.plot.hidden = this.showTable || !series.length; // before drawing: it measures itself
    if (!series.length) {
      this.drop();
      return;
    }
    if (same) this.redraw(span);
    else this.draw(span, theme);
    this.setCursor(this.cursor);
    if (this.showTable) this.fillTable();
  }

  drop() {
    if (this.graph) this.graph.destroy();
    this.graph = null;
    this.legend.replaceChildren();
    this.values = [];
    this.table.replaceChildren();
    this.plot.replaceChildren();
  }

  dated() {
    return this.rows.map((row) => [new Date(row[0] * 1000), ...row.slice(1)]);
  }

  redraw({start, end}) {
    this.graph.updateOptions({file: this.dated(), dateWindow: [start * 1000, end * 1000]});
  }

  draw({start, end}, theme) {
    const colors = COLORS[theme];
    const {panel} = this;
    const style = getComputedStyle(document.documentElement);
    if (this.graph) this.graph.destroy();
    this.theme = theme;
    this.makeLegend(colors);
    const series = {};
    this.names.forEach((name, i) => {
      series[name] = {strokePattern: DASHES[Math.floor(i / colors.length) % DASHES.length]};
    });
    this.graph = new window.Dygraph(this.plot, this.dated(), {
      labels: ["Time", ...this.names],
      series,
      colors: this.names.map((_, i) => colors[i % colors.length]),
      stackedGraph: Boolean(panel.stacked),
      fillGraph: Boolean(panel.stacked),
      fillAlpha: 0.35,
      strokeWidth: 1.4,
      legend: "never",
      dateWindow: [start * 1000, end * 1000],
      valueRange: [0, panel.max ? panel.max * 1.02 : null],
      includeZero: true,
      axisLineColor: style.getPropertyValue("--line"),
      gridLineColor: style.getPropertyValue("--grid"),
      axisLabelWidth: 64,
      labelsKMG2: panel.unit === "bytes", // ticks at powers of 1024
      animatedZooms: false,
      highlightCircleSize: 3,
      axes: {y: {axisLabelFormatter: (v) => format(v, panel.unit)}},
      highlightCallback: (e, x) => this.onCursor(Math.round(x / 1000)),
      unhighlightCallback: () => this.onCursor(null),
      zoomCallback: (min, max) => this.zoomed(min, max),
    });
  }

  zoomed(min, max) {
    this.onZoom(min, max, !this.graph.isZoomed("x"));
  }
}
