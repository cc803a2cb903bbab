#!/usr/bin/env python3
"""tocsin labels, series and cardinality, and check rules --live: against the daemon, and against a
server that says what the test wants."""
import csv
import io
import json
import os
import time

from daemon import Daemon, check, equal, main, tocsin
from fake_api import FakeApi, success
from terminal import on_terminal

TSDB = {"headStats": {"numSeries": 600, "numLabelPairs": 40, "chunkCount": 1, "minTime": 0, "maxTime": 1},
        "seriesCountByMetricName": [{"name": "m%d" % i, "value": 300 - i} for i in range(20)],
        "labelValueCountByLabelName": [{"name": "__name__", "value": 20}],
        "memoryInBytesByLabelName": [{"name": "__name__", "value": 2000}],
        "seriesCountByLabelValuePair": [{"name": "job=node", "value": 150}]}


def stocked():
    """A daemon with 6 series: 2 hosts, 3 metrics; the last samples are a minute old."""
    d = Daemon()
    now = int(time.time()) - 60
    d.write("\n".join("node,job=node,instance=h%d,zone=z%d load1=1,boot_seconds=2,cpu_total=%d %d" % (h, h, i, now - 60 + i)
                      for h in (1, 2) for i in range(60)), precision="s")
    return d


# --- labels, series ---


def test_labels_and_values():
    with stocked() as d:
        url, ours = "--url=" + d.url(), ("--match", '{zone!=""}')  # not the daemon's own
        equal(tocsin("labels", url, *ours).stdout.split(), ["__name__", "instance", "job", "zone"])
        check({"__name__", "zone"} <= set(tocsin("labels", url).stdout.split()))
        equal(tocsin("labels", "zone", url).stdout, "z1\nz2\n")
        equal(tocsin("labels", "instance", url, "--match", 'node_load1{zone="z2"}').stdout, "h2\n")
        equal(tocsin("labels", "zone", url, "--limit", "1").stdout, "z1\n")
        equal(tocsin("labels", "zone", url, "--start", "1000", "--end", "2000").stdout, "")
        equal(json.loads(tocsin("labels", "zone", url, "-o", "json").stdout), ["z1", "z2"])
        equal(json.loads(tocsin("labels", "nothing", url, "-o", "json").stdout), [])
        equal(tocsin("labels", "zone", url, "-o", "csv").stdout, "value\nz1\nz2\n")
        equal(tocsin("labels", url, "-o", "csv", "--limit", "1", "-q").stdout, "label\n__name__\n")
        code, shown, _ = on_terminal("labels", "zone", url)
        equal((code, shown), (0, "value\nz1\nz2\n"))
        equal(tocsin("labels", url, "--match", "{").returncode, 1)


def test_odd_names_are_escaped():
    with FakeApi({"/api/v1/label/U__a_2e_b__c_20ac_/values": lambda form: success(["x"])}) as api:
        run = tocsin("labels", "a.b_c\u20ac", "--url", api.url)
        equal((run.returncode, run.stdout), (0, "x\n"))


def test_series():
    with stocked() as d:
        url = "--url=" + d.url()
        run = tocsin("series", 'node_load1{zone="z1"}', "node_boot_seconds", url)
        equal((run.returncode, run.stderr), (0, ""))
        equal(sorted(run.stdout.splitlines()), [
            'node_boot_seconds{instance="h1",job="node",zone="z1"}', 'node_boot_seconds{instance="h2",job="node",zone="z2"}',
            'node_load1{instance="h1",job="node",zone="z1"}'])
        found = json.loads(tocsin("series", "node_load1", url, "-o", "json", "--since", "1h").stdout)
        equal([s["zone"] for s in found], ["z1", "z2"])
        rows = list(csv.reader(io.StringIO(tocsin("series", "node_load1", url, "-o", "csv", "--limit", "1").stdout)))
        equal(rows, [["series"], ['node_load1{instance="h1",job="node",zone="z1"}']])
        run = tocsin("series", "node_load1{", url)
        equal((run.returncode, run.stdout), (1, ""))
        equal(tocsin("series", "up", "--url", "http://127.0.0.1:1").returncode, 4)


