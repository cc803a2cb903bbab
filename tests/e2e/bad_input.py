#!/usr/bin/env python3
"""Bad input of every kind, at the daemon's doors: it says what is wrong and where, and loses nothing.

Ports and data directories in use are in lifecycle.py, clients and huge bodies in clients.py, errors of
the HTTP API in api.py, bad targets in scrape.py, full disks in full_disk.py.
"""
import os
import random
import shutil
import subprocess
import time
from urllib.parse import urlencode

from daemon import QUIET, ROOT, Daemon, check, equal, main, tocsin, wait_until

HOST = os.path.join(ROOT, "tests/fixtures/host/plain")


def test_configurations():
    """Each row: the text, where it is wrong (None: in another file), what is said."""
    rows = [
        ("storage:\n\tpath: x\n", "2:1", ""),
        ("log: {level: info\n", "2:1", ""),
        ("log: 'info\n", "", ""),
        ("a: &a [*a]\n", "", ""),
        ("log: {level: info}\nlog: {level: warn}\n", "2:1", "duplicate"),
        ("log: [info]\n", "1:6", ""),
        ("storage: {retention: {raw: 5mm}}\n", "1:28", "mm"),
        ("storage: {retention: {raw: 1ms}}\n", "1:28", ""),
        ("storage: {max_bytes: 3 apples}\n", "1:22", ""),
        ("limits: {series: many}\n", "1:18", ""),
        ("limits: {series: -1}\n", "1:18", ""),
        ("collectors: {enabled: perhaps}\n", "1:23", ""),
        ("collectors: {intervall: 1s}\n", "1:14", 'did you mean "interval"?'),
        ("http: {listen: nowhere}\n", "1:16", ""),
        ("node: {name: '${NOT_SET_ANYWHERE}'}\n", "1:14", "NOT_SET_ANYWHERE"),
        ("rules: {files: [absent/dir/rules.yaml]}\n", None, "absent/dir/rules.yaml"),
        ("alerting: {route: {receiver: nobody}}\n", "1:30", "nobody"),
        ("alerting: {receivers: [{name: a, webhook_configs: [{url: 'ftp://x'}]}], route: {receiver: a}}\n",
         "1:52", ""),
        ("scrape_configs: [{job_name: a}, {job_name: a}]\n", "1:44", "a"),
        ("scrape_configs: [{scrape_interval: 1s}]\n", "1:18", "job_name"),
        ("\xff\xfe: 1\n", "", ""),
        ("a: \x01\n", "", ""),
        ("a: \"\x1b[31m\x7f\xff\"\n", "1:", ""),
        ("x: " + "[" * 100 + "]" * 100 + "\n", "", ""),
        ("x: 1\n" * 300000, "", ""),
        ("a: &a [1,1,1,1,1,1,1,1]\n" + "".join(
            "%s: &%s [%s]\n" % (b, b, ",".join(["*" + a] * 8)) for a, b in zip("abcdefgh", "bcdefghi")),
         "", ""),
        ("- a list\n", "1:1", ""),
        ("just text\n", "1:1", ""),
    ]
    with Daemon(start=False) as d:
        for text, where, said in rows:
            with open(d.file, "wb") as f:
                f.write(text.encode("latin-1"))
            began = time.monotonic()
            run = tocsin("check", "config", d.file)
            shown = (text[:60], run.returncode, run.stderr[:600])
            check(run.returncode == 1 and run.stdout == "", *shown)
            check(time.monotonic() - began < 5, *shown)
            place = "" if where is None else "tocsin.yaml" + (":" + where if where else "")
            check(place in run.stderr and said in run.stderr, *shown)
            check(not set(run.stderr) & set(map(chr, (0, 1, 27, 127))), *shown)  # safe on a terminal
            check("error" in run.stderr.splitlines()[-1] and len(run.stderr) < 20000, *shown)


RULE_ROWS = [
    ("groups: {}\n", "1:9", ""),
    ("groups:\n- name: g\n  rules:\n  - expr: 1\n", "4:", ""),
    ("groups:\n- name: g\n  rules:\n  - {alert: A, record: b, expr: 1}\n", "4:", ""),
    ("groups:\n- name: g\n  rules:\n  - {alert: A}\n", "4:", "expr"),
    ("groups:\n- name: g\n  rules:\n  - {alert: A, expr: 'sum('}\n", "4:", ""),
    ("groups:\n- name: g\n  rules:\n  - {alert: A, expr: 1, for: 5mm}\n", "4:", "mm"),
    ("groups:\n- name: g\n  rules:\n  - {record: b, expr: 1, for: 5m}\n", "4:", "for"),
    ("groups:\n- name: g\n  rules:\n  - {record: 'b c', expr: 1, labels: {__name__: x}}\n", "4:", ""),
    ("groups:\n- name: g\n  rules:\n  - {alert: A, expr: 1, annotations: {s: '{{ .Nope'}}\n", "4:", ""),
    ("groups:\n- name: g\n  rules:\n  - {alert: A, exprr: 1}\n", "4:", 'did you mean "expr"?'),
    ("groups:\n- {name: g, rules: []}\n- {name: g, rules: []}\n", "3:", "g"),
    ("groups:\n- name: g\n  interval: -1s\n  rules: []\n", "3:", ""),
    ("groups:\n- name: g\n  rules:\n  - {alert: A, expr: '" + "(" * 5000 + "'}\n", "4:", ""),
    ("group: []\n", "1:1", 'did you mean "groups"?'),
    ("\0\0\0", "", ""),
]


