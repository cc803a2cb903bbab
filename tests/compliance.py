"""Runs every conformance corpus found in a folder, and compares with what this project claims.

    compliance.py BUILD DIR

Prints `name: N passed, N failed` for each corpus (`name: skipped (why)` for those that are absent
or have no code yet), then the closing line `N passed, N failed`, which counts the corpora claimed in
tests/compliance.expected. The exit status is 1 when one of those is below its minimum.
"""

import collections
import glob
import json
import os
import re
import subprocess
import sys

CLASSES = ("core", "recent", "native-histogram", "experimental")
CASE_LINE = re.compile(r"^(ok|not ok) (.+?):(\d+)\b(.*)")
SCORE_LINE = re.compile(r"^(\S.*): (\d+) passed, (\d+) failed$")
SHOWN = 20  # failures of one corpus


def run(*argv):
    return subprocess.run(argv, capture_output=True, text=True, errors="replace", check=False)


class Runner:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.program = os.path.join(build, "tocsin")
        self.scores = {}

    def found(self, pattern):
        return sorted(glob.glob(os.path.join(self.folder, pattern)))

    def can(self, *command):
        """Whether the program has this subcommand."""
        return run(self.program, *command, "--help").returncode == 0

    def score(self, name, passed, failed):
        self.scores[name] = (passed, failed)
        print(f"{name}: {passed} passed, {failed} failed", flush=True)

    def skip(self, name, why):
        print(f"{name}: skipped ({why})", flush=True)

    def complain(self, name, lines):
        for line in lines[:SHOWN]:
            print(f"{name}: {line}", file=sys.stderr)
        if len(lines) > SHOWN:
            print(f"{name}: and {len(lines) - SHOWN} more", file=sys.stderr)

    # --- corpora of cases, in C

    def cases(self):
        """Every test_compliance* that is built, the special ones first: what they score stands."""
        programs = glob.glob(os.path.join(self.build, "tests/unit/test_compliance*"))
        for program in sorted(programs, reverse=True):
            if not program.endswith(".d"):
                self.cases_of(program)

    def cases_of(self, program):
        done = run(program, self.folder)
        sys.stderr.write(done.stderr)
        before = set(self.scores)
        for line in done.stdout.splitlines():
            m = SCORE_LINE.match(line)
            if m and m[1] in before:
                continue
            print(line, flush=True)
            if m:
                self.scores[m[1]] = (int(m[2]), int(m[3]))
        if done.returncode != 0:
            self.score(os.path.basename(program), 0, 1)

    # --- PromQL scripts, by class

    def verdicts(self, path):
        """What the program says about each case of a script: {line: (passed, text)}."""
        out = {}
        for line in run(self.program, "test", "promql", path).stdout.splitlines():
            m = CASE_LINE.match(line)
            if m:
                out[int(m[3])] = (m[1] == "ok", line)
        return out

    def scripts(self):
        scripts, indexes = self.found("promql/*.test"), self.found("promql/cases*.json")
        why = None
        if not scripts or not indexes:
            why = "no promql/*.test with cases.json"
        elif not self.can("test", "promql"):
            why = "no tocsin test promql"
        if why:
            for name in CLASSES:
                self.skip(f"promql {name}", why)
            return
        index = [case for path in indexes for case in json.load(open(path, encoding="utf-8"))]
        verdicts = {os.path.basename(path): self.verdicts(path) for path in scripts}
        count = {name: [0, 0] for name in CLASSES}
        bad = collections.defaultdict(list)
        for case in index:
            if case["file"] not in verdicts:
                continue
            ok, text = verdicts[case["file"]].get(case["line"], (False, "no verdict on this case"))
            count.setdefault(case["class"], [0, 0])[0 if ok else 1] += 1
            if not ok:
                bad[case["class"]].append(f"{case['file']}:{case['line']}: {case['expr']}: {text}")
        for name, (passed, failed) in count.items():
            self.complain(f"promql {name}", bad[name])
            self.score(f"promql {name}", passed, failed)

    # --- node_exporter's fixture tree, family by family

    def node_exporter(self):
        if not os.path.isdir(os.path.join(self.folder, "node_exporter")):
            return self.skip("node_exporter", "no node_exporter/")
        if not self.can("test", "collectors"):
            return self.skip("node_exporter", "no tocsin test collectors")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compliance_node_exporter.py")
        os.environ["BUILD"] = self.build
        done = run(sys.executable, script, os.path.join(self.folder, "node_exporter"))
        lines = (done.stdout + done.stderr).strip().splitlines()
        m = SCORE_LINE.match(lines[-1]) if lines else None
        if not m:
            self.complain("node_exporter", lines)
            return self.score("node_exporter", 0, 1)
        self.complain("node_exporter", [line.partition(": ")[2] for line in lines[:-1]])
        return self.score("node_exporter", int(m[2]), int(m[3]))


def expected():
    """Corpus -> least percentage, from tests/compliance.expected."""
    out = {}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compliance.expected")
    for line in open(path, encoding="utf-8"):
        line = line.split("#")[0].strip()
        if line:
            name, percent = line.rsplit(None, 1)
            out[name] = float(percent)
    return out


def main(build, folder):
    if not os.path.isdir(folder):
        print("usage: make compliance COMPLIANCE=DIR", file=sys.stderr)
        return 2
    runner = Runner(build, folder)
    runner.cases()
    runner.scripts()
    runner.node_exporter()
    claimed, passed, failed, low = expected(), 0, 0, 0
    for name, (good, bad) in runner.scores.items():
        if name not in claimed:
            print(f"(not counted below: {name})")
            continue
        passed, failed = passed + good, failed + bad
        percent = 100 * good / max(good + bad, 1)
        if percent < claimed[name]:
            low += 1
            print(f"below its minimum: {name}: {percent:.1f} %, not {claimed[name]:g} %")
    print(f"{passed} passed, {failed} failed")
    return 1 if low or not passed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
