#!/usr/bin/env python3
"""The command line: help, suggestions, exit codes, output formats; the documentation's copy of it."""
import json
import os
import time

from daemon import ROOT, Daemon, check, equal, main, tocsin

COMMANDS = ["run", "check config", "check rules", "query", "test promql", "test collectors",
            "config default", "config effective", "version"]


def test_every_command_has_a_page():
    listed = tocsin("help")
    equal(listed.returncode, 0)
    for name in COMMANDS:
        check("\n  " + name + " " in listed.stdout, name, listed.stdout)
        for page in (tocsin("help", *name.split()), tocsin(*name.split(), "--help"), tocsin(*name.split(), "-h")):
            equal(page.returncode, 0)
            for part in ("tocsin %s: " % name, "Usage: tocsin " + name, "Options:", "Examples:", "Exit codes: 0 "):
                check(part in page.stdout, part, page.stdout)
            equal(page.stderr, "")
    equal(tocsin().returncode, 2)


def test_mistakes_are_told():
    rows = [(["qurey", "up"], 'did you mean "query"?'), (["check", "rulez", "x"], 'did you mean "check rules"?'),
            (["run", "--confg", "x"], 'did you mean "--config"?'), (["run", "--config"], "--config needs FILE"),
            (["run", "extra"], 'unexpected argument "extra"'), (["check", "config"], "needs FILE..."),
            (["query", "up", "--step", "5s"], "--step needs --since"), (["query", "up", "-o", "xml"], "xml"),
            (["query", "up", "--since", "5mm"], "--since"), (["query"], "needs EXPR"),
            (["version", "--help=x"], "unknown option")]
    for args, text in rows:
        run = tocsin(*args)
        equal((args, run.returncode, run.stdout), (args, 2, ""))
        check(text in run.stderr, args, run.stderr)


def test_query_prints_and_fails():
    now = int(time.time()) - 100
    with Daemon() as d:
        d.write("\n".join('m,host=h"%d v=%d %d' % (h, h + i, now + i) for h in (1, 2) for i in range(10)), precision="s")
        url = "--url=" + d.url()
        run = tocsin("query", "sum(m_v)", url, "--time", str(now + 9))
        equal((run.returncode, run.stdout, run.stderr), (0, "{}\t21\n", ""))
        run = tocsin("query", "1+1", url)
        equal(run.stdout, "scalar\t2\n")
        run = tocsin("query", 'm_v{host="h\\"1"}', url, "--time", str(now), "-o", "csv")
        equal(run.stdout.splitlines()[0], "series,time,value")
        check('host=""h\\""1""' in run.stdout, run.stdout)
        run = tocsin("query", "m_v", url, "--since", "1h", "--step", "1m", "-o", "json")
        equal(json.loads(run.stdout)["resultType"], "matrix")
        run = tocsin("query", "rate(m_v[5m)", url)
        equal((run.returncode, run.stdout), (1, ""))
        check("rate(m_v[5m)" in run.stderr and "^" in run.stderr, run.stderr)
        run = tocsin("query", 'label_replace(m_v, "a b", "", "", "(")', url)
        equal(run.returncode, 1)
    equal(tocsin("query", "1", "--url", "http://127.0.0.1:1").returncode, 4)


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


def test_documentation_shows_the_defaults():
    with open(os.path.join(ROOT, "docs", "CONFIGURATION.md")) as f:
        text = f.read()
    equal(text.split("```yaml\n")[1].split("```")[0], tocsin("config", "default").stdout)


if __name__ == "__main__":
    main(globals())