def test_a_hundred_thousand_series_stream():
    def many(form):
        yield b'{"status":"success","data":['
        for i in range(100):
            yield b",".join(b'{"__name__":"m","i":"%d"}' % k for k in range(1000 * i, 1000 * i + 1000)) + b"," * (i < 99)
        yield b"]}"
    with FakeApi({"/api/v1/series": lambda form: (200, many(form))}) as api:
        run = tocsin("series", "m", "--url", api.url)
        equal((run.returncode, run.stdout.count("\n")), (0, 100000))
        run = tocsin("series", "m", "--url", api.url, "--limit", "3")
        equal((run.stdout.count("\n"), run.stderr), (3, "note: 3 of 100000 shown\n"))
        run = tocsin("cardinality", "m", "--url", api.url, "--by", "label", "-o", "csv")
        equal(run.stdout, "by,name,count\nall,series,100000\nlabel,i,100000\nlabel,__name__,1\n")


# --- cardinality ---


def test_cardinality_from_the_server_s_count():
    with FakeApi({"/api/v1/status/tsdb": lambda form: success(TSDB)}) as api:
        run = tocsin("cardinality", "--url", api.url)
        equal(api.requests[-1].form, {"limit": ["10"]})
        lines = run.stdout.splitlines()
        equal((lines[0], lines[1], len(lines)), ("all\tseries\t600", "metric\tm0\t300", 13))
        equal(lines[-2:], ["label\t__name__\t20", "pair\tjob=node\t150"])
        run = tocsin("cardinality", "--url", api.url, "--by", "metric", "--limit", "2", "-o", "csv")
        equal(run.stdout, "by,name,count\nall,series,600\nmetric,m0,300\nmetric,m1,299\n")
        data = json.loads(tocsin("cardinality", "--url", api.url, "-o", "json", "--by", "pair").stdout)
        equal(data, {"numSeries": 600, "seriesCountByLabelValuePair": [{"name": "job=node", "value": 150}]})
        _, shown, _ = on_terminal("cardinality", "--url", api.url)
        equal(shown.splitlines()[0].split(), ["by", "name", "count", "share"])
        check("50.0%" in shown and "25.0%" in shown, shown)
    routes = {"/api/v1/status/tsdb": lambda form: success({"headStats": {"numSeries": 5}}),
              "/api/v1/series": lambda form: success([{"__name__": "m"}])}
    with FakeApi(routes) as api:
        run = tocsin("cardinality", "--url", api.url)
        equal(run.stdout, "all\tseries\t1\nmetric\tm\t1\nlabel\t__name__\t1\npair\t__name__=m\t1\n")
        equal(api.requests[-1].form, {"match[]": ['{__name__!=""}']})


def test_cardinality_is_counted_from_series():
    with stocked() as d:
        url = "--url=" + d.url()
        top = json.loads(tocsin("cardinality", url, "-o", "json", "--limit", "1k").stdout)
        check({"name": "node_load1", "value": 2} in top["seriesCountByMetricName"], top)
        check({"name": "zone=z1", "value": 3} in top["seriesCountByLabelValuePair"], top)
        for args in (['{zone!=""}'], ['{zone!=""}', "--since", "1h"]):
            run = tocsin("cardinality", *args, url, "-o", "csv", "--limit", "100")
            rows = {(by, name): int(n) for by, name, n in list(csv.reader(io.StringIO(run.stdout)))[1:]}
            equal(rows[("all", "series")], 6)
            equal(rows[("metric", "node_load1")], 2)
            equal((rows[("label", "instance")], rows[("label", "job")]), (2, 1))
            equal((rows[("pair", "job=node")], rows[("pair", "zone=z1")]), (6, 3))
        equal(tocsin("cardinality", "--start", "1000", "--end", "2000", url).stdout, "all\tseries\t0\n")


# --- check rules --live ---


