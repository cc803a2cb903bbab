#!/usr/bin/env python3
"""The command line: help, suggestions, exit codes, completions, the manual; every example of the
help pages and of the documentation is run."""
import glob
import json
import os
import re
import shutil
import subprocess

from daemon import BINARY, ROOT, SLOW, Daemon, check, equal, main, tocsin, wait_until

GROUPS = ["check", "test", "config"]
SHELL_BLOCK = re.compile(r"<!-- checked: sh -->\n```sh\n(.*?)```", re.S)


def commands():
    """The names in `tocsin help`, by the two blanks before them and the arguments behind."""
    listed = tocsin("help").stdout.split("Commands:\n")[1].split("\n\n")[0]
    words = re.findall(r"^  ((?:[a-z]+ ?)+?)(?: [A-Z\[]| [a-z]+\||  |\n|$)", listed, re.M)
    return [w.strip() for w in words]


def test_every_command_has_a_page():
    names = commands()
    for name in ("run", "check config", "check rules", "query", "labels", "series", "cardinality", "test promql",
                 "test collectors", "config default", "config effective", "completion", "man", "help", "version"):
        check(name in names, name, names)
    for name in names:
        for page in (tocsin("help", *name.split()), tocsin(*name.split(), "--help"), tocsin(*name.split(), "-h")):
            equal(page.returncode, 0)
            for part in ("tocsin %s: " % name, "Usage: tocsin " + name, "Options:", "-h, --help", "Examples:",
                         "Exit codes:\n  0  success\n"):
                check(part in page.stdout, part, page.stdout)
            equal(page.stderr, "")
    equal(tocsin("--help").stdout, tocsin("help").stdout)


def test_a_group_lists_its_commands():
    for group in GROUPS:
        mine = [name for name in commands() if name.startswith(group + " ")]
        check(len(mine) >= 2, mine)
        asked, alone = tocsin(group, "--help"), tocsin(group)
        equal((asked.returncode, asked.stdout), (0, tocsin("help", group).stdout))
        equal((alone.returncode, alone.stdout, alone.stderr), (2, "", asked.stdout))
        for name in mine:
            check("\n  " + name + " " in asked.stdout, name, asked.stdout)
    alone = tocsin()
    equal((alone.returncode, alone.stdout, alone.stderr), (2, "", tocsin("help").stdout))


def test_mistakes_are_told():
    rows = [(["qurey", "up"], 'did you mean "query"?'), (["check", "rulez", "x"], 'did you mean "check rules"?'),
            (["run", "--confg", "x"], 'did you mean "--config"?'), (["run", "--config"], "--config needs FILE"),
            (["run", "extra"], 'unexpected argument "extra"'), (["check", "config"], "needs FILE..."),
            (["run", "--listen", "nonsense"], "HOST:PORT"), (["run", "--listen=127.0.0.1:99999"], "--listen"),
            (["run", "--log-level", "loud"], "is not debug, info, warn, error or off"),
            (["query", "up", "--step", "5s"], "--step needs --since"), (["query", "up", "-o", "xml"], "xml"),
            (["query", "up", "--since", "5mm"], "--since"), (["query"], "needs EXPR"),
            (["query", "up", "--since", "0"], "longer than nothing"),
            (["query", "up", "--since", "1h", "--start", "1"], "exclude"),
            (["query", "up", "--time", "1", "--end", "2"], "exclude"), (["query", "up", "--end", "5"], "--end needs"),
            (["query", "up", "--start", "10", "--end", "5"], "after the end"),
            (["query", "up", "--time", "noon"], "RFC 3339"), (["query", "up", "--limit", "0"], "--limit"),
            (["query", "up", "--limit", "5x"], "as in 50 or 10k"), (["query", "up", "--color", "red"], "never"),
            (["query", "up", "--explain", "-o", "chart"], "--explain"),
            (["query", "up", "--url", "localhost:7788"], "is no URL"),
            (["query", "up", "--url", "ftp://localhost"], "is no URL"),
            (["query", "up", "--token-file", "/nonexistent"], "cannot read"),
            (["labels", "a", "b"], 'unexpected argument "b"'), (["series"], "needs SELECTOR"),
            (["cardinality", "--by", "host"], "all, metric, label or pair"),
            (["completion", "tcsh"], "bash, zsh or fish"), (["--verison"], 'did you mean "--version"?'),
            (["--ulr", "http://x", "query", "up"], 'did you mean "--url"?'),
            (["--url", "http://x", "version"], "unknown option"), (["help", "qurey"], 'did you mean "query"?'),
            (["version", "--help=x"], "takes no value")]
    for args, text in rows:
        run = tocsin(*args)
        equal((args, run.returncode, run.stdout), (args, 2, ""))
        check(text in run.stderr, args, run.stderr)


