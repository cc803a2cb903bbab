#!/usr/bin/env python3
"""Debian's Prometheus writes to tocsin what it scrapes: both then answer alike, sample by sample,
staleness included; tocsin check metrics says what promtool says."""
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
from daemon import QUIET, Daemon, check, equal, tocsin, wait_until  # noqa: E402


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as r:
        return r.read().decode()


def is_up(url):
    try:
        fetch(url)
        return True
    except OSError:
        return False


def query(base, expr, at):
    """{labels: [[time, value], ...]} of a range selector."""
    text = fetch(base + "/api/v1/query?" + urllib.parse.urlencode({"query": expr, "time": at}))
    return {tuple(sorted(r["metric"].items())): r["values"] for r in json.loads(text)["data"]["result"]}


def start(argv, log):
    return subprocess.Popen(argv, stdout=log, stderr=subprocess.STDOUT)


def compare(ours, theirs, selector, at):
    # Prometheus 2's ranges have their left end: one millisecond less to be fair
    a, b = query(ours, selector + "[9999ms]", at), query(theirs, selector + "[9999ms]", at)
    equal(sorted(a), sorted(b))
    wrong = [(k, a[k], b[k]) for k in a if a[k] != b[k]]
    equal(wrong[:3], [])
    return len(a), sum(map(len, a.values()))


def written(d, base, log):
    """Prometheus scrapes itself; what it has and what we have is the same."""
    wait_until(lambda: (d.value('count({job="self"})') or 0) > 300, 30)
    time.sleep(14)
    at = int(time.time()) - 3
    series, samples = compare(d.url("").rstrip("/"), base, '{job="self"}', at)
    check(series > 300 and samples > 5 * series, series, samples)
    print("remote write: %d series, %d samples, all equal" % (series, samples))
    metadata = d.get("/api/v1/metadata", metric="prometheus_build_info").json()["data"]
    equal(metadata["prometheus_build_info"][0]["type"], "gauge")
    check("msg=\"Failed to send" not in open(log).read(), open(log).read()[-2000:])


def complaints_of_promtool(text):
    run = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, timeout=60,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return run.returncode, {tuple(line.split(" ", 1)) for line in run.stdout.splitlines() if line}


def complaints_of_ours(text):
    run = tocsin("check", "metrics", "--json", input=text)
    return run.returncode, {tuple(p["message"].split(": ", 1)) for p in json.loads(run.stdout)}


BAD = """# HELP aB x
# TYPE aB gauge
aB{le="1",quantile="2",cD="3"} 1
no_help_ms 1
# HELP d_milliseconds x
# TYPE d_milliseconds counter
d_milliseconds 1
# HELP e_gauge_total x
# TYPE e_gauge_total gauge
e_gauge_total 1
# HELP f:g_bucket x
# TYPE f:g_bucket summary
f:g_bucket_sum 1
"""


def linted(base, exporter):
    for text in (fetch(base + "/metrics"), fetch(exporter + "/metrics"), BAD):
        (code, theirs), (our_code, ours) = complaints_of_promtool(text), complaints_of_ours(text)
        equal((our_code, sorted(ours ^ theirs)), (code, []))
    print("check metrics: as promtool on three texts")


def main():
    prometheus, exporter = shutil.which("prometheus"), shutil.which("prometheus-node-exporter")
    if not prometheus or not exporter or not shutil.which("promtool"):
        sys.exit("prometheus and prometheus-node-exporter are needed: packaging/deps.sh peers")
    port, node = free_port(), free_port()
    base, node_base = "http://127.0.0.1:%d" % port, "http://127.0.0.1:%d" % node
    folder = tempfile.mkdtemp(prefix="tocsin-peers-")
    config = os.path.join(folder, "prometheus.yml")
    log_path = os.path.join(folder, "log")
    with Daemon(QUIET) as d, open(log_path, "w") as log:
        running = []
        try:
            with open(config, "w") as f:
                f.write("scrape_configs:\n  - job_name: self\n    scrape_interval: 1s\n"
                        "    static_configs: [{targets: ['127.0.0.1:%d']}]\n"
                        "remote_write:\n  - url: http://127.0.0.1:%d/api/v1/write\n"
                        "    metadata_config: {send_interval: 1s}\n"
                        "    queue_config: {batch_send_deadline: 1s}\n" % (port, d.port))
            running.append(start([exporter, "--web.listen-address=127.0.0.1:%d" % node], log))
            running.append(start([prometheus, "--config.file=" + config,
                                  "--storage.tsdb.path=" + os.path.join(folder, "data"),
                                  "--web.listen-address=127.0.0.1:%d" % port], log))
            wait_until(lambda: is_up(base + "/-/ready") and is_up(node_base), 20)
            linted(base, node_base)
            written(d, base, log_path)
        finally:
            # Prometheus first: it wants to send what it has left
            for p in reversed(running):
                p.terminate()
                p.wait(20)
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
