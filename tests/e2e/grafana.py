#!/usr/bin/env python3
"""The calls of Grafana's Prometheus data source, replayed, and the answers it needs.

The calls are data: tests/fixtures/grafana/*.json, as Grafana 9 to 12 send them (forms by POST; after a
400 or 405 the same by GET). In a step, "${start}" and "${end}" stand for the span the data covers, in
seconds. An answer names what must be there: a dict's further members are free unless the step is
"exact"; "*" is anything, "~2" a number near 2, and a text that ends in * any that starts so. A step
with "get" is asked again by GET and must get the same answer.
"""
import json
import os
import re
import time
import urllib.parse

from daemon import ROOT, Daemon, check, equal, main

FOLDER = os.path.join(ROOT, "tests/fixtures/grafana")
HEADERS = {"User-Agent": "Grafana/12.0.0", "Accept-Encoding": "gzip", "X-Datasource-Uid": "tocsin"}
START = (int(time.time()) - 1200) // 60 * 60
POINTS, STEP = 41, 15
SPAN = {"start": START, "end": START + (POINTS - 1) * STEP}


def fill(d):
    lines = []
    for i in range(POINTS):
        t = START + i * STEP
        lines.append("http_requests,job=api,instance=i,code=200 total=%d %d" % (30 * i, t))
        lines.append("http_requests,job=api,instance=i,code=500 total=%d %d" % (3 * i, t))
        lines.append("node,job=node,instance=i load1=0.5 %d" % t)
    equal(d.write("\n".join(lines), precision="s").status, 204)


def filled_in(value):
    """A step's value with its times; a text that is nothing but a time becomes a number in answers."""
    if isinstance(value, dict):
        return {k: filled_in(v) for k, v in value.items()}
    if isinstance(value, list):
        return [filled_in(v) for v in value]
    if not isinstance(value, str):
        return value
    text = re.sub(r"\$\{(start|end)([+-]\d+)?\}", lambda m: str(SPAN[m[1]] + int(m[2] or 0)), value)
    return int(text) if text != value and text.isdigit() else text


def matches(want, got, exact):
    if want == "*":
        return True
    if isinstance(want, dict):
        return (isinstance(got, dict) and set(want) <= set(got) and (not exact or set(want) == set(got))
                and all(matches(want[k], got[k], exact) for k in want))
    if isinstance(want, list):
        return (isinstance(got, list) and len(want) == len(got)
                and all(matches(w, g, exact) for w, g in zip(want, got)))
    if isinstance(want, str) and want.startswith("~"):
        return abs(float(got) - float(want[1:])) < 1e-9
    if isinstance(want, str) and want.endswith("*"):
        return isinstance(got, str) and got.startswith(want[:-1])
    return want == got and type(want) is type(got)


def has(answer, path):
    for key in path.split("."):
        if not isinstance(answer, dict) or key not in answer:
            return False
        answer = answer[key]
    return True


def ask(d, step, method):
    headers, body, params = dict(HEADERS), None, filled_in(step.get("query"))
    if "form" in step and method == "POST":
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        body = urllib.parse.urlencode(filled_in(step["form"]), doseq=True)
    elif "form" in step:
        params = filled_in(step["form"])
    a = d.request(method, step["path"], body, headers, params)
    equal(a.headers["Content-Type"], "application/json")
    return a


def replay(name):
    with open(os.path.join(FOLDER, name)) as f:
        steps = json.load(f)["steps"]
    with Daemon() as d:
        fill(d)
        for step in steps:
            a = ask(d, step, step["method"])
            equal((step["name"], a.status), (step["name"], step["status"]))
            want = filled_in(step["answer"])
            check(matches(want, a.json(), step.get("exact")), step["name"], a.json(), want)
            for path in step.get("absent", []):
                check(not has(a.json(), path), step["name"], path, a)
            if step.get("get"):
                again = ask(d, step, "GET")
                equal((step["name"], again.status, again.json()), (step["name"], a.status, a.json()))
    check(len(steps) >= 5, len(steps))


def test_health():
    replay("health.json")


def test_browse():
    replay("browse.json")


def test_dashboard():
    replay("dashboard.json")


def test_post_is_retried_by_get():
    """A values call by POST is 405: Grafana's fallback then gets its answer by GET."""
    with Daemon() as d:
        fill(d)
        a = d.post("/api/v1/label/job/values", "", {"Content-Type": "application/x-www-form-urlencoded"})
        equal((a.status, a.headers["Allow"], a.json()["status"]), (405, "GET, HEAD", "error"))
        equal(d.get("/api/v1/label/job/values").json()["data"], ["api", "node"])


def test_a_long_query_by_get():
    """A variable with many values expands into one long matcher, in parentheses."""
    with Daemon() as d:
        fill(d)
        values = "|".join(["200"] + ["value-%d-with-a-name" % i for i in range(2500)])
        params = {"query": 'sum(http_requests_total{code=~"(%s)"})' % values, "time": SPAN["end"]}
        check(50000 < len(urllib.parse.urlencode(params)) < 65000, len(urllib.parse.urlencode(params)))
        a = d.get("/api/v1/query", HEADERS, **params)
        check(a.status == 200, a)
        equal(a.json()["data"]["result"][0]["value"], [SPAN["end"], "1200"])


if __name__ == "__main__":
    main(globals())