def test_version_names_the_compiler():
    run = tocsin("version")
    check(re.match(r"tocsin \d+\.\d+\.\d+, built with (gcc|clang) \d+\.\d+\.\d+.*\n$", run.stdout), run.stdout)
    equal(tocsin("--version").stdout, run.stdout)


def test_nobody_reading_is_no_failure():
    for args in (["config", "default"], ["man"], ["test", "collectors"]):
        read, write = os.pipe()
        os.close(read)
        for restore in (True, False):  # SIGPIPE as a shell leaves it, and ignored
            run = subprocess.run([BINARY, *args], stdout=write, stderr=subprocess.PIPE, text=True,
                                 timeout=60 * SLOW, restore_signals=restore)
            equal((args, run.returncode, run.stderr), (args, 0, ""))
        os.close(write)
    if os.path.exists("/dev/full"):
        with open("/dev/full", "w") as full:
            run = subprocess.run([BINARY, "man"], stdout=full, stderr=subprocess.PIPE, text=True)
        equal(run.returncode, 1)
        check("cannot write the output" in run.stderr, run.stderr)


# --- the manual and the completions ---


def test_the_manual_is_good_roff():
    if not shutil.which("groff"):
        print("groff is not installed: the manual is not typeset")
        return
    done = subprocess.run(["groff", "-man", "-ww", "-Tutf8"], input=tocsin("man").stdout, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    equal((done.returncode, done.stderr), (0, ""))
    text = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", done.stdout)
    for part in ("TOCSIN(1)", "check rules", "--token-file FILE", "TOCSIN_URL", "EXIT STATUS"):
        check(part in text, part)


def bash_words(line):
    """What bash offers for the last word of a command line."""
    words = line.split(" ")
    script = 'eval "$(%s completion bash)"; COMP_WORDS=(%s); COMP_CWORD=%d; _tocsin; printf "%%s\\n" "${COMPREPLY[@]}"'
    quoted = " ".join("'%s'" % w for w in words)
    run = subprocess.run(["bash", "-c", script % (BINARY, quoted, len(words) - 1)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, timeout=60 * SLOW, cwd=ROOT)
    equal((run.returncode, run.stderr), (0, ""))
    return set(run.stdout.split())


def test_bash_completes():
    check({"run", "query", "check", "completion"} <= bash_words("tocsin "), bash_words("tocsin "))
    equal(bash_words("tocsin che"), {"check"})
    equal(bash_words("tocsin check "), {"config", "rules", "metrics"})
    equal(bash_words("tocsin query up --ti"), {"--time", "--timeout"})
    equal(bash_words("tocsin query up -o "), {"table", "json", "csv", "chart"})
    equal(bash_words("tocsin query up --color = a"), {"auto", "always"})
    equal(bash_words("tocsin labels -o c"), {"csv"})
    equal(bash_words("tocsin completion "), {"bash", "zsh", "fish"})
    equal(bash_words("tocsin check rules READ"), {"README.md"})
    check("--live" in bash_words("tocsin check rules --"), bash_words("tocsin check rules --"))
    equal(bash_words("tocsin check config --liv"), set())


def test_other_shells_read_their_scripts():
    for shell in ("zsh", "fish"):
        script = tocsin("completion", shell).stdout
        check(len(script) > 1000 and "query" in script, script)
        if not shutil.which(shell):
            print("%s is not installed: its script is not parsed" % shell)
            continue
        run = subprocess.run([shell, "-n"], input=script, stderr=subprocess.PIPE, text=True, timeout=60)
        equal((shell, run.returncode, run.stderr), (shell, 0, ""))


# --- examples ---


class Stage:
    """A folder with the files that examples name, and a daemon that TOCSIN_URL names."""

    def __init__(self):
        self.daemon = Daemon("rules: {builtin: []}\n")

    def __enter__(self):
        d = self.daemon
        self.dir = os.path.join(d.dir, "stage")
        os.makedirs(os.path.join(self.dir, "rules"))
        os.makedirs(os.path.join(self.dir, "bin"))
        os.symlink(BINARY, os.path.join(self.dir, "bin", "tocsin"))
        files = {"tocsin.yaml": "collectors: {interval: 1s}\n",
                 "rules/host.yaml": "groups:\n- name: host\n  rules:\n  - {alert: Busy, expr: node_load1 > 1000}\n",
                 "metrics.prom": "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n",
                 "metrics.om": "# HELP a A.\n# TYPE a counter\na_total 1\n# EOF\n",
                 "my.test": "load 1m\n  m 1+1x5\n\neval instant at 2m m\n  m 3\n"}
        for name, text in files.items():
            with open(os.path.join(self.dir, name), "w") as f:
                f.write(text)
        self.env = {**os.environ, "PATH": os.path.join(self.dir, "bin") + ":" + os.environ["PATH"],
                    "TOCSIN_URL": d.url().rstrip("/")}
        wait_until(lambda: d.value("count_over_time(node_load1[1m]) >= 2"), 20)
        return self

    def __exit__(self, *exc):
        self.daemon.__exit__(*exc)

    def run(self, line):
        if re.match(r"tocsin run\b", line):
            return self.run_daemon(line)
        done = subprocess.run(["bash", "-c", line], cwd=self.dir, env=self.env, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=60 * SLOW)
        told = done.stderr.replace("warning: results truncated due to limit\n", "")
        equal((line, done.returncode, told), (line, 0, ""))
        silent = ">" in line or line.startswith(("eval ", "tocsin check metrics"))
        check(done.stdout or silent, line, "printed nothing")

    def run_daemon(self, line):
        """On a free port, to its first line, and down again."""
        process = subprocess.Popen(["bash", "-c", "exec " + line + " --listen 127.0.0.1:0"], cwd=self.dir,
                                   env=self.env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        first = process.stdout.readline()
        process.terminate()
        process.stdout.close()
        equal(process.wait(20 * SLOW), 0)
        check(first.startswith("tocsin is ready: http://127.0.0.1:"), first)


def test_every_example_runs():
    with Stage() as stage:
        count = 0
        for name in commands():
            page = tocsin("help", *name.split()).stdout
            for line in page.split("Examples:\n")[1].split("\n\n")[0].splitlines():
                stage.run(line.strip())
                count += 1
        equal(count, 2 * len(commands()))


def test_the_documentation_s_commands_run():
    blocks = []
    for path in [os.path.join(ROOT, "README.md"), *glob.glob(os.path.join(ROOT, "docs", "*.md"))]:
        with open(path) as f:
            blocks += SHELL_BLOCK.findall(f.read())
    check(blocks, "no marked block was found")
    with Stage() as stage:
        for block in blocks:
            for line in block.splitlines():
                stage.run(line.replace("build/tocsin", "tocsin"))


def test_documentation_shows_the_defaults():
    with open(os.path.join(ROOT, "docs", "CONFIGURATION.md")) as f:
        text = f.read()
    equal(text.split("```yaml\n")[1].split("```")[0], tocsin("config", "default").stdout)
    with open(os.path.join(ROOT, "docs", "CLI.md")) as f:
        equal(f.read(), tocsin("man", "--markdown").stdout)


# --- other commands ---


def test_check_as_json():
    with Daemon("storag: {}\nlog: {level: loud}\n", start=False) as d:
        run = tocsin("check", "config", d.file, "--json")
        equal(run.returncode, 1)
        problems = json.loads(run.stdout)
        equal([(p["line"], p["column"]) for p in problems], [(1, 1), (2, 14)])
        d.write_config("")
        equal(json.loads(tocsin("check", "config", "--json", d.file).stdout), [])


def test_promql_scripts():
    with Daemon(start=False) as d:
        path = os.path.join(d.dir, "x.test")
        with open(path, "w") as f:
            f.write("load 1m\n  m 1+1x5\n\neval instant at 2m m\n  m 3\n\neval instant at 2m m\n  m 4\n")
        run = tocsin("test", "promql", path)
        equal(run.returncode, 1)
        lines = run.stdout.splitlines()
        equal((lines[0], lines[-1]), ("ok %s:4" % path, "1 passed, 1 failed"))
        check(lines[1].startswith("not ok %s:7: expected" % path), lines)
        equal(tocsin("test", "promql", os.path.join(d.dir, "absent")).returncode, 1)


def test_collectors_print():
    run = tocsin("test", "collectors", "loadavg")
    equal(run.returncode, 0)
    check("\nnode_load1 " in run.stdout and "node_cpu" not in run.stdout, run.stdout)
    equal(tocsin("test", "collectors", "nonesuch").returncode, 1)


if __name__ == "__main__":
    main(globals())