def test_rule_files():
    with Daemon(start=False) as d:
        path = os.path.join(d.dir, "r.yaml")
        for text, where, said in RULE_ROWS:
            with open(path, "w") as f:
                f.write(text)
            run = tocsin("check", "rules", path)
            shown = (text[:80], run.returncode, run.stderr[:600])
            check(run.returncode == 1, *shown)
            check("r.yaml:" + where in run.stderr if where else "r.yaml" in run.stderr, *shown)
            check(said in run.stderr, *shown)


def test_a_running_daemon_refuses_broken_rules():
    """Every broken file, at a reload: 400 with the place, and the good rule goes on."""
    good = "groups:\n- {name: g, interval: 200ms, rules: [{record: ok, expr: vector(1)}]}\n"
    with Daemon("collectors: {enabled: false}\nrules: {builtin: [], files: [r.yaml]}\n", start=False) as d:
        path = os.path.join(d.dir, "r.yaml")
        with open(path, "w") as f:
            f.write(good)
        d.start()
        wait_until(lambda: d.value("ok") == 1)
        for text, where, _ in RULE_ROWS:
            with open(path, "w") as f:
                f.write(text)
            a = d.post("/-/reload")
            equal((text[:60], a.status), (text[:60], 400))
            check("r.yaml:" in a.json()["error"], a)
            equal(a.json()["error"].count(" in 1 file"), 1)
        before = d.value("count_over_time(ok[1m])")
        wait_until(lambda: d.value("count_over_time(ok[1m])") > before)
        wait_until(lambda: d.own("tocsin_config_last_reload_successful") == 0)
        check("put back" not in d.read_log())
        with open(path, "w") as f:
            f.write(good)
        equal(d.post("/-/reload").status, 200)


def test_queries():
    rows = ["", "sum(", "m[", "m[5m", "{", "{}", '{a=""}', "1 +", "m offset", "sum by (", "rate(m)",
            "rate(m[5m], 1)", "nosuch(m)", "m @ x", '"', "'\\q'", "m == bool", "m{a=~'('}", "m{a=~'(?<=x)'}",
            "1 and 2", "m[5m:1x]", "m[1000000y]", "absent(", ")", "\0", "m\0n", "\xff", "m{" * 1000, "-" * 50000,
            "m and on() group_left() m", "topk(m)", "m[5m][5m]", "quantile(m)", "1e", "0x", "m{a!}", "m{1='x'}"]
    rng = random.Random(20)
    alphabet = "m({[]})\"'=~!,.:@-+*/%^ \n0159abs sum by rate offset bool and"
    rows += ["".join(rng.choice(alphabet) for _ in range(rng.randrange(1, 60))) for _ in range(200)]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with Daemon() as d:
        d.write("m v=1")
        for i, text in enumerate(rows):
            a = d.post("/api/v1/query", urlencode({"query": text.encode("latin-1")}), form)
            check(a.status in ((400,) if i < 37 else (200, 400, 422)), text[:80], a)
            if a.status != 200:
                body = a.json()
                equal((body["status"], body["errorType"]), ("error", "bad_data" if a.status == 400 else "execution"))
                check(0 < len(body["error"]) < 4000, text[:80], a)
        equal(d.value("m_v"), 1)


def test_lines():
    """Bad lines among good ones: the good are stored, the first bad one is named, all are counted."""
    bad = ["bad", "bad ", "bad v", "bad v=", "bad v=1 x", "bad v=1 1 1", ",a=b v=1", "bad,a v=1", "bad,=b v=1",
           "bad,a= v=1", 'bad v="open', "bad v=1i2", "bad v=0x10", "bad v=1e999", "bad v=nan", "bad =1",
           "bad v=1,", "bad v=1 99999999999999999999", "bad,x=" + "y" * 5000 + " v=1", "bad\0 v=1"]
    with Daemon() as d:
        for i, line in enumerate(bad):
            a = d.write("good,row=%d v=1\n%s\nfine,row=%d v=2\n" % (i, line, i))
            equal((line[:40], a.status), (line[:40], 400))
            check("line 2" in a.json()["error"] and "dropped=1" in a.json()["error"], line[:40], a)
        for name in ("good_v", "fine_v"):
            equal(d.value("count(%s)" % name), len(bad))
        equal(d.query('{__name__=~"bad.*"}'), [])
        rng = random.Random(7)
        for _ in range(100):
            junk = bytes(rng.randrange(256) for _ in range(rng.randrange(1, 400)))
            check(d.post("/write", junk).status in (204, 400))
        equal(d.value("count(good_v)"), len(bad))
        # too many series: known ones go on
    with Daemon(QUIET + "limits: {series: 100}\n") as d:
        equal(d.write("known v=1").status, 204)
        a = d.write("\n".join("flood,s=%d v=1" % i for i in range(500)))
        check(a.status in (400, 503) and a.json()["error"], a)
        equal(d.write("known v=2").status, 204)
        equal(d.value("known_v"), 2)


