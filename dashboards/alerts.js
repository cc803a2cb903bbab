// alerts.js -- the list of active alerts.

import {format, duration} from "./format.js";

function text(tag, className, content) {
  const e = document.createElement(tag);
  e.className = className;
  e.textContent = content;
  return e;
}

const ORDER = {firing: 0, pending: 1};

function row(alert, nowMs) {
  const e = text("li", `alert ${alert.state}`, "");
  const {alertname, severity, ...rest} = alert.labels;
  const since = Math.max(0, (nowMs - Date.parse(alert.activeAt)) / 1000);
  const labels = Object.entries(rest).map(([k, v]) => `${k}=${v}`).join("  ");
  e.append(
    text("span", "state", alert.state),
    text("b", "", alertname || "(no name)"),
    text("span", "severity", severity || ""),
    text("span", "summary", alert.annotations.summary || alert.annotations.description || ""),
    text("span", "quiet", labels),
    text("span", "quiet", `for ${duration(since)}, value ${format(Number(alert.value))}`));
  return e;
}

/** Fills root with the alerts, firing ones first. */
export function showAlerts(root, alerts, nowMs) {
  const sorted = [...alerts].sort((a, b) => (ORDER[a.state] ?? 2) - (ORDER[b.state] ?? 2) ||
    (a.labels.alertname || "").localeCompare(b.labels.alertname || ""));
  const firing = alerts.filter((a) => a.state === "firing").length;
  const head = text("h2", "", alerts.length ? `Active alerts: ${firing} firing, ` +
    `${alerts.length - firing} pending` : "No active alerts");
  const list = document.createElement("ul");
  list.append(...sorted.map((a) => row(a, nowMs)));
  root.replaceChildren(head, list);
  root.className = firing ? "has-firing" : alerts.length ? "has-pending" : "";
}
