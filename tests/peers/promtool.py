#!/usr/bin/env python3
"""Debian's promtool against tocsin: what it says of /metrics, and its queries.

`check metrics` complains about some of node_exporter's own names, which are ours too where we
collect the same. Allowed is exactly what node_exporter's output draws, metric by metric and word by
word; a node_exporter metric that this node_exporter does not have may draw a kind of complaint that
another one of its metrics draws.
"""
import json
import re
import shutil
import socket
import subprocess
import sys
import os
import time
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests/e2e"))
from daemon import Daemon, check, equal, wait_until  # noqa: E402


def fetch(url):
    with urllib.request.urlopen(url, timeout=10) as r:
        return r.read().decode()


def complaints(exposition):
    """{(metric, complaint)}; fails when promtool cannot read the text."""
    run = subprocess.run(["promtool", "check", "metrics"], input=exposition, text=True, timeout=60,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    check(run.returncode in (0, 3), run.stdout)  # 3: linting errors
    return {tuple(line.split(" ", 1)) for line in run.stdout.splitlines() if line}


def node_exporter():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    process = subprocess.Popen(["prometheus-node-exporter", "--web.listen-address=127.0.0.1:%d" % port],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, "http://127.0.0.1:%d/metrics" % port


def is_up(url):
    try:
        return bool(fetch(url))
    except OSError:
        return False


def check_metrics(d):
    process, url = node_exporter()
    try:
        wait_until(lambda: is_up(url), 10)
        theirs_text = fetch(url)
    finally:
        process.terminate()
        process.wait(10)
    ours_text = d.get("/metrics").body.decode()
    theirs, ours = complaints(theirs_text), complaints(ours_text)
    kinds = {text for _, text in theirs}
    known = set(re.findall(r"^# TYPE (\S+)", theirs_text, re.M))
    extra = [c for c in ours - theirs
             if not (c[0].startswith("node_") and c[0] not in known and c[1] in kinds)]
    equal(extra, [])
    print("check metrics: %d complaints, all of them node_exporter's own (%d there)"
          % (len(ours), len(theirs)))
    types = re.findall(r"^# TYPE (\S+)", ours_text, re.M)
    check(len(types) > 150 and len(types) == len(set(types)), len(types))


def promtool(*args):
    run = subprocess.run(["promtool", "query", *args], text=True, timeout=30,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return run.returncode, run.stdout, run.stderr


def queries(d):
    base, now = d.url("").rstrip("/"), int(time.time()) - 60
    lines = ["m,host=%s v=%d %d" % (h, i, now + i) for h in "ab" for i in range(30)]
    equal(d.write("\n".join(lines), precision="s").status, 204)
    code, out, err = promtool("instant", "--time=%d" % (now + 29), base, 'sum(m_v)')
    equal((code, err), (0, ""))
    check(re.match(r"^\{\} => 58 @\[%d" % (now + 29), out), out)
    code, out, err = promtool("instant", "-o", "json", "--time=%d" % (now + 29), base, 'm_v{host="a"}')
    equal([(r["metric"]["host"], r["value"]) for r in json.loads(out)], [("a", [now + 29, "29"])])
    code, out, err = promtool("range", "-o", "json", "--start=%d" % now, "--end=%d" % (now + 20),
                              "--step=5s", base, 'm_v{host="b"}')
    equal(json.loads(out)[0]["values"], [[now + i, str(i)] for i in (0, 5, 10, 15, 20)])
    code, out, err = promtool("series", "--match=m_v", "--start=%d" % now, "--end=%d" % (now + 29), base)
    equal((code, sorted(re.findall('host="(.)"', out))), (0, ["a", "b"]))
    code, out, err = promtool("labels", base, "host")
    equal((code, out.split()), (0, ["a", "b"]))
    code, out, err = promtool("labels", "--match=m_v", "--start=%d" % now, "--end=%d" % (now + 29), base, "host")
    equal((code, out.split()), (0, ["a", "b"]))
    code, out, err = promtool("series", "--match=m_v{host=\"a\"}", "--match=absent", "--start=%d" % (now + 5),
                              "--end=%d" % (now + 6), base)
    equal((code, re.findall('host="(.)"', out)), (0, ["a"]))
    code, out, err = promtool("series", "--match=m_v", "--start=%d" % (now - 60), "--end=%d" % (now - 30), base)
    equal((code, out.strip()), (0, ""))
    for expr, want in (("1+1", r"^scalar: 2 @\[%d" % now), ("m_v{host='a'}[2s]", r'^m_v\{host="a".*\} =>\n0 @\[%d' % now)):
        code, out, err = promtool("instant", "--time=%d" % now, base, expr)
        equal((code, err), (0, ""))
        check(re.match(want, out), expr, out)
    code, out, err = promtool("range", "--start=%d" % now, "--end=%d" % (now + 1), "--step=1s", base, "m_v[1m]")
    check(code == 1 and "invalid expression type" in err, err)
    code, out, err = promtool("instant", base, "sum(")
    equal(code, 1)
    check("parse error" in err and "bad_data" in err, err)
    print("query instant, range, series, labels: as expected (this promtool has no query analyze)")


def main():
    if not shutil.which("promtool") or not shutil.which("prometheus-node-exporter"):
        sys.exit("promtool and prometheus-node-exporter are needed: packaging/deps.sh peers")
    with Daemon("rules: {builtin: []}\n") as d:
        queries(d)
        wait_until(lambda: d.value("node_load1") is not None, 10)
        time.sleep(2)  # sources that need two looks
        check_metrics(d)


if __name__ == "__main__":
    main()
