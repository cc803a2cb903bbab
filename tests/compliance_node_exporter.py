#!/usr/bin/env python3
"""Compares one collection over node_exporter's fixture tree with its expected exposition.

usage: compliance_node_exporter.py DIR     (the corpus folder node_exporter; $BUILD/tocsin is asked)

Every family of a collector that tocsin has counts as one case: type, help and the set of lines must
be the same, values as the same double. Families whose values change from run to run are compared as
far as the corpus gives lines; those of netdev come from the running kernel, so names and labels
alone. Families of collectors tocsin does not have are named at the end, and not counted.
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$", re.S)


def find(folder, stem, suffix):
    """The corpus file called stem, whatever infix stands before its suffix."""
    for name in sorted(os.listdir(folder)):
        if name.startswith(stem + ".") and name.endswith("." + suffix):
            return os.path.join(folder, name)
    sys.exit(f"no {stem}*.{suffix} in {folder}")


def families(text):
    out = {}
    for line in text.split("\n"):
        if line.startswith("# HELP ") or line.startswith("# TYPE "):
            kind, name, rest = (line[2:].split(" ", 2) + [""])[:3]
            out.setdefault(name, {"lines": {}})[kind] = rest
        elif line and not line.startswith("#"):
            m = SAMPLE.match(line)
            if not m:  # one label value of dmi holds a raw newline; it stays two lines
                out.setdefault(line, {"lines": {}})
                continue
            family = out.setdefault(m.group(1), {"lines": {}})
            family["lines"][m.group(1) + (m.group(2) or "")] = float(m.group(3))
    return out


def copy_tree(folder, to):
    """A copy of the fixtures with the links and empty folders that a transport may have lost."""
    fixtures = os.path.join(to, "fixtures")
    shutil.copytree(os.path.join(folder, "fixtures"), fixtures, symlinks=True)
    for path, _, _ in os.walk(fixtures):
        os.chmod(path, 0o755)
    with open(find(folder, "layout", "tsv")) as f:
        for line in f:
            kind, path, target = (line.rstrip("\n").split("\t") + ["", ""])[:3]
            path = os.path.join(fixtures, path)
            if kind == "dir":
                os.makedirs(path, exist_ok=True)
            elif kind == "link" and not os.path.islink(path):
                if os.path.exists(path):
                    os.remove(path)
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.symlink(target, path)
    return fixtures


def collect(fixtures):
    """One collection over the tree; netdev's families come from the running kernel."""
    options = [
        "cpu",
        "cpu_info:info=true;bugs=^(cpu_meltdown|spectre_.*|mds)$;flags=^(aes|avx.?|constant_tsc)$",
        "stat:softirqs=true", "meminfo", "vmstat", "loadavg", "pressure",
        f"diskstats:udev_path={fixtures}/udev/data", "netstat", "sockstat", "softnet",
        "netclass:device_exclude=(dmz|int);ignore_invalid_speed=true",
    ]
    out = run("--proc-root", f"{fixtures}/proc", "--sys-root", f"{fixtures}/sys", *options)
    live = run("netdev:device_include=^lo$", "netclass:device_include=^lo$")
    out.update({name: live[name] for name in live if is_live(name)})
    return out


def run(*arguments):
    build = os.environ.get("BUILD", "build")
    done = subprocess.run([f"{build}/tocsin", "test", "collectors", *arguments],
                          capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"tocsin test collectors failed: {done.stderr.decode()}")
    return families(done.stdout.decode())


def is_live(name):
    return re.match(r"node_network_(receive|transmit)_.*_total$", name)


def differences(name, want, got):
    out = []
    for key in ("TYPE", "HELP"):
        if want.get(key, "") != got.get(key, ""):
            out.append(f"{key}: {got.get(key)!r}, expected {want.get(key)!r}")
    if not want["lines"]:  # values left out of the corpus
        return out
    for line, value in want["lines"].items():
        if line not in got["lines"]:
            out.append(f"missing {line}")
        elif not is_live(name) and got["lines"][line] != value:
            out.append(f"{line} {got['lines'][line]!r}, expected {value!r}")
    out += [f"not expected: {line}" for line in got["lines"] if line not in want["lines"]]
    return out


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    folder = sys.argv[1]
    with open(find(folder, "expected", "prom"), "rb") as f:
        want = families(f.read().decode())
    with open(find(folder, "collectors", "json")) as f:
        collectors = json.load(f)
    with tempfile.TemporaryDirectory() as to:
        got = collect(copy_tree(folder, to))
    passed = failed = 0
    absent = []
    for collector, names in sorted(collectors.items()):
        names = [n for n in names if n in want]
        if not any(n in got for n in names):
            absent.append(collector)
            continue
        for name in names:
            problems = differences(name, want[name], got[name]) if name in got else ["not emitted"]
            failed += bool(problems)
            passed += not problems
            for p in problems[:5]:
                print(f"node_exporter: {collector}: {name}: {p}")
    if absent:
        print("node_exporter: collectors not built: " + " ".join(absent))
    print(f"node_exporter: {passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
