#!/usr/bin/env python3
"""query.backend: remote over Debian's Prometheus and VictoriaMetrics.

Both get the same samples by remote write. What tocsin answers is what the engine answers when asked
directly, as far as HTTP's form goes; a rule fires a webhook from the engine's data, promtool asks
through tocsin, and the engine is killed and comes back meanwhile.
"""
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from alerting import Receiver  # noqa: E402
from daemon import Daemon, check, equal, tocsin, wait_until  # noqa: E402

CONFIG = """
collectors: {enabled: false}
query: {backend: remote, remote: {url: "%s", timeout: 5s}}
rules: {builtin: [], files: [rules.yaml]}
alerting:
  route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}
  receivers: [{name: hook, webhook_configs: [{url: "http://127.0.0.1:%d/"}]}]
"""

RULES = """
groups:
  - name: far
    interval: 1s
    rules:
      - alert: FarBusy
        expr: last_over_time(far_load{host="c"}[1h]) > 5
      - record: far:sum
        expr: sum(far_load)
"""

# Of PromQL and of MetricsQL alike: no differences in how windows are read.
INSTANT = ["far_load", "sum(far_load)", "sum by (host) (far_load)", "1+1", "time()",
           'far_load{host=~"a|b",kind!="x"}', "topk(2, far_load)", "sort_desc(far_load)",
           "max_over_time(far_load[1m])", "count_over_time(far_load[2m])", "far_load > 3",
           "far_load * on(host) group_left far_info", "absent(nothing)", "nothing", "-far_load",
           "far_load offset 1m", "label_replace(far_load, \"h\", \"$1\", \"host\", \"(.*)\")",
           "histogram_quantile(0.9, far_seconds_bucket)", "far_load[1m]"]
RANGE = ["far_load", "sum(far_load)", "avg by (host) (far_load)", "1", "far_load > 3",
         "min_over_time(far_load[1m])", "quantile(0.5, far_load)"]


# --- remote write ---------------------------------------------------------------------------------

def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def series(labels, samples):
    out = b"".join(field(1, field(1, k.encode()) + field(2, v.encode()))
                   for k, v in sorted(labels.items()))
    for t_ms, v in samples:
        out += field(2, varint(1 << 3 | 1) + struct.pack("<d", v) + varint(2 << 3) + varint(t_ms))
    return field(1, out)


def snappy(data):
    """The block format with nothing but literals."""
    out = varint(len(data))
    for at in range(0, len(data), 65536):
        piece = data[at:at + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(piece) - 1) + piece
    return out


