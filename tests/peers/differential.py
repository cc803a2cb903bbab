#!/usr/bin/env python3
"""Random queries against Debian's Prometheus, on the same samples.

tests/unit/test_differential, which this builds, prints the samples and the queries
(TOCSIN_DIFF_SEED, TOCSIN_DIFF_COUNT). Prometheus gets the samples by remote write, tocsin finds them in its data
folder. Every answer must be the same, but where the naive evaluator says of the query why version 2 may
answer otherwise; docs/PROMQL-DIFFERENTIAL.md tells those reasons in full.
"""
import collections
import http.client
import json
import math
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from daemon import Daemon, check, wait_until  # noqa: E402

PROGRAM = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tests/unit/test_differential")
COUNT = int(os.environ.get("TOCSIN_DIFF_COUNT", "2000"))
SEED = int(os.environ.get("TOCSIN_DIFF_SEED", "1"))
STALE = struct.pack("<Q", 0x7FF0000000000002)


# --- remote write: protobuf in snappy's framing of literals ---

def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def field(number, payload):
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def label(name, value):
    return field(1, field(1, name.encode()) + field(2, value.encode()))


def sample(t_ms, value):
    bits = STALE if value == "stale" else struct.pack("<d", float(value))
    return field(2, b"\x09" + bits + b"\x10" + varint(t_ms))


def snappy(data):
    out = varint(len(data))
    for i in range(0, len(data), 65536):
        part = data[i:i + 65536]
        out += bytes([61 << 2]) + struct.pack("<H", len(part) - 1) + part
    return out


def write(connection, series):
    body = b"".join(field(1, b"".join(label(n, v) for n, v in sorted(json.loads(labels).items()))
                          + b"".join(sample(t, v) for t, v in points))
                    for labels, points in series)
    connection.request("POST", "/api/v1/write", snappy(body), {
        "Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
        "X-Prometheus-Remote-Write-Version": "0.1.0"})
    answer = connection.getresponse()
    text = answer.read()
    check(answer.status in (200, 204), answer.status, text)


def load(connection):
    series = collections.OrderedDict()
    for line in run("data", SEED).splitlines():
        labels, t, v = line.split("\t")
        series.setdefault(labels, []).append((int(t), v))
    items = list(series.items())
    for i in range(0, len(items), 20):
        write(connection, items[i:i + 20])
    print("%d series, %d samples" % (len(items), sum(len(p) for _, p in items)))


def run(*args):
    return subprocess.run([PROGRAM, *map(str, args)], stdout=subprocess.PIPE, check=True,
                          text=True, timeout=120).stdout


# --- asking ---

def ask(connection, start, end, step, query, is_version_2=False):
    """(error or None, {labels: [(time, value)]})"""
    params = {"query": query}
    if step:
        params.update(start=start / 1000, end=end / 1000, step=step / 1000)
    else:
        params["time"] = start / 1000
    connection.request("GET", "/api/v1/query%s?%s" % ("_range" if step else "",
                                                      urllib.parse.urlencode(params)))
    answer = json.loads(connection.getresponse().read())
    if answer["status"] != "success":
        return answer["error"], {}
    kind, result = answer["data"]["resultType"], answer["data"]["result"]
    if kind in ("scalar", "string"):
        return None, {kind: [tuple(result)]}
    out = {}
    for r in result:
        key = json.dumps(r["metric"], sort_keys=True)
        check(key not in out, "twice in one answer", query, key)
        points = [r["value"]] if "value" in r else r.get("values", [])
        if points or not is_version_2:  # which shows series without points
            out[key] = [tuple(p) for p in points]
    return None, out


def same_value(a, b, sums):
    if a == b:
        return True
    try:
        x, y = float(a), float(b)
    except ValueError:
        return False
    if x == y or x != x and y != y:
        return True
    # version 2 adds up plainly where version 3 compensates
    return abs(x - y) <= (1e-6 if sums else 1e-12) * (abs(x) + abs(y)) or sums and abs(x - y) < 1e-9


