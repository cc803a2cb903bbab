#!/usr/bin/env python3
"""kill -9 at random moments while four clients write: what was answered 204 is there, exactly once.

Each client writes Influx lines to series of its own, each (series, millisecond) once, its value a
function of both; requests are of 1 to 300 lines, some with time running backwards. Slices of the
head are flushed all the time (one turn a second), so that kills hit packing, log truncation and
replay; some lives end during start. After each restart everything of that life is read back, at the
end everything at all: each acknowledged sample once with its value, and nothing that was never sent.
Usage: kill_loop.py [CYCLES] [SEED]; prints figures.
"""
import collections
import http.client
import itertools
import os
import random
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../e2e"))
from daemon import QUIET, SLOW, Daemon, check, equal, wait_until  # noqa: E402

CLIENTS, SERIES = 4, 25
CONFIG = QUIET + "storage: {flush_interval: 1s, min_free: 0%}\n"


def value_of(series, t_ms):
    """Any function whose results are doubles that print and read back the same."""
    return (t_ms % 100003) * 7 + series


class Client(threading.Thread):
    """Writes until the daemon is gone. acked and tried: {series: {ms}}."""

    def __init__(self, d, number, clock, rng):
        super().__init__(daemon=True)
        self.d, self.number, self.clock, self.rng = d, number, clock, rng
        self.acked = collections.defaultdict(set)
        self.tried = collections.defaultdict(set)
        self.strange = []  # answers other than 204
        self.requests = 0

    def batch(self):
        """Lines and their (series, ms), no pair ever sent before."""
        pairs = []
        for _ in range(self.rng.choice((1, 10, 300))):
            series = self.rng.randrange(SERIES)
            pairs.append((series, next(self.clock)))
        if self.rng.random() < 0.1:
            pairs.reverse()  # out of order within the request
        lines = ["crash,c=%d,s=%d v=%d %d" % (self.number, s, value_of(s, t), t) for s, t in pairs]
        return "\n".join(lines).encode(), pairs

    def run(self):
        conn = self.d.connection()
        try:
            while True:
                body, pairs = self.batch()
                for s, t in pairs:
                    self.tried[s].add(t)
                conn.request("POST", "/write?precision=ms", body)
                answer = conn.getresponse()
                text = answer.read()
                if answer.status != 204:
                    self.strange.append((answer.status, text))
                    return
                self.requests += 1
                for s, t in pairs:
                    self.acked[s].add(t)
        except (OSError, http.client.HTTPException):
            pass  # the daemon was killed
        finally:
            conn.close()


def read_back(d, from_ms, to_ms):
    """{(client, series): {ms: value}} of [from_ms, to_ms]; fails on a time that comes twice."""
    out = {}
    for client in range(CLIENTS):
        span = "%dms" % (to_ms - from_ms + 1)
        for r in d.query('crash_v{c="%d"}[%s]' % (client, span), time="%.3f" % (to_ms / 1000)):
            values = [(round(t * 1000), float(v)) for t, v in r["values"]]
            times = dict(values)
            equal(len(times), len(values))
            out[client, int(r["metric"]["s"])] = times
    return out


def verify(d, clients, from_ms, to_ms):
    """Returns the number of acknowledged samples, all found."""
    got = read_back(d, from_ms, to_ms)
    checked = 0
    tried = collections.defaultdict(set)
    for c in clients:
        for s, times in c.acked.items():
            there = got.get((c.number, s), {})
            missing = times - there.keys()
            check(not missing, "missing", c.number, s, len(missing), sorted(missing)[:5])
            checked += len(times)
        for s, times in c.tried.items():
            tried[c.number, s] |= times
    for (number, s), there in got.items():
        invented = there.keys() - tried[number, s]
        check(not invented, "invented", number, s, sorted(invented)[:5])
        wrong = [(t, v) for t, v in there.items() if v != value_of(s, t)]
        check(not wrong, "wrong", number, s, wrong[:5])
    return checked


def start_and_kill(d, rng):
    """A start that is killed before it is through, as long as it takes."""
    with open(d.log, "a") as log:
        p = subprocess.Popen(d.command(), stdout=subprocess.DEVNULL, stderr=log, cwd=d.dir)
    time.sleep(rng.uniform(0.001, 0.08) * SLOW)
    p.kill()
    p.wait()


def life(d, first_ms, rng):
    clients = [Client(d, i, itertools.count(first_ms), random.Random(rng.random()))
               for i in range(CLIENTS)]
    for c in clients:
        c.start()
    time.sleep(rng.uniform(0.05, 1.5) * (2 if SLOW > 1 else 1))
    d.kill()
    for c in clients:
        c.join(30 * SLOW)
        check(not c.is_alive())
        equal(c.strange, [])
    return clients


def last_ms(clients):
    return max(t for c in clients for times in c.tried.values() for t in times)


def run(cycles, seed):
    rng = random.Random(seed)
    began_ms = int(time.time() * 1000) - 3600 * 1000
    ready, everyone, samples, first_ms = [], [], 0, began_ms
    with Daemon(CONFIG) as d:
        for _ in range(cycles):
            clients = life(d, first_ms, rng)
            everyone += clients
            if rng.random() < 0.3:
                start_and_kill(d, rng)
            began = time.monotonic()
            d.start()
            ready.append(time.monotonic() - began)
            samples += verify(d, clients, first_ms, last_ms(clients))
            first_ms = last_ms(clients) + 1
        equal(verify(d, everyone, began_ms, first_ms), samples)
        # once more from the files alone: a clean stop, then a start
        d.stop()
        d.start()
        equal(verify(d, everyone, began_ms, first_ms), samples)
        wait_until(lambda: d.own("tocsin_tsdb_damaged") == 0, 5)
        flushes = d.own("tocsin_tsdb_flushes_total")
    requests = sum(c.requests for c in everyone)
    ready.sort()
    print("ok %d kills, seed %d: %d samples of %d requests acknowledged, all there once; "
          "ready after %.3f s (median), %.3f s (worst); %d slices flushed in the last life"
          % (cycles, seed, samples, requests, ready[len(ready) // 2], ready[-1], flushes))
    return ready


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 50,
        int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32))