def samples(now):
    body, times = b"", range(now - 600, now + 1, 5)
    for n, host in enumerate("abc"):
        labels = {"__name__": "far_load", "host": host, "kind": "x" if n == 2 else "y"}
        body += series(labels, [(t * 1000, float((t // 5 + n) % 7) + 0.25) for t in times])
        body += series({"__name__": "far_info", "host": host, "zone": "z%d" % n},
                       [(t * 1000, 1.0) for t in times])
    for le in ("0.1", "1", "+Inf"):
        body += series({"__name__": "far_seconds_bucket", "le": le},
                       [(t * 1000, float(t - now + 700) * (1 if le == "0.1" else 2)) for t in times])
    body += series({"__name__": "far_load", "host": "c", "kind": "busy"}, [(now * 1000, 9.0)])
    return snappy(body)


# --- engines --------------------------------------------------------------------------------------

def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(url, data=None, headers=None):
    """(status, body)"""
    request = urllib.request.Request(url, data, headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as r:
            return r.status, r.read()
    except urllib.error.HTTPError as e:
        return e.code, e.read()


class Engine:
    """A foreign server on a loopback port, ended by its process id."""

    def __init__(self, name, folder):
        self.name, self.folder, self.port = name, folder, free_port()
        self.url = "http://127.0.0.1:%d" % self.port
        self.process = None

    def argv(self):
        listen, data = "127.0.0.1:%d" % self.port, os.path.join(self.folder, self.name)
        if self.name == "prometheus":
            config = os.path.join(self.folder, "prometheus.yml")
            with open(config, "w") as f:
                f.write("scrape_configs: []\n")
            return ["prometheus", "--config.file=" + config, "--storage.tsdb.path=" + data,
                    "--web.listen-address=" + listen, "--web.enable-remote-write-receiver"]
        return [victoria(), "-httpListenAddr=" + listen, "-storageDataPath=" + data,
                "-search.latencyOffset=0s", "-retentionPeriod=10y"]

    def start(self):
        with open(os.path.join(self.folder, "log"), "a") as log:
            self.process = subprocess.Popen(self.argv(), stdout=log, stderr=log)
        path = "/-/ready" if self.name == "prometheus" else "/health"
        wait_until(lambda: self.answers(path), 30)

    def answers(self, path):
        try:
            return fetch(self.url + path)[0] == 200
        except OSError:
            return False

    def stop(self, kill=False):
        if self.process:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(30)
        self.process = None

    def write(self, body):
        status, text = fetch(self.url + "/api/v1/write", body, {
            "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy",
            "X-Prometheus-Remote-Write-Version": "0.1.0"})
        check(status in (200, 204), status, text)
        if self.name != "prometheus":
            fetch(self.url + "/internal/force_flush")


def victoria():
    return shutil.which("victoria-metrics") or shutil.which("victoria-metrics-prod")


# --- comparing ------------------------------------------------------------------------------------

def ask(base, path, **params):
    status, body = fetch(base + path + "?" + urllib.parse.urlencode(params, doseq=True))
    return status, json.loads(body)


def sample(s):
    return round(float(s[0]), 3), float(s[1])


def plain(data, as_scalar):
    """Result data without what differs in form alone: order of series, spelling of numbers."""
    kind, result = data["resultType"], data["result"]
    if kind in ("scalar", "string"):
        return repr(sample(result))
    if as_scalar and kind == "vector":  # VictoriaMetrics knows no scalars
        return repr(sample(result[0]["value"]))
    return sorted((sorted(r["metric"].items()),
                   repr([sample(v) for v in r.get("values", [r.get("value")])])) for r in result)


def compare_queries(engine, base, now):
    for expr in INSTANT:
        status, far = ask(engine.url, "/api/v1/query", query=expr, time=now, nocache=1)
        got, near = ask(base, "/api/v1/query", query=expr, time=now)
        equal((expr, got), (expr, status))
        scalar = near["data"]["resultType"] == "scalar"
        equal((expr, plain(near["data"], scalar)), (expr, plain(far["data"], scalar)))
    when = {"start": now - 300, "end": now, "step": 7}
    for expr in RANGE:
        _, far = ask(engine.url, "/api/v1/query_range", query=expr, nocache=1, **when)
        _, near = ask(base, "/api/v1/query_range", query=expr, **when)
        check(near["data"]["result"], expr)
        equal((expr, plain(near["data"], False)), (expr, plain(far["data"], False)))
    print("%s: %d instant and %d range queries alike" % (engine.name, len(INSTANT), len(RANGE)))


def compare_lookups(engine, base, now):
    when = {"start": now - 600, "end": now}
    for path, params in (("/api/v1/labels", when), ("/api/v1/label/host/values", when),
                         ("/api/v1/label/__name__/values", when),
                         ("/api/v1/label/zone/values", {"match[]": 'far_info{host="a"}', **when}),
                         ("/api/v1/series", {"match[]": ["far_info", "nothing"], **when})):
        far = ask(engine.url, path, **params)[1]["data"]
        near = ask(base, path, **params)[1]["data"]
        check(near or path, path)
        key = lambda x: sorted(x.items()) if isinstance(x, dict) else x  # noqa: E731
        equal((path, sorted(near, key=key)), (path, sorted(far, key=key)))
    status, text = fetch(base + "/federate?match[]=far_info")
    rows = sorted(line for line in text.decode().splitlines() if not line.startswith("#"))
    equal((status, rows), (200, ['far_info{host="%s",zone="z%d",instance=""} 1 %d' % (h, n, now * 1000)
                                 for n, h in enumerate("abc")]))
    print("%s: labels, values, series, federation alike" % engine.name)


def use_clients(engine, base, now):
    body = json.dumps({"start": now - 60, "end": now, "step": 5, "max_points": 100,
                       "queries": [{"query": "far_load"}, {"query": "sum("}]}).encode()
    status, text = fetch(base + "/api/v1/query_batch", body)
    results = json.loads(text)["data"]["results"]
    equal((status, results[0]["status"], results[1]["errorType"]), (200, "success", "bad_data"))
    check(len(results[0]["data"]["result"]) >= 3, results[0])
    run = subprocess.run(["promtool", "query", "instant", "--time=%d" % now, base,
                          'sum(far_info)'], stdout=subprocess.PIPE, text=True, timeout=30)
    check(run.returncode == 0 and run.stdout.startswith("{} => 3 @"), run.stdout)
    run = tocsin("query", "--url", base, "--time", str(now), "-o", "csv", "sum(far_info)")
    check(run.returncode == 0 and ",3" in run.stdout, run.stdout, run.stderr)
    print("%s: query_batch, promtool, tocsin query work through it" % engine.name)


def rules_of(d):
    return {r["name"]: r for r in d.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]}


def outage(engine, d, receiver):
    wait_until(lambda: receiver.last("firing"), 20)
    equal(rules_of(d)["FarBusy"]["health"], "ok")
    engine.stop(kill=True)
    wait_until(lambda: rules_of(d)["FarBusy"]["health"] == "err", 15)
    check(engine.url in rules_of(d)["FarBusy"]["lastError"], rules_of(d))
    equal(rules_of(d)["FarBusy"]["state"], "firing")
    answer = d.get("/api/v1/query", query="far_load")
    equal((answer.status, answer.json()["errorType"]), (503, "unavailable"))
    engine.start()
    wait_until(lambda: rules_of(d)["FarBusy"]["health"] == "ok", 15)
    check(receiver.last("resolved") is None, receiver.got)
    print("%s: a webhook fires; killed and back without a false resolve" % engine.name)


def try_engine(name, folder):
    engine, receiver, now = Engine(name, folder), Receiver(), int(time.time())
    receiver.listen()
    try:
        engine.start()
        engine.write(samples(now))
        wait_until(lambda: ask(engine.url, "/api/v1/query", query="far_load", time=now,
                               nocache=1)[1]["data"]["result"], 15)
        with Daemon(CONFIG % (engine.url, receiver.port), start=False) as d:
            with open(os.path.join(d.dir, "rules.yaml"), "w") as f:
                f.write(RULES)
            d.start()
            base = d.url("").rstrip("/")
            compare_queries(engine, base, now)
            compare_lookups(engine, base, now)
            use_clients(engine, base, now)
            outage(engine, d, receiver)
    finally:
        engine.stop()
        receiver.hang_up()


def main():
    if not shutil.which("prometheus") or not shutil.which("promtool") or not victoria():
        sys.exit("prometheus and victoria-metrics are needed: packaging/deps.sh peers")
    folder = tempfile.mkdtemp(prefix="tocsin-peers-")
    try:
        for name in ("prometheus", "victoria-metrics"):
            try_engine(name, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
