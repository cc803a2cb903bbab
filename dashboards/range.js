// range.js -- which span of time the page shows, and its place in the URL. Pure.

export const RANGES = [
  ["5m", 300], ["15m", 900], ["1h", 3600], ["6h", 21600], ["1d", 86400], ["7d", 604800],
];
const LONGEST_S = 365 * 86400;
const SHORTEST_S = 10;
const POINTS = 600; // a series needs no more than the pixels it is drawn with

/** {seconds, endMs}: endMs null follows the newest data. */
export function parse(search) {
  const p = new URLSearchParams(search);
  const named = RANGES.find(([name]) => name === p.get("range"));
  const seconds = named ? named[1] : Number(p.get("range"));
  const end = Number(p.get("end"));
  return {
    seconds: seconds >= SHORTEST_S && seconds <= LONGEST_S ? seconds : 300,
    endMs: p.get("end") && Number.isFinite(end) && end > 0 ? end : null,
  };
}

export function print({seconds, endMs}) {
  const named = RANGES.find(([, s]) => s === seconds);
  const p = new URLSearchParams({range: named ? named[0] : String(seconds)});
  if (endMs !== null) p.set("end", String(Math.round(endMs)));
  return `?${p}`;
}

/** Start, end and step in whole seconds. Short steps are aligned, so that a live chart does not
 *  shiver; long ones are not, so that the newest data is always in sight. */
export function span({seconds, endMs}, nowMs) {
  const step = Math.max(1, Math.ceil(seconds / POINTS));
  const grain = Math.min(step, 5);
  const end = Math.floor((endMs === null ? nowMs : endMs) / 1000 / grain) * grain;
  return {start: end - Math.floor(seconds / step) * step, end, step};
}

/** The window of rate(): at least a step, so that nothing between two points is missed. */
export function rateWindow(step) {
  return `${Math.max(step, 5)}s`;
}

export function shift(range, parts, nowMs) {
  const end = (range.endMs === null ? nowMs : range.endMs) + parts * range.seconds * 1000;
  return {...range, endMs: end >= nowMs ? null : end};
}

export function zoom(range, factor, nowMs) {
  const seconds = Math.min(LONGEST_S, Math.max(SHORTEST_S, Math.round(range.seconds * factor)));
  if (range.endMs === null) return {...range, seconds};
  const middle = range.endMs - range.seconds * 500;
  return {seconds, endMs: Math.min(nowMs, middle + seconds * 500)};
}

export function between(startMs, endMs) {
  return {seconds: Math.max(SHORTEST_S, Math.round((endMs - startMs) / 1000)), endMs};
}
