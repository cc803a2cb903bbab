#!/usr/bin/env python3
"""Queries made to hurt: each ends within a second of its limit with an error that names what it hit,
also a hundred at once, while samples keep coming in and memory is given back afterwards.

Figures are printed; what is asserted are bounds tied to the limits that the configuration sets.
"""
import http.client
import json
import os
import subprocess
import sys
import threading
import time
import urllib.parse

from daemon import SLOW, Daemon, check, equal, main

TIMEOUT = 2
SERIES = 60000 if SLOW == 1 else 6000
CONFIG = """
collectors: {enabled: false}
rules: {builtin: [], files: [rules.yaml]}
limits:
  series_per_metric: 1000000
  query: {timeout: %ds, samples: 3000000, series: %d, memory: 32MiB, concurrency: 4, queue: 8}
""" % (TIMEOUT, SERIES * 2 // 3)
RULES = """
groups:
  - name: bombs
    interval: 1s
    rules: [{record: bombs:rule, expr: count(steady) * 2}]
"""
WRITES_A_SECOND, WRITE_LINES = 20, 100


def nest(before, inner, after, times):
    return before * times + inner + after * times


def half(name):
    """A third of the series, which is within the budget of series."""
    return '%s{part="0"}' % name


# name, query, what one of the errors must say
BOMBS = [
    ("every series", 'count({__name__=~".+"})', ["limits.query.series = %d" % (SERIES * 2 // 3)]),
    ("three subqueries deep",
     "deriv(stddev_over_time(deriv(vector(time())[1h:1s])[1d:1s])[1d:1s])",
     ["limits.query.timeout = 2s", "limits.query.memory = 32MiB"]),
    ("a subquery of a century", "max_over_time(vector(1)[100y:1ms])", ["limits.query.memory"]),
    ("a subquery over many series", "deriv(rate(%s[5m:1s])[1h:1s])" % half("bomb"), None),
    ("a regular expression that backtracks", 'bomb{host=~"((([a-z0-9_]+)*)*)*[xyz]"}',
     ["regular expression takes too many steps", "limits.query.timeout"]),
    ("a regular expression too large", 'bomb{host=~"((a{1,100}){1,100}){1,100}"}',
     ["regexp", "expression too large", "repeat"]),
    ("label_join that doubles",
     nest("label_join(", 'bomb{host="host_1"}', ', "a", "-", "a", "a", "host")', 40),
     ["label_join() made too long a value", "limits.query.memory"]),
    ("label_replace that grows",
     nest("label_replace(", half("bomb"), ', "a", "$1$1$1$1$1$1$1$1", "a", "(.*)")', 100)
     .replace('"a", "(.*)"', '"host", "(.*)"', 1), ["limits.query.", "too long a value"]),
    ("topk of everything", "topk(1e18, %s)" % half("bomb"), None),
    ("topk beyond integers", "topk(1e19, %s)" % half("bomb"), ["overflows int64"]),
    ("a flood of quantiles",
     " + ".join("quantile(0.%d, %s)" % (i, half("bomb")) for i in range(100, 200)), None),
    ("count_values of everything", 'last_over_time(count_values("v", vector(time()))[2h:1ms])',
     ["limits.query.memory", "limits.query.timeout"]),
    ("a join of everything with everything",
     "%s * ignoring (host, part) group_left () %s" % (half("bomb"), half("bomb")),
     ["many-to-many", "limits.query."]),
    ("parentheses", nest("(", "1", ")", 100000), ["deep"]),
    ("a mebibyte of sums", "1-" * 524000 + "1", ["deep"]),
    ("more than a mebibyte", "1-" * 600000 + "1", ["MiB", "long", "big", "large"]),
    ("two hundred or", " or ".join([half("bomb")] * 200), ["limits.query."]),
    ("fifty thousand patterns", "bomb{%s}" % ",".join(['a=~"x."'] * 50000), ["more than 1000"]),
    ("sorted", "sort_desc(%s)" % half("bomb"), None),
]


def ask(d, path, **params):
    """Status, error text and seconds of a request whose parameters go as a form."""
    conn = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30 * SLOW)
    began = time.monotonic()
    conn.request("POST", path, urllib.parse.urlencode(params, doseq=True),
                 {"Content-Type": "application/x-www-form-urlencoded"})
    r = conn.getresponse()
    body = r.read()
    took = time.monotonic() - began
    conn.close()
    if r.status == 200:
        return 200, "", took, len(body)
    return r.status, json.loads(body)["error"], took, len(body)


def rss_mib(d):
    with open("/proc/%d/status" % d.process.pid) as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS")) / 1024


def load(d):
    now = int(time.time())
    for first in range(0, SERIES, 5000):
        lines = "\n".join("bomb,host=host_%d,part=%d value=%d %d000000000"
                          % (i, i % 3, i * 7919 % 10007, now)
                          for i in range(first, min(first + 5000, SERIES)))
        equal(d.write(lines).status, 204)
    return now


def writer(port, seconds):
    """Its own process: so many writes a second, and how many were answered in time."""
    conn = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    began, n, worst = time.monotonic(), 0, 0
    while time.monotonic() - began < seconds:
        at = time.monotonic()
        body = "\n".join("steady,s=%d value=%d" % (i, n) for i in range(WRITE_LINES))
        conn.request("POST", "/write", body.encode())
        r = conn.getresponse()
        r.read()
        equal(r.status, 204)
        n += 1
        worst = max(worst, time.monotonic() - at)
        time.sleep(max(0, began + n / WRITES_A_SECOND - time.monotonic()))
    print(json.dumps({"writes": n, "seconds": time.monotonic() - began, "worst": worst}))


class Steady:
    """A writer beside the bombs."""

    def __init__(self, d, seconds):
        self.process = subprocess.Popen([sys.executable, os.path.abspath(__file__), "--writer",
                                         str(d.port), str(seconds)],
                                        stdout=subprocess.PIPE, text=True)

    def finish(self, what):
        out = json.loads(self.process.communicate(timeout=60 * SLOW)[0])
        rate = out["writes"] / out["seconds"]
        print("   writes beside %s: %.1f a second of %d, worst answer %.0f ms"
              % (what, rate, WRITES_A_SECOND, 1000 * out["worst"]))
        check(SLOW > 1 or rate > 0.9 * WRITES_A_SECOND, what, out)


def drop_bombs(d):
    """One after the other; returns the worst time over the limit."""
    worst = 0
    for name, query, errors in BOMBS:
        status, error, took, size = ask(d, "/api/v1/query", query=query)
        print("   %-40s %d %.2f s %s" % (name, status, took, error[:110]), flush=True)
        worst = max(worst, took - TIMEOUT)
        check(took < TIMEOUT + SLOW, name, took)
        if errors:
            check(status in (400, 413, 422, 503) and any(e in error for e in errors), name, status, error)
    return worst


def test_bombs_end_at_their_limits():
    d = Daemon(CONFIG, start=False)
    with d:
        with open(os.path.join(d.dir, "rules.yaml"), "w") as f:
            f.write(RULES)
        d.start()
        now = load(d)
        before = rss_mib(d)
        steady = Steady(d, 14)
        worst = drop_bombs(d)
        ends_of_time(d, now)
        lookups(d)
        steady.finish("the bombs")
        print("   worst time beyond the limit: %.2f s" % worst)
        hundred_at_once(d)
        time.sleep(1)
        after = rss_mib(d)
        print("   memory: %.0f MiB before, %.0f MiB after" % (before, after))
        check(SLOW > 1 or after < before + 64, before, after)
        check(d.value("bombs:rule") == 2 * WRITE_LINES, "the rule's series is not there")
        equal(d.own("tocsin_rules_missed_slots_total") or 0 if SLOW == 1 else 0, 0)


def ends_of_time(d, now):
    """Range queries that are long, fine, or whose answer is large."""
    for name, params, errors in [
            ("all time in seconds", dict(query="bomb", start=0, end=now, step=1), ["11,000"]),
            ("a large answer", dict(query=half("bomb"), start=now - 200, end=now + 250, step=0.05),
             ["limits.query."]),
            ("rates of everything", dict(query="rate(bomb[1h])", start=now - 60, end=now, step=1),
             ["limits.query."])]:
        status, error, took, size = ask(d, "/api/v1/query_range", **params)
        print("   %-40s %d %.2f s %s" % (name, status, took, error[:110]), flush=True)
        check(took < TIMEOUT + SLOW, name, took)
        check(status in (400, 413, 422, 503) and any(e in error for e in errors), name, status, error)


def lookups(d):
    """Label names, values and series under a pattern that costs much, and of everything."""
    hostile = 'bomb{host=~"((([a-z0-9_]+)*)*)*[xyz]"}'
    for path, match in [("/api/v1/series", hostile), ("/api/v1/series", '{__name__=~".+"}'),
                        ("/api/v1/labels", hostile)]:
        status, error, took, size = ask(d, path, **{"match[]": match})
        print("   %-40s %d %.2f s %s" % (path, status, took, error[:110] or size), flush=True)
        check(took < TIMEOUT + SLOW, path, took)
        check(status == 200 or "limits.query." in error or "steps" in error, path, status, error)
    a = d.get("/api/v1/label/host/values", **{"match[]": hostile})
    check(a.status in (200, 422, 503), a)


def hundred_at_once(d):
    """Most are refused at once, by name; the others end at their limit; writes go on."""
    answers = []
    bombs = [q for _, q, _ in BOMBS if len(q) < 100000]
    threads = [threading.Thread(target=lambda i=i: answers.append(
        ask(d, "/api/v1/query", query=bombs[i % len(bombs)]))) for i in range(100)]
    steady = Steady(d, 5)
    time.sleep(0.3)
    began = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join(60 * SLOW)
    took = time.monotonic() - began
    equal(len(answers), 100)
    refused = [a for a in answers if "limits.query.concurrency = 4" in a[1]]
    print("   a hundred at once: all done after %.2f s, %d refused, slowest %.2f s"
          % (took, len(refused), max(a[2] for a in answers)))
    check(max(a[2] for a in answers) < TIMEOUT + 2 * SLOW, answers)
    check(refused and all(a[0] == 503 for a in refused))
    steady.finish("a hundred at once")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--writer"]:
        writer(int(sys.argv[2]), float(sys.argv[3]))
    else:
        main(globals())
