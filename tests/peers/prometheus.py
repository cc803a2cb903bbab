#!/usr/bin/env python3
"""Debian's Prometheus and node_exporter against tocsin, in both directions.

Prometheus scrapes tocsin's /metrics: up, and it sees every series that is there. tocsin scrapes
Prometheus and node_exporter: what it has of each is exactly what the target shows when asked
directly, but for bounds of histograms and quantiles, which read as floats ("1" is "1.0", as in
Prometheus 3), and for series that come and go between two looks.
"""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from daemon import Daemon, check, equal, wait_until  # noqa: E402

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}

LOOKS = 5
# Whoever looks opens a connection and keeps a goroutine busy: these differ by who looks.
OBSERVER = re.compile("(go|process|promhttp|net_conntrack|node_netstat|node_sockstat|node_filefd)_")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as r:
        return r.read().decode()


def query(base, expr):
    text = fetch(base + "/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
    return json.loads(text)["data"]["result"]


def as_float(value):
    """How Prometheus 3 writes a bound."""
    v = float(value)
    return v if v == v else value


def series_of(name, labels):
    # a label without value is no label
    out = {k: v for k, v in labels.items() if v and k not in ("job", "instance", "__name__")}
    for key in ("le", "quantile"):
        if key in out:
            out[key] = as_float(out[key])
    return name, frozenset(out.items())


def parse(text):
    """{series: value} of an exposition."""
    out = {}
    for line in text.split("\n"):
        m = None if line.startswith("#") else SAMPLE.match(line)
        if m:
            labels = {k: re.sub(r'\\[\\n"]', lambda e: ESCAPES[e.group()], v)
                      for k, v in LABEL.findall(m.group(2) or "")}
            out[series_of(m.group(1), labels)] = float(m.group(3))
    return out


def stored(base, job):
    return {series_of(r["metric"]["__name__"], r["metric"]): float(r["value"][1])
            for r in query(base, '{job="%s"}' % job)
            if r["metric"]["__name__"] != "up"
            and not r["metric"]["__name__"].startswith("scrape_")}


def same_series(job, got, before, after):
    """got was scraped at some time; what the target showed before and after must agree with it.
    Returns the series that did not change in between and yet have another value."""
    missing = [s for s in before if s in after and s not in got]
    invented = [s for s in got if s not in before and s not in after]
    equal((job, missing[:5]), (job, []))
    equal((job, invented[:5]), (job, []))
    constant = [s for s in before if before[s] == after.get(s)]
    print("%s: %d series, %d of them unchanged" % (job, len(got), len(constant)))
    return {s: (got[s], before[s]) for s in constant
            if s in got and got[s] != before[s] and before[s] == before[s]
            and not OBSERVER.match(s[0])}


def agree(look):
    """look() gives what differs. A value may leap and come back between two looks (memory,
    load): only what differs at every look is wrong."""
    wrong = look()
    for _ in range(LOOKS - 1):
        if not wrong:
            return
        again = look()
        wrong = {s: v for s, v in wrong.items() if s in again}
    check(not wrong, list(wrong.items())[:5])


def start(argv, log):
    return subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)


def is_up(url):
    try:
        fetch(url)
        return True
    except OSError:
        return False


def compare(d, prometheus, exporter):
    us = d.url("")
    wait_until(lambda: d.value("sum(up)") == 2, 20)
    targets = {"prometheus": prometheus + "/metrics", "exporter": exporter + "/metrics"}

    def look_at_ours():
        before = {job: parse(fetch(url)) for job, url in targets.items()}
        time.sleep(2.5)
        got = {job: stored(us, job) for job in targets}
        after = {job: parse(fetch(url)) for job, url in targets.items()}
        return {(job, series): value for job in targets
                for series, value in same_series(job, got[job], before[job], after[job]).items()}

    def look_at_theirs():
        before = parse(d.get("/metrics").body.decode())
        time.sleep(2.5)
        got = stored(prometheus, "tocsin")
        return same_series("tocsin", got, before, parse(d.get("/metrics").body.decode()))

    agree(look_at_ours)
    wait_until(lambda: [r["value"][1] for r in query(prometheus, 'up{job="tocsin"}')] == ["1"], 20)
    agree(look_at_theirs)


def main():
    prometheus, exporter = shutil.which("prometheus"), shutil.which("prometheus-node-exporter")
    if not prometheus or not exporter:
        sys.exit("prometheus and prometheus-node-exporter are needed: packaging/deps.sh peers")
    ports = {"prometheus": free_port(), "exporter": free_port()}
    base = {k: "http://127.0.0.1:%d" % p for k, p in ports.items()}
    config = "rules: {builtin: []}\nscrape_configs:\n" + "".join(
        "  - job_name: %s\n    scrape_interval: 1s\n"
        "    static_configs: [{targets: ['127.0.0.1:%d']}]\n" % (k, p) for k, p in ports.items())
    folder = tempfile.mkdtemp(prefix="tocsin-peers-")
    running = []
    try:
        with Daemon(config) as d, open(os.path.join(folder, "log"), "w") as log:
            with open(os.path.join(folder, "prometheus.yml"), "w") as f:
                f.write("scrape_configs:\n  - job_name: tocsin\n    scrape_interval: 1s\n"
                        "    static_configs: [{targets: ['127.0.0.1:%d']}]\n" % d.port)
            running.append(start([exporter, "--web.listen-address=127.0.0.1:%d" % ports["exporter"]],
                                 log))
            running.append(start([prometheus, "--config.file=" + f.name,
                                  "--storage.tsdb.path=" + os.path.join(folder, "data"),
                                  "--web.listen-address=127.0.0.1:%d" % ports["prometheus"]], log))
            for job, ready in (("prometheus", "/-/ready"), ("exporter", "/")):
                wait_until(lambda: is_up(base[job] + ready), 20)
            compare(d, base["prometheus"], base["exporter"])
    finally:
        for p in running:
            p.terminate()
            p.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
