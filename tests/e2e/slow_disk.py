#!/usr/bin/env python3
"""Every sync of the disk takes 200 ms: no collection slot is missed, no query or alert waits for it.

Fifteen seconds of a daemon that collects this host each second while four writers push as fast as
they are answered, slices are flushed all the time, and a rule is evaluated each second. Writers do
wait, which is what durability is; whoever reads does not.
"""
import os
import subprocess
import tempfile
import threading
import time

from daemon import ROOT, SLOW, Daemon, check, equal, main, wait_until

SECONDS = 15
CONFIG = """
storage: {flush_interval: 1s}
rules: {builtin: [], files: [rules.yaml]}
"""
RULES = """
groups:
  - name: slow
    interval: 1s
    rules: [{record: slow:load, expr: node_load1 * 2}]
"""


class Writer(threading.Thread):
    def __init__(self, d, number):
        super().__init__(daemon=True)
        self.d, self.number, self.on, self.strange = d, number, True, []
        self.took = []

    def run(self):
        conn = self.d.connection()
        n = 0
        while self.on:
            n += 1
            body = "\n".join("slow,w=%d,s=%d v=%d" % (self.number, s, n) for s in range(50))
            began = time.monotonic()
            a = self.d.request("POST", "/write", body.encode(), conn=conn)
            self.took.append(time.monotonic() - began)
            if a.status != 204:
                self.strange.append(a)
        conn.close()


def slow_daemon(folder):
    """A daemon whose syncs take 200 ms; the shim must come after a sanitizer's runtime."""
    shim = os.path.join(folder, "slow_fsync.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", shim,
                    os.path.join(ROOT, "tests/crash/slow_fsync.c")], check=True, timeout=60)
    d = Daemon(CONFIG, start=False)
    with open(os.path.join(d.dir, "rules.yaml"), "w") as f:
        f.write(RULES)
    os.environ.update(LD_PRELOAD=shim, SLOW_FSYNC_MS="200")
    if SLOW > 1:
        os.environ["ASAN_OPTIONS"] = "verify_asan_link_order=0:" + os.environ.get("ASAN_OPTIONS", "")
    try:
        d.start()
    finally:
        del os.environ["LD_PRELOAD"]
    return d


def ask(d, until):
    """Queries of three kinds, one after the other; returns how long each took."""
    conn, took = d.connection(), []
    now = int(time.time())
    kinds = [("/api/v1/query", {"query": "sum by (mode) (rate(node_cpu_seconds_total[10s]))"}),
             ("/api/v1/query_range", {"query": "slow_v", "start": now, "end": now + 60, "step": 5}),
             ("/api/v1/query", {"query": "count(slow_v)"}), ("/api/v1/series", {"match[]": "slow_v"})]
    while time.monotonic() < until:
        for path, params in kinds:
            began = time.monotonic()
            equal(d.request("GET", path, params=params, conn=conn).status, 200)
            took.append(time.monotonic() - began)
        time.sleep(0.02)
    conn.close()
    return sorted(took)


def gaps(d, metric, since, until):
    """Distances of more than one slot between samples of every series of a metric."""
    out = []
    span = "%dms" % ((until - since) * 1000)
    for r in d.query("%s[%s]" % (metric, span), time="%.3f" % until):
        times = [round(t * 1000) for t, _ in r["values"]]
        out += [b - a for a, b in zip(times, times[1:]) if b - a > 1000]
    return out


def test_a_slow_disk_delays_writers_only():
    with tempfile.TemporaryDirectory() as folder, slow_daemon(folder) as d:
        wait_until(lambda: d.value("node_load1") is not None and d.value("slow:load") is not None, 10)
        since = time.time()
        before = {k: d.own(k) for k in ("tocsin_collector_slots_skipped_total",
                                        "tocsin_collector_slots_lost_total",
                                        "tocsin_rules_missed_slots_total",
                                        "tocsin_tsdb_flushes_total")}
        writers = [Writer(d, i) for i in range(4)]
        for w in writers:
            w.start()
        took = ask(d, time.monotonic() + SECONDS)
        until = time.time()
        for w in writers:
            w.on = False
        for w in writers:
            w.join(20 * SLOW)
            equal(w.strange, [])
        pushed = sorted(t for w in writers for t in w.took)
        check(pushed[0] > 0.19, "syncs are not slow", pushed[0])
        check(d.own("tocsin_tsdb_flushes_total") > before["tocsin_tsdb_flushes_total"])
        median, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
        print("%d queries: median %.1f ms, p99 %.1f ms, worst %.1f ms; %d writes, median %.0f ms"
              % (len(took), 1000 * median, 1000 * p99, 1000 * took[-1], len(pushed),
                 1000 * pushed[len(pushed) // 2]))
        check(p99 < 0.2 * SLOW, p99)
        if SLOW > 1:
            return  # a sanitizer may be late by itself
        for name in ("tocsin_collector_slots_skipped_total", "tocsin_collector_slots_lost_total",
                     "tocsin_rules_missed_slots_total"):
            equal((name, d.own(name)), (name, before[name]))
        for metric in ("node_load1", "node_memory_MemFree_bytes", "slow:load"):
            equal((metric, gaps(d, metric, since, until)), (metric, []))
            check(d.value("count_over_time(%s[%ds])" % (metric, SECONDS), time=until) >= SECONDS - 1)


if __name__ == "__main__":
    main(globals())