GARBAGE = {
    "empty": b"",
    "binary": bytes(range(256)) * 20,
    "words": b"not what the kernel writes\n" * 50,
    "numbers": b"99999999999999999999999 -1 nan 0x12 1e400 :\n" * 50,
    "one long line": b"9" * 3000000,
    "cut short": None,  # the first half of what was there
}


def damage(tree, path, kind):
    full = os.path.join(tree, path)
    if kind == "a folder":
        os.unlink(full)
        os.mkdir(full)
    elif kind == "a loop":
        os.unlink(full)
        os.symlink(os.path.basename(full), full)
    elif kind == "gone":
        os.unlink(full)
    else:
        with open(full, "rb") as f:
            whole = f.read()
        with open(full, "wb") as f:
            f.write(whole[:len(whole) // 2] if GARBAGE[kind] is None else GARBAGE[kind])


def fixture_files():
    out = []
    for folder, _, names in os.walk(HOST):
        out += [os.path.relpath(os.path.join(folder, n), HOST) for n in names]
    return sorted(f for f in out if "/devices/" not in f)


def test_a_host_whose_files_cannot_be_read():
    """Every file of a host in every bad shape: a collection ends, and says which source failed."""
    files = fixture_files()
    check(len(files) > 25, files)
    for kind in [*GARBAGE, "a folder", "a loop", "gone"]:
        with Daemon(start=False) as d:
            tree = os.path.join(d.dir, "host")
            shutil.copytree(HOST, tree, symlinks=True)
            for path in files:
                damage(tree, path, kind)
            run = tocsin("test", "collectors", "--host-root", tree)
            check(run.returncode in (0, 1), kind, run)
            for line in run.stdout.splitlines():
                check(line.startswith("#") or " " in line, kind, line[:200])


def test_one_bad_source_leaves_the_others_alone():
    with Daemon("collectors: {interval: 200ms}\nrules: {builtin: []}\n", start=False) as d:
        tree = os.path.join(d.dir, "host")
        shutil.copytree(HOST, tree, symlinks=True)
        d.args = ["--host-root", tree]
        d.start()
        up = 'tocsin_collector_up{collector="loadavg"}'
        wait_until(lambda: d.value(up) == 1 and d.query("node_memory_MemTotal_bytes"))
        kept = os.path.join(d.dir, "kept")
        path = os.path.join(tree, "proc/loadavg")
        shutil.copy(path, kept)
        # the daemon keeps files open as the kernel's never change: what it sees is a file cut short
        with open(path, "r+b") as f:
            f.truncate(0)
            f.write(b"nonsense\n")
        wait_until(lambda: d.value(up) == 0)
        slots = d.value('count_over_time(node_memory_MemTotal_bytes[1m])')
        wait_until(lambda: d.value('count_over_time(node_memory_MemTotal_bytes[1m])') > slots + 5)
        equal(d.query("node_load1"), [])
        equal(d.get("/-/ready").status, 200)
        equal(d.read_log().count("loadavg"), 1)  # told once, not each time
        shutil.copyfile(kept, path)
        wait_until(lambda: d.value(up) == 1 and d.query("node_load1"))


def test_places_that_cannot_be_used():
    with Daemon(start=False) as d:
        listen = ["--listen", "127.0.0.1:0"]
        for args, said in ((["--data", d.file], d.file), (["--data", "/proc/nowhere"], "/proc/nowhere"),
                           (["--data", d.data, "--config", d.dir], d.dir),
                           (["--data", d.data, "--config", d.file, "--host-root", d.dir + "/absent"], "absent"),
                           (["--data", d.data, "--config", d.dir + "/absent.yaml"], "absent.yaml")):
            if "--config" not in args:
                args = args + ["--config", d.file]
            try:
                run = tocsin("run", *args, *listen)
            except subprocess.TimeoutExpired:
                raise AssertionError("started: %r" % args)
            equal((args, run.returncode), (args, 1))
            check(said in run.stderr and len(run.stderr.splitlines()) < 8, args, run.stderr)


if __name__ == "__main__":
    main(globals())
