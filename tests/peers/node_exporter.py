#!/usr/bin/env python3
"""Compares the host collectors with a running node_exporter (Debian's 1.5), metric by metric.

node_exporter is scraped, then tocsin collects once, then node_exporter is scraped again: what both
call by one name must have one type, one help text and the same labels, and tocsin's value must lie
between the two scrapes (counters exactly so, gauges give or take what changes meanwhile).
Differences that are meant to be stand in node_exporter.known, one a line with its reason; one that
is listed and does not occur is harmless, since machines differ in what they have.
"""
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request

COLLECTORS = ["cpu", "stat", "meminfo", "vmstat", "loadavg", "pressure", "diskstats", "netdev",
              "netstat", "sockstat", "softnet", "filesystem", "netclass", "uname"]
# Debian changes some defaults: say upstream's, which are ours too.
FLAGS = [
    "--collector.disable-defaults",
    "--collector.netdev.device-exclude=^$",
    "--collector.netclass.ignored-devices=^$",
    r"--collector.diskstats.device-exclude=^(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$",
    "--collector.filesystem.mount-points-exclude="
    "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)($|/)",
    "--collector.filesystem.fs-types-exclude="
    "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660"
    "|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|erofs|sysfs"
    "|tracefs)$",
]
# A gauge can leap between two reads (sockets opened by a test beside this one) and come back: only a
# difference that stands in every round is one.
ROUNDS = 5
HERE = os.path.dirname(os.path.abspath(__file__))
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse(text):
    families = {}
    for line in text.split("\n"):
        if line.startswith("# HELP ") or line.startswith("# TYPE "):
            kind, name, rest = (line[2:].split(" ", 2) + [""])[:3]
            families.setdefault(name, {"samples": {}})[kind] = rest
        elif line and not line.startswith("#"):
            m = SAMPLE.match(line)
            labels = dict(LABEL.findall(m.group(2) or ""))
            family = families.setdefault(m.group(1), {"samples": {}})
            family["samples"][frozenset(labels.items())] = float(m.group(3))
    return {n: f for n, f in families.items()
            if n.startswith("node_") and not n.startswith(("node_scrape_", "node_exporter_"))}


def read_known():
    known = set()
    with open(os.path.join(HERE, "node_exporter.known"), encoding="utf-8") as f:
        for line in f:
            line = line.split("#")[0].split()
            if line:
                known.add(tuple(line))
    return known


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as r:
        return parse(r.read().decode())


def start_node_exporter():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    argv = ["prometheus-node-exporter", *FLAGS, f"--web.listen-address=127.0.0.1:{port}"]
    p = subprocess.Popen(argv + [f"--collector.{c}" for c in COLLECTORS],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(100):
        try:
            scrape(port)
            return p, port
        except OSError:
            time.sleep(0.1)
    p.kill()
    p.wait()
    sys.exit("node_exporter does not answer")


def collect():
    build = os.environ.get("BUILD", "build")
    run = subprocess.run([f"{build}/tocsin", "test", "collectors", *COLLECTORS],
                         capture_output=True, check=False)
    if run.returncode:
        sys.exit(f"tocsin test collectors: {run.stderr.decode()}")
    return parse(run.stdout.decode())


def without(labels, names):
    return frozenset((k, v) for k, v in labels if k not in names)


def close(kind, before, ours, after):
    """Whether ours may have been read between before and after."""
    low, high = min(before, after), max(before, after)
    slack = 1e-9 * max(abs(low), abs(high))
    if kind != "counter":  # gauges move both ways between scrapes
        slack = 0.05 * max(abs(low), abs(high)) + 8 * 1024 * 1024 * (high > 1e6) + 2
    return low - slack <= ours <= high + slack


def compare(before, ours, after, known):
    problems = []

    def report(*difference):
        if difference[:3] not in known and difference[:2] not in known:
            problems.append(" ".join(difference))

    for name in sorted(set(before) | set(ours)):
        if name not in ours:
            report("missing", name)
            continue
        if name not in before:
            report("extra", name)
            continue
        for key in ("TYPE", "HELP"):
            if before[name].get(key) != ours[name].get(key):
                report(key.lower(), name, f"({ours[name].get(key)} / {before[name].get(key)})")
        ignored = {k[2] for k in known if k[0] == "label" and k[1] in (name, "*") and len(k) == 3}
        theirs = {without(l, ignored): v for l, v in before[name]["samples"].items()}
        later = {without(l, ignored): v for l, v in after[name]["samples"].items()}
        mine = {without(l, ignored): v for l, v in ours[name]["samples"].items()}
        for labels in sorted(set(theirs) ^ set(mine), key=sorted):
            report("labels", name, f"{dict(labels)} only {'ours' if labels in mine else 'theirs'}")
        for labels in set(theirs) & set(mine) & set(later):
            if not close(before[name].get("TYPE"), theirs[labels], mine[labels], later[labels]):
                report("value", name, f"{dict(labels)} {mine[labels]} not within "
                                      f"{theirs[labels]}..{later[labels]}")
    return problems


def main():
    known = read_known()
    p, port = start_node_exporter()
    try:
        for _ in range(ROUNDS):
            before = scrape(port)
            ours = collect()
            after = scrape(port)
            problems = compare(before, ours, after, known)
            if not any(problem.startswith("value ") for problem in problems):
                break
    finally:
        p.terminate()
        p.wait()
    for problem in problems:
        print(problem)
    same = len(set(before) & set(ours))
    print(f"{same} families compared, {len(problems)} unknown differences")
    return 1 if problems or same < 50 else 0


if __name__ == "__main__":
    sys.exit(main())