RULES = """groups:
- name: g
  rules:
  - {record: "job:load1:avg", expr: avg by (job) (node_load1)}
  - alert: A
    expr: |
      job:load1:avg > 1
        and on () node_laod1{job="node"} > 2
  - {alert: B, expr: 'node_load1{job="nod"} > 1'}
  - {alert: C, expr: 'rate(node_cpu_total{job="node",zone=~"z3|z1x"}[5m]) > 1'}
  - {alert: D, expr: 'node_load1{instance="h1",zone="z2"} > 1'}
  - {alert: E, expr: 'absent(node_load1{instance="h9"})'}
  - {alert: F, expr: 'ALERTS{alertname="A"} and node_load1 offset 5m'}
  - {alert: G, expr: 'node_load1{zoen="z1"} > 1 or {job=~"nood.*"} > 1'}
"""


def live(d, *args, rules=RULES):
    path = os.path.join(d.dir, "rules.yaml")
    with open(path, "w") as f:
        f.write(rules)
    return path, tocsin("check", "rules", "--live", "--url", d.url(), path, *args)


def test_live_names_selectors_without_series():
    with stocked() as d:
        path, run = live(d, "--json")
        equal(run.returncode, 1)
        found = {(p["line"], p["column"]): p for p in json.loads(run.stdout)}
        want = {(8, 19): ("error", 'no series for node_laod1{job="node"} in the last 1h (alert "A")', "nearest: node_load1"),
                (9, 23): ("error", 'no series for node_load1{job="nod"}', 'job="nod" matches none; nearest: "node"'),
                (10, 28): ("error", "no series for node_cpu_total", 'nearest: "z1"'),
                (11, 23): ("warning", 'no series for node_load1{instance="h1",zone="z2"}', 'zone="z2" matches nothing; nearest: "z1"'),
                (12, 30): ("warning", 'no series for node_load1{instance="h9"}', 'nearest: "h1"'),
                (14, 23): ("error", 'no series for node_load1{zoen="z1"}', "there is no label zoen; nearest: zone"),
                (14, 52): ("error", 'no series for {job=~"nood.*"}', 'nearest: "node"')}
        equal(set(found), set(want))
        for place, (level, message, hint) in want.items():
            p = found[place]
            equal((place, p["level"], p["file"]), (place, level, path))
            check(message in p["message"] and hint in p["hint"], place, p)
        path, run = live(d)
        check("  --> %s:8:19\n" % path in run.stderr and "5 errors, 2 warnings in 1 file" in run.stderr, run.stderr)
        check("^^^^" in run.stderr, run.stderr)


def test_live_exit_codes():
    def rules(expr):
        return "groups: [{name: g, rules: [{alert: A, expr: '%s'}]}]\n" % expr
    with stocked() as d:
        equal(live(d, rules=rules("node_load1 > 1"))[1].returncode, 0)
        apart = rules('node_load1{instance="h1",zone="z2"} > 1')
        equal(live(d, rules=apart)[1].returncode, 0)
        equal(live(d, "--strict", rules=apart)[1].returncode, 3)
        equal(live(d, "--strict", rules=rules("node_load2 > 1"))[1].returncode, 1)
        equal(live(d, "--within", "5s", rules=rules("node_load1 > 1"))[1].returncode, 1)
        equal(live(d, "--within", "0s", rules=rules("node_load1 > 1"))[1].returncode, 2)
        equal(live(d, rules=rules("node_load1 >"))[1].returncode, 1)
        path, run = live(d)
        equal(tocsin("check", "rules", path).returncode, 0)  # contacts nothing
        equal(tocsin("check", "rules", "--live", path, "--url", "http://127.0.0.1:1").returncode, 4)


def test_live_asks_once_for_equal_selectors():
    routes = {"/api/v1/series": lambda form: success([]), "/api/v1/label/__name__/values": lambda form: success(["up"])}
    rules = "groups:\n- name: g\n  rules:\n" + "  - {alert: A, expr: upp > 1}\n" * 20
    with FakeApi(routes) as api, Daemon(start=False) as d:
        path = os.path.join(d.dir, "rules.yaml")
        with open(path, "w") as f:
            f.write(rules)
        run = tocsin("check", "rules", "--live", "--json", "--url", api.url, path)
        equal(len(json.loads(run.stdout)), 20)
        check(len(api.requests) <= 3, len(api.requests))


if __name__ == "__main__":
    main(globals())
