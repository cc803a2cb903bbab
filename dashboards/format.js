// format.js -- numbers for people: one function a unit. Pure.

const SI = ["", "k", "M", "G", "T", "P"];
const IEC = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];

function scaled(value, base, prefixes, suffix) {
  let step = 0;
  let v = Math.abs(value);
  while (v >= base && step < prefixes.length - 1) {
    v /= base;
    step++;
  }
  const digits = v >= 100 || Number.isInteger(v) ? 0 : v >= 10 ? 1 : 2;
  const unit = prefixes[step] + suffix;
  return `${value < 0 ? "-" : ""}${v.toFixed(digits)}${unit && "\u202f"}${unit}`;
}

function duration(seconds) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  if (seconds < 1) return `${Math.round(seconds * 1000)}\u202fms`;
  const first = parts.findIndex(([, size]) => seconds >= size);
  const [unit, size] = parts[first];
  const whole = Math.floor(seconds / size);
  const next = parts[first + 1];
  const rest = next ? Math.floor((seconds - whole * size) / next[1]) : 0;
  return rest ? `${whole}\u202f${unit} ${rest}\u202f${next[0]}` : `${whole}\u202f${unit}`;
}

const units = {
  percent: (v) => `${v.toFixed(v >= 99.95 || v === 0 ? 0 : v < 10 ? 2 : 1)}\u202f%`,
  bytes: (v) => scaled(v, 1024, IEC, "B"),
  rate: (v) => scaled(v, 1000, SI, "B/s"),
  number: (v) => scaled(v, 1000, SI, ""),
  seconds: duration,
};

/** A value in its unit; an em dash for what is absent. */
export function format(value, unit) {
  if (value === null || value === undefined || Number.isNaN(value)) return "\u2014";
  if (!Number.isFinite(value)) return value > 0 ? "\u221e" : "-\u221e";
  return (units[unit] || units.number)(value);
}

/** "2026-01-02 03:04:05" in the browser's time zone. */
export function formatTime(ms) {
  const d = new Date(ms);
  const two = (n) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ` +
    `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

export {duration};
