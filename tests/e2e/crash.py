#!/usr/bin/env python3
"""kill -9 at random moments under four writers: what was answered 204 is there afterwards, once.

CYCLES=N changes the number of kills, SEED=N repeats a run.
"""
import os
import random
import threading
import time

from daemon import SLOW, Daemon, check, main

CYCLES = int(os.environ.get("CYCLES", "50" if SLOW == 1 else "12"))
SEED = int(os.environ.get("SEED", "0")) or random.randrange(1 << 30)
WRITERS, LINES = 4, 5


class Writer(threading.Thread):
    """Writes distinct (series, millisecond) lines until stopped; remembers what was acknowledged."""

    def __init__(self, daemon, number, base_ms):
        super().__init__(daemon=True)
        self.daemon_under_test, self.number, self.next_ms = daemon, number, base_ms
        self.sent, self.acknowledged, self.on = {}, set(), True

    def batch(self):
        times = range(self.next_ms, self.next_ms + LINES)
        self.next_ms += LINES
        for t in times:
            self.sent[t] = t % 1000003
        return times, "\n".join("crash,writer=%d value=%d %d" % (self.number, self.sent[t], t) for t in times)

    def run(self):
        conn = None
        while self.on:
            times, lines = self.batch()
            try:
                conn = conn or self.daemon_under_test.connection()
                a = self.daemon_under_test.request("POST", "/write?precision=ms", lines.encode(), conn=conn)
                if a.status == 204:
                    self.acknowledged.update(times)
                else:
                    check(a.status == 503, a)
            except OSError:
                conn = None
                time.sleep(0.002)
            except Exception:  # http.client's own, for an answer cut short
                conn = None


def test_acknowledged_lines_are_there_once():
    print("seed %d, %d cycles" % (SEED, CYCLES))
    rng = random.Random(SEED)
    with Daemon() as d:
        base_ms = int(time.time() * 1000) - 1000000
        writers = [Writer(d, n, base_ms) for n in range(WRITERS)]
        for w in writers:
            w.start()
        slowest = 0
        for _ in range(CYCLES):
            time.sleep(rng.random() * 0.12 * SLOW)
            d.kill()
            began = time.monotonic()
            d.start()
            slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.1)
        for w in writers:
            w.on = False
        for w in writers:
            w.join(20 * SLOW)
        check(slowest < 10 * SLOW, slowest)
        for w in writers:
            result = d.query('crash{writer="%d"}[30m]' % w.number, time=base_ms / 1000 + 1700)
            stored = {}
            for t, v in result[0]["values"]:
                t = round(t * 1000)
                check(t not in stored, "twice", t)
                stored[t] = int(v)
            missing = [t for t in w.acknowledged if t not in stored]
            check(not missing, len(missing), "of", len(w.acknowledged), missing[:5])
            wrong = [t for t, v in stored.items() if w.sent.get(t) != v]
            check(not wrong, wrong[:5])
            check(len(w.acknowledged) > CYCLES, len(w.acknowledged))
        print("%d lines acknowledged, slowest start %.2f s" % (sum(len(w.acknowledged) for w in writers), slowest))


if __name__ == "__main__":
    main(globals())
