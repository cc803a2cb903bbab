#!/usr/bin/env python3
"""The command line against Debian's Prometheus: every command that asks a daemon takes any server
of its HTTP API."""
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from daemon import check, equal, tocsin, wait_until  # noqa: E402

CONFIG = """global: {scrape_interval: 1s}
scrape_configs:
- job_name: self
  static_configs: [{targets: ["127.0.0.1:%d"]}]
"""
RULES = """groups:
- name: g
  rules:
  - {alert: Good, expr: 'rate(prometheus_http_requests_total{job="self"}[1m]) > 100'}
  - {alert: Name, expr: 'prometheus_http_request_total > 1'}
  - {alert: Value, expr: 'up{job="slef"} == 0'}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def ask(url, *args, code=0):
    run = tocsin(*args, "--url", url)
    equal((args, run.returncode), (args, code))
    return run


def check_queries(url):
    equal(ask(url, "query", "up").stdout.split("\t")[1], "1\n")
    equal(ask(url, "query", "1 + 1").stdout, "scalar\t2\n")
    rows = ask(url, "query", "up", "--since", "1m", "--step", "1s").stdout.splitlines()
    check(len(rows) >= 2 and all(row.endswith("\t1") for row in rows), rows)
    chart = ask(url, "query", "rate(process_cpu_seconds_total[5s])", "--since", "1m", "-o", "chart").stdout
    check("UTC" in chart and "instance" in chart, chart)
    equal(json.loads(ask(url, "query", "up[1m]", "-o", "json").stdout)["resultType"], "matrix")
    wrong = ask(url, "query", "sum(rate(up))", code=1)
    check("parse error" in wrong.stderr and "1 | sum(rate(up))" in wrong.stderr and "^" in wrong.stderr, wrong.stderr)
    check("explains nothing" in ask(url, "query", "up", "--explain", code=1).stderr)


def check_looks(url):
    check("job" in ask(url, "labels").stdout.split())
    equal(ask(url, "labels", "job").stdout, "self\n")
    check(ask(url, "series", "up", "--since", "1h").stdout.startswith('up{instance="127.0.0.1:'))
    limited = ask(url, "series", '{job="self"}', "--limit", "3")
    equal(limited.stdout.count("\n"), 3)
    counted = json.loads(ask(url, "cardinality", "-o", "json", "--limit", "5").stdout)
    check(counted["numSeries"] > 100 and len(counted["seriesCountByMetricName"]) == 5, counted)
    by_us = json.loads(ask(url, "cardinality", '{job="self"}', "-o", "json", "--limit", "5").stdout)
    first, ours = counted["seriesCountByMetricName"][0], by_us["seriesCountByMetricName"][0]
    equal((first["name"], first["value"]), (ours["name"], ours["value"]))


def check_rules(url, folder):
    path = os.path.join(folder, "rules.yaml")
    with open(path, "w") as f:
        f.write(RULES)
    run = ask(url, "check", "rules", "--live", "--json", path, code=1)
    problems = {p["line"]: p["hint"] for p in json.loads(run.stdout)}
    equal(sorted(problems), [5, 6])
    check("prometheus_http_requests_total" in problems[5] and '"self"' in problems[6], problems)


def main():
    if not shutil.which("prometheus"):
        raise SystemExit("prometheus is not installed: packaging/deps.sh peers")
    folder, port = tempfile.mkdtemp(prefix="tocsin-cli-"), free_port()
    url = "http://127.0.0.1:%d" % port
    config = os.path.join(folder, "prometheus.yml")
    with open(config, "w") as f:
        f.write(CONFIG % port)
    with open(os.path.join(folder, "log"), "w") as log:
        process = subprocess.Popen(["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + folder + "/data",
                                    "--web.listen-address=127.0.0.1:%d" % port], stdout=log, stderr=log)
    try:
        wait_until(lambda: tocsin("query", "count_over_time(up[1m]) > 3", "--url", url, "-q").stdout, 60)
        check_queries(url)
        check_looks(url)
        check_rules(url, folder)
        print("ok: queries, looks and live checks of a Prometheus")
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
