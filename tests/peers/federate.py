#!/usr/bin/env python3
"""Debian's Prometheus federates from tocsin: what it stores is what tocsin shows.

Two jobs of tocsin's own targets are federated with honor_labels; every series that was asked for
arrives with its job, instance and external labels, its value and its time; a target that goes away
ends there, too. UTF-8 names, which that version cannot read, arrive with underscores.
"""
import os
import shutil
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
sys.path.insert(0, os.path.join(ROOT, "tests/peers"))
from daemon import Daemon, check, equal, wait_until  # noqa: E402
from prometheus import free_port, is_up, query, start  # noqa: E402
from scrape import Target  # noqa: E402

CONFIG = """
global: {external_labels: {zone: z1}}
rules: {builtin: []}
scrape_configs:
  - job_name: one
    scrape_interval: 1s
    scrape_timeout: 1s
    static_configs: [{targets: ['%s']}]
  - job_name: two
    scrape_interval: 1s
    scrape_timeout: 1s
    static_configs: [{targets: ['%s']}]
"""

PROMETHEUS = """
scrape_configs:
  - job_name: federate
    scrape_interval: 1s
    scrape_timeout: 1s
    honor_labels: true
    metrics_path: /federate
    params: {'match[]': ['{job="one"}', 'up', '{__name__=~"node_(load.+|memory_Mem.+)"}', '{job="two"}']}
    static_configs: [{targets: ['127.0.0.1:%d']}]
"""


def body(n):
    return "# TYPE requests_total counter\n" + "".join(
        'requests_total{path="/p%d"} %d\n' % (i, i * 7) for i in range(n))


def by_labels(result):
    return {tuple(sorted(r["metric"].items())): r["value"][1] for r in result}


def compare(d, base, one):
    us = d.url("")
    wait_until(lambda: len(query(base, 'requests_total{job="one"}')) == 50, 20)
    theirs = by_labels(query(base, 'requests_total{job="one"}'))
    ours = by_labels(query(us, 'requests_total{job="one"}'))
    with_zone = {tuple(sorted(dict(k, zone="z1").items())): v for k, v in ours.items()}
    equal(theirs, with_zone)
    ours = {(r["metric"]["job"], r["metric"]["instance"]): r["value"][1] for r in query(us, "up")}
    theirs = {(r["metric"]["job"], r["metric"]["instance"]): r["value"][1]
              for r in query(base, 'up{zone="z1"}')}
    equal(theirs, ours)
    wait_until(lambda: query(base, 'node_load1{job="node",zone="z1"}'), 10)
    # times are tocsin's, not those of the federating scrape
    theirs = query(base, 'timestamp(requests_total{job="one",path="/p1"})')[0]["value"][1]
    ours = [v[0] for v in d.query('requests_total{job="one",path="/p1"}[30s]')[0]["values"]]
    check(any(abs(float(theirs) - t) < 0.002 for t in ours), theirs, ours)
    wait_until(lambda: query(base, 'odd_name{job="two"}'), 10)
    check(query(base, 'up{job="federate"}')[0]["value"][1] == "1")
    one.status = 500
    wait_until(lambda: [r["value"][1] for r in query(base, 'up{job="one"}')] == ["0"], 20)
    equal(query(us, 'requests_total{job="one"}'), [])
    answer = d.get("/federate", **{"match[]": 'requests_total{job="one"}'})
    equal(answer.body, b"")
    print("federation: 50 series and their times, labels kept, gone when the target went")


def main():
    prometheus = shutil.which("prometheus")
    if not prometheus:
        sys.exit("prometheus is needed: packaging/deps.sh peers")
    port = free_port()
    base = "http://127.0.0.1:%d" % port
    folder = tempfile.mkdtemp(prefix="tocsin-peers-")
    running = []
    try:
        with Target(body(50)) as one, Target('{"odd.name"} 3\n') as two, \
                Daemon(CONFIG % (one.address, two.address)) as d, \
                open(os.path.join(folder, "log"), "w") as log:
            with open(os.path.join(folder, "prometheus.yml"), "w") as f:
                f.write(PROMETHEUS % d.port)
            running.append(start([prometheus, "--config.file=" + f.name,
                                  "--storage.tsdb.path=" + os.path.join(folder, "data"),
                                  "--web.listen-address=127.0.0.1:%d" % port], log))
            wait_until(lambda: is_up(base + "/-/ready"), 20)
            compare(d, base, one)
    finally:
        for p in running:
            p.terminate()
            p.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
