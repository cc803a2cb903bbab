// pure.test.mjs -- the page's pure modules under node --test.
import assert from "node:assert/strict";
import test from "node:test";

import {points} from "../../dashboards/api.js";
import {format, duration} from "../../dashboards/format.js";
import * as range from "../../dashboards/range.js";
import {expand, panels, seriesName, tiles} from "../../dashboards/panels.js";

const plain = (s) => s.replaceAll("\u202f", " ");

test("numbers are shown in their unit", () => {
  const rows = [
    [0, "percent", "0 %"], [12.345, "percent", "12.3 %"], [1536, "bytes", "1.50 KiB"],
    [23.3 * 2 ** 30, "bytes", "23.3 GiB"], [999, "rate", "999 B/s"], [1234567, "rate", "1.23 MB/s"],
    [7.87, "number", "7.87"], [2, "number", "2"], [-1500, "number", "-1.50 k"],
    [4980, "seconds", "1 h 23 min"], [0.25, "seconds", "250 ms"],
  ];
  for (const [value, unit, want] of rows) assert.equal(plain(format(value, unit)), want);
  assert.equal(format(null, "bytes"), "\u2014");
  assert.equal(format(NaN, "bytes"), "\u2014");
  assert.equal(format(Infinity, "bytes"), "\u221e");
  assert.equal(plain(duration(90000)), "1 d 1 h");
});

test("a range survives the URL", () => {
  for (const r of [{seconds: 3600, endMs: null}, {seconds: 77, endMs: 1700000000123}]) {
    assert.deepEqual(range.parse(range.print(r)), r);
  }
  for (const bad of ["", "?range=x", "?range=-5", "?range=1e99", "?range=NaN&end=x"]) {
    assert.deepEqual(range.parse(bad), {seconds: 300, endMs: null});
  }
});

test("spans reach up to now and are never too fine", () => {
  for (const [, seconds] of range.RANGES) {
    const {start, end, step} = range.span({seconds, endMs: null}, 1700000123456);
    assert.equal(end % Math.min(step, 5), 0);
    assert.ok(end * 1000 > 1700000123456 - 5000);
    assert.equal((end - start) % step, 0);
    assert.ok((end - start) / step <= 600);
    assert.ok(end * 1000 <= 1700000123456);
  }
});

test("a batch asks for as many points as its span has", () => {
  assert.equal(points({start: 0, end: 600, step: 1}), 601);
  assert.equal(points({start: 5, end: 5, step: 1}), 2);
  assert.equal(points({start: 0, end: 86400, step: 1}), 11000);
});

test("shift and zoom", () => {
  const now = 1700000000000;
  const past = range.shift({seconds: 600, endMs: null}, -0.5, now);
  assert.equal(past.endMs, now - 300000);
  assert.equal(range.shift(past, 1, now).endMs, null); // back at the newest data: live again
  assert.equal(range.zoom({seconds: 600, endMs: null}, 0.5, now).seconds, 300);
  assert.equal(range.zoom({seconds: 10, endMs: null}, 0.5, now).seconds, 10);
  assert.deepEqual(range.between(1000, 61000), {seconds: 60, endMs: 61000});
});

test("queries expand completely", () => {
  for (const q of [...tiles, ...panels.flatMap((p) => p.queries)]) {
    for (const select of ["", 'job="node",instance="a"']) {
      const text = expand(q.query, {window: "5s", select});
      assert.ok(!text.includes("$"), text);
      assert.ok(!text.includes(",}") && !text.includes("{,"), text);
    }
  }
  assert.equal(seriesName("{device} in {none}", {device: "eth0"}), "eth0 in ");
});