def difference(ours, theirs, query):
    """None, or (what, our value, their value)."""
    if ours[0] or theirs[0]:
        return None if ours[0] and theirs[0] else ("error", ours[0], theirs[0])
    sums = bool(re.search(r"\b(sum|avg|std|deriv|predict|histogram|rate|increase|delta)", query))
    if ours[1].keys() != theirs[1].keys():
        return ("series", sorted(ours[1].keys() - theirs[1].keys())[:3],
                sorted(theirs[1].keys() - ours[1].keys())[:3])
    for key, points in ours[1].items():
        others = theirs[1][key]
        if [p[0] for p in points] != [p[0] for p in others]:
            return "times of " + key, [p[0] for p in points], [p[0] for p in others]
        for (t, v), (_, w) in zip(points, others):
            if not same_value(v, w, sums):
                return "value of %s at %s" % (key, t), v, w
    return None


def compare(us, them):
    unexplained, explained, same, filled, failing = [], collections.Counter(), 0, 0, 0
    for line in run("queries", SEED, COUNT).splitlines():
        start, end, step, query, reason = line.split("\t")
        args = int(start), int(end), int(step), query
        ours, theirs = ask(us, *args), ask(them, *args, is_version_2=True)
        filled += bool(theirs[1])
        failing += bool(theirs[0])
        found = difference(ours, theirs, query)
        if not found:
            same += 1
            continue
        if reason:
            explained[reason] += 1
        else:
            unexplained.append((args, found))
    print("%d queries: %d with a result, %d failing; %d the same, %d explained, %d not"
          % (COUNT, filled, failing, same, sum(explained.values()), len(unexplained)))
    for reason, n in explained.items():
        print("  %d: %s" % (n, reason))
    for args, found in unexplained[:40]:
        print("start %d end %d step %d\n  %s\n  %s: ours %s, theirs %s" % (*args, *found))
    check(not unexplained, "%d differences" % len(unexplained))
    check(filled > COUNT / 2 and failing < COUNT / 4, filled, failing)
    check(sum(explained.values()) < COUNT / 20, explained)


# --- servers ---

def connect(port):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=60)


def is_ready(port):
    try:
        connection = connect(port)
        connection.request("GET", "/-/ready")
        return connection.getresponse().status == 200
    except OSError:
        return False


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def main():
    if not shutil.which("prometheus"):
        sys.exit("prometheus is needed: packaging/deps.sh peers")
    if "MAKELEVEL" in os.environ or not os.path.exists(PROGRAM):  # with the flags of that make
        subprocess.run(["make", "-s", os.path.relpath(PROGRAM, ROOT)], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
    folder = tempfile.mkdtemp(prefix="tocsin-peers-")
    port, prometheus = free_port(), None
    d = Daemon("collectors: {enabled: false}\nrules: {builtin: []}\n"
               "storage: {retention: {raw: 90y}}\n", start=False)
    try:
        with d, open(os.path.join(folder, "log"), "w") as log:
            with open(os.path.join(folder, "prometheus.yml"), "w") as f:
                f.write("global: {evaluation_interval: 1m}\n")
            prometheus = subprocess.Popen(
                [shutil.which("prometheus"), "--config.file=" + f.name,
                 "--storage.tsdb.path=" + os.path.join(folder, "data"),
                 "--storage.tsdb.retention.time=90y", "--web.enable-remote-write-receiver",
                 "--web.listen-address=127.0.0.1:%d" % port], stdout=log, stderr=log)
            run("store", SEED, d.data)
            d.start()
            wait_until(lambda: is_ready(port), 30)
            them = connect(port)
            load(them)
            if os.environ.get("DEBUGQ"):
                for q in os.environ["DEBUGQ"].split(";;"):
                    a,b,c,t = q.split("|",3)
                    for n, conn in (("us", connect(d.port)), ("them", them)):
                        print(n, q, ask(conn, int(a), int(b), int(c), t))
                return
            compare(connect(d.port), them)
    finally:
        if prometheus:
            prometheus.terminate()
            prometheus.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
