#!/usr/bin/env python3
"""tocsin query: output formats, charts on terminals, --explain, errors and exit codes; against the
daemon, and against a server that says what the test wants."""
import csv
import io
import json
import os
import re
import socket
import subprocess
import time

from daemon import BINARY, SLOW, Daemon, check, equal, main, tocsin
from fake_api import FakeApi, failure, success
from terminal import on_terminal

QUERY, RANGE = "/api/v1/query", "/api/v1/query_range"
BRAILLE = re.compile("[\u2801-\u28ff]")


def columns_of(line):
    return len(re.sub(r"\x1b\[[0-9;]*m", "", line))


def matrix(count, points=50, start=1700000000):
    return {"resultType": "matrix", "result": [
        {"metric": {"__name__": "m", "job": "j", "host": "h%05d" % k},
         "values": [[start + 60 * i, str(k + i)] for i in range(points)]} for k in range(count)]}


# --- against the daemon ---


def test_query_prints_and_fails():
    now = int(time.time()) - 100
    with Daemon() as d:
        d.write("\n".join('m,host=h"%d v=%d %d' % (h, h + i, now + i) for h in (1, 2) for i in range(10)), precision="s")
        url = "--url=" + d.url()
        run = tocsin("query", "sum(m_v)", url, "--time", str(now + 9))
        equal((run.returncode, run.stdout, run.stderr), (0, "{}\t21\n", ""))
        equal(tocsin(url, "query", "sum(m_v)", "--time", str(now + 9)).stdout, run.stdout)
        run = tocsin("query", "-", url, "--time", str(now + 9), input="sum(\n  m_v\n)\n")
        equal(run.stdout, "{}\t21\n")
        run = tocsin("query", "1+1", env={**os.environ, "TOCSIN_URL": d.url()})
        equal(run.stdout, "scalar\t2\n")
        equal(tocsin("query", '"x"', url).stdout, "string\tx\n")
        run = tocsin("query", 'm_v{host="h\\"1"}', url, "--time", str(now), "-o", "csv")
        equal(run.stdout.splitlines()[0], "series,time,value")
        check('host=""h\\""1""' in run.stdout, run.stdout)
        run = tocsin("query", "m_v", url, "--since", "1h", "--step", "1m", "-o", "json")
        equal(json.loads(run.stdout)["resultType"], "matrix")
        run = tocsin("query", "absent_metric", url)
        equal((run.returncode, run.stdout, run.stderr), (0, "", "note: no series\n"))
        equal(tocsin("query", "absent_metric", url, "-q").stderr, "")
        equal(json.loads(tocsin("query", "absent_metric", url, "-o", "json").stdout)["result"], [])


def test_mistakes_are_marked():
    with Daemon() as d:
        url = "--url=" + d.url()
        run = tocsin("query", "rate(m_v[5m)", url)
        equal((run.returncode, run.stdout), (1, ""))
        check(run.stderr.startswith("error: "), run.stderr)
        check("1 | rate(m_v[5m)\n" in run.stderr and "^" in run.stderr, run.stderr)
        run = tocsin("query", "sum(\n  rate(m_v)\n)", url)
        check("2 |   rate(m_v)\n  |        ^" in run.stderr, run.stderr)
        equal(tocsin("query", 'label_replace(m_v, "a b", "", "", "(")', url).returncode, 1)


def test_a_range_of_the_daemon_is_drawn():
    now = int(time.time()) - 1200
    with Daemon() as d:
        d.write("\n".join("net,if=%s rx_bytes_total=%d %d" % (n, 1e6 * i, now + 10 * i)
                          for n in ("eth0", "eth1") for i in range(100)), precision="s")
        url = "--url=" + d.url()
        code, shown, stderr = on_terminal("query", "rate(net_rx_bytes_total[1m])", url, "--since", "30m")
        equal((code, stderr), (0, ""))
        check(BRAILLE.search(shown) and "KiB/s" in shown, shown)
        check('if="eth0"' in shown and "job" not in shown, shown)
        run = tocsin("query", "rate(net_rx_bytes_total[1m])", url, "--since", "30m", "-o", "chart",
                     env={**os.environ, "LC_ALL": "C", "COLUMNS": "70", "LINES": "20"})
        check(run.stdout.isascii() and run.stdout.count("\n") <= 20, run.stdout)
        check(max(map(len, run.stdout.splitlines())) <= 70, run.stdout)


# --- formats ---


ODD = {"resultType": "vector", "result": [
    {"metric": {"__name__": "m", "a": "x\ty\x1b[31m"}, "value": [1700000000.123, "NaN"]},
    {"metric": {"__name__": "m", "a": "a,\"b\""}, "value": [1700000000, "+Inf"]},
    {"metric": {"__name__": "m", "a": "hist"}, "histogram": [1700000000, {"count": "3", "sum": "1.5"}]}]}


def test_rows_and_csv_and_json():
    with FakeApi({QUERY: lambda form: success(ODD, warnings=["careful (1:1)"], infos=["by the way"])}) as api:
        run = tocsin("query", "m", "--url", api.url)
        equal(run.stderr, "warning: careful (1:1)\ninfo: by the way\n")
        rows = run.stdout.splitlines()
        equal(rows[0], 'm{a="x\\x09y\\x1b[31m"}\tNaN')
        equal(rows[1], 'm{a="a,\\"b\\""}\t+Inf')
        check(rows[2].startswith('m{a="hist"}\t{"count":"3"'), rows)
        run = tocsin("query", "m", "--url", api.url, "-o", "csv", "-q")
        equal(run.stderr, "")
        table = list(csv.reader(io.StringIO(run.stdout)))
        equal(table[0], ["series", "time", "value"])
        equal(table[1][1:], ["2023-11-14T22:13:20.123Z", "NaN"])
        equal(table[2][0], 'm{a="a,\\"b\\""}')
        run = tocsin("query", "m", "--url", api.url, "-o", "json")
        equal(json.loads(run.stdout), ODD)
        code, shown, _ = on_terminal("query", "m", "--url", api.url)
        lines = shown.splitlines()
        equal((code, len(lines), lines[0].split()), (0, 4, ["series", "value"]))
        check("\x1b" not in shown and len({columns_of(line) for line in lines}) == 1, shown)


def test_parameters_reach_the_server():
    with FakeApi({QUERY: lambda form: success({"resultType": "scalar", "result": [1, "2"]}),
                  RANGE: lambda form: success(matrix(1))}) as api:
        tocsin("query", "a & b", "--url", api.url, "--time", "2026-01-01T00:00:00Z", "--timeout", "7s", "--limit", "1k")
        last = api.requests[-1]
        equal(last.form, {"query": ["a & b"], "time": ["1767225600.000"], "timeout": ["7.000"], "limit": ["1000"]})
        equal(last.method, "POST")
        tocsin("query", "x", "--url", api.url + "//", "--start", "1000", "--end", "4600.5", "--step", "1m")
        equal(api.requests[-1].form, {"query": ["x"], "start": ["1000.000"], "end": ["4600.500"], "step": ["60.000"],
                                      "timeout": ["30.000"]})
        tocsin("query", "x", "--url", api.url, "--since", "40m", "--end", "10000")
        form = api.requests[-1].form
        equal((form["start"], form["end"], form["step"]), (["7600.000"], ["10000.000"], ["10.000"]))


def test_a_limit_is_kept_by_us_too():
    with FakeApi({RANGE: lambda form: success(matrix(25, 2))}) as api:
        run = tocsin("query", "m", "--url", api.url, "--since", "1h", "--limit", "10")
        equal((run.stdout.count("\n"), run.stderr), (20, "note: 10 of 25 series shown\n"))
        run = tocsin("query", "m", "--url", api.url, "--since", "1h", "--limit", "10", "-o", "json")
        equal(len(json.loads(run.stdout)["result"]), 10)


def test_extras_of_the_answer_stay_in_json():
    data = {**matrix(2, 2), "stats": {"samples": {"total": 7}}}
    with FakeApi({RANGE: lambda form: success(data)}) as api:
        run = tocsin("query", "m", "--url", api.url, "--since", "1h", "-o", "json")
        equal(json.loads(run.stdout), data)


# --- charts ---


def test_ten_thousand_series_are_limited_with_a_note():
    with FakeApi({RANGE: lambda form: success(matrix(10000, 20))}) as api:
        code, shown, stderr = on_terminal("query", "m", "--url", api.url, "--start", "1700000000", "--end", "1700001200")
        equal(code, 0)
        equal(stderr, "note: 20 of 10000 series drawn; topk(20, ...) picks the largest\n")
        check(shown.count("\n") <= 30 and max(map(columns_of, shown.splitlines())) <= 100, shown)
        check('host="h00000"' in shown and "job" not in shown, shown)


def test_the_terminal_decides_how_it_is_drawn():
    with FakeApi({RANGE: lambda form: success(matrix(2))}) as api:
        args = ("query", "m", "--url", api.url, "--start", "1700000000", "--end", "1700003000")
        _, coloured, _ = on_terminal(*args, columns=90, lines=20)
        check(BRAILLE.search(coloured) and "\x1b[36m" in coloured and "\x1b[33m" in coloured, coloured)
        check(coloured.count("\n") <= 18 and max(map(columns_of, coloured.splitlines())) <= 90, coloured)
        _, plain, _ = on_terminal(*args, env={"NO_COLOR": "1"})
        check("\x1b" not in plain and not BRAILLE.search(plain) and "*" in plain and "\u2524" in plain, plain)
        _, dumb, _ = on_terminal(*args, env={"TERM": "dumb"})
        equal(dumb, plain)
        _, never, _ = on_terminal(*args, "--color", "never")
        equal(never, plain)
        _, always, _ = on_terminal(*args, "--color=always", env={"NO_COLOR": "1"})
        check("\x1b[36m" in always, always)
        _, ascii_only, _ = on_terminal(*args, env={"LC_ALL": "C"})
        check(re.sub(r"\x1b\[[0-9;]*m", "", ascii_only).isascii(), ascii_only)
        _, table, _ = on_terminal(*args, "-o", "table")
        equal(table.splitlines()[0].split(), ["series", "time", "value"])
        run = tocsin(*args)  # no terminal
        equal(run.stdout.splitlines()[0], 'm{job="j",host="h00000"}\t2023-11-14T22:13:20Z\t0')


def test_local_time_is_shown():
    with FakeApi({RANGE: lambda form: success(matrix(1))}) as api:
        args = ("query", "m", "--url", api.url, "--start", "1700000000", "--end", "1700003000")
        _, shown, _ = on_terminal(*args, env={"TZ": "IST-5:30"})
        check("UTC+05:30" in shown and "Nov 15 03:50" in shown, shown)


def test_a_chart_of_an_instant_needs_a_range():
    with FakeApi({QUERY: lambda form: success(ODD if form["query"] == ["m"] else matrix(1))}) as api:
        run = tocsin("query", "m", "--url", api.url, "-o", "chart")
        equal((run.returncode, run.stdout), (2, ""))
        check("--since" in run.stderr, run.stderr)
        run = tocsin("query", "m[1h]", "--url", api.url, "-o", "chart")
        equal(run.returncode, 0)
        check("Nov 14" in run.stdout, run.stdout)


# --- explain ---


def node(depth, expr, kind, samples, own, whole):
    return {"depth": depth, "expr": expr, "kind": kind, "series": 3, "samples": samples, "points": 720,
            "selfTimeMs": own, "totalTimeMs": whole}


TREE = [node(0, "a / on (x) sum(rate(b[1m]))", "binary", 0, 1.25, 10), node(1, "a", "selector", 100, 2.5, 2.5),
        node(1, "sum(rate(b[1m]))", "aggregate", 0, 0.25, 6.25), node(2, "rate(b[1m])", "call", 0, 1, 6),
        node(3, "b[1m]", "selector", 5000, 5, 5)]


def test_explain_is_a_tree():
    with FakeApi({QUERY: lambda form: success({"resultType": "vector", "result": [], "explain": TREE}),
                  RANGE: lambda form: success(matrix(1))}) as api:
        args = ("query", "a / on (x) sum(rate(b[1m]))", "--url", api.url, "--explain")
        run = tocsin(*args, env={**os.environ, "LC_ALL": "C.UTF-8"})
        equal(api.requests[-1].form["explain"], ["true"])
        lines = run.stdout.splitlines()
        equal((run.returncode, len(lines), len(set(map(len, lines)))), (0, 7, 1))
        equal(lines[0].split(), ["expression", "series", "samples", "points", "self", "ms", "total", "ms", "share"])
        check(lines[2].startswith("\u251c\u2500 a  ") and lines[3].startswith("\u2514\u2500 sum"), run.stdout)
        check(lines[5].startswith("      \u2514\u2500 b[1m]"), run.stdout)
        equal(lines[5].split()[-6:], ["3", "5000", "720", "5.000", "5.000", "50.0%"])
        equal(lines[6].split(), ["total", "3", "5100", "720", "10.000", "10.000", "100.0%"])
        check(tocsin(*args, env={**os.environ, "LC_ALL": "C"}).stdout.isascii())
        equal(json.loads(tocsin(*args, "-o", "json").stdout), TREE)
        rows = list(csv.DictReader(io.StringIO(tocsin(*args, "-o", "csv").stdout)))
        equal([r["expr"] for r in rows], [n["expr"] for n in TREE])
        run = tocsin(*args, "--since", "1h")
        equal(run.returncode, 1)
        check("explains nothing" in run.stderr, run.stderr)


def test_the_daemon_explains():
    now = int(time.time()) - 100
    with Daemon() as d:
        d.write("\n".join("m,host=h%d v_total=%d %d" % (h, i, now + i) for h in (1, 2) for i in range(60)), precision="s")
        for extra in (["--time", str(now + 59)], ["--start", str(now + 30), "--end", str(now + 59), "--step", "1s"]):
            run = tocsin("query", "sum(rate(m_v_total[10s])) + 1", "--url", d.url(), "--explain", "-o", "csv", *extra)
            equal((run.returncode, run.stderr), (0, ""))
            nodes = list(csv.DictReader(io.StringIO(run.stdout)))
            equal([(n["depth"], n["expr"]) for n in nodes],
                  [("0", "sum(rate(m_v_total[10s])) + 1"), ("1", "sum(rate(m_v_total[10s]))"),
                   ("2", "rate(m_v_total[10s])"), ("3", "m_v_total[10s]"), ("1", "1")])
            equal([n["series"] for n in nodes[:4]], ["1", "1", "2", "2"])
            check(int(nodes[3]["samples"]) >= 20 and float(nodes[0]["totalTimeMs"]) > 0, nodes)


# --- servers that say no, or nothing ---


def test_exit_codes():
    rows = [(lambda form: failure(401, "unauthorized", "needs the scope read"), 5, "needs the scope read"),
            (lambda form: (403, b"Forbidden\n"), 5, "not permitted"),
            (lambda form: failure(422, "execution", "too many samples"), 1, "too many samples"),
            (lambda form: failure(503, "timeout", "took too long\x1b[31m"), 1, "took too long\\x1b[31m"),
            (lambda form: (200, b"<html>hello</html>"), 4, "is it a tocsin?"),
            (lambda form: (502, b"bad gateway"), 4, "status 502"),
            (lambda form: (200, b'{"status":"success","data":{"result":[{"metric":{}'), 4, "is it a tocsin?"),
            (lambda form: (200, b'{"status":"success","data":{"result":[{"a"}]}}'), 1, "not JSON")]
    for answer, code, text in rows:
        with FakeApi({QUERY: answer}) as api:
            run = tocsin("query", "m", "--url", api.url)
            equal((run.returncode, run.stdout), (code, ""))
            check(text in run.stderr and run.stderr.startswith("error: "), run.stderr)
    run = tocsin("query", "1", "--url", "http://user:secret@127.0.0.1:1")
    equal(run.returncode, 4)
    check("cannot ask http://127.0.0.1:1: " in run.stderr and "--url or TOCSIN_URL" in run.stderr, run.stderr)
    check("secret" not in run.stderr, run.stderr)


def test_a_silent_server_is_left():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        began = time.monotonic()
        run = tocsin("query", "1", "--url", "http://127.0.0.1:%d" % s.getsockname()[1], "--timeout", "100ms")
        equal(run.returncode, 4)
        check(time.monotonic() - began < 5 * SLOW, "took too long")
        check("--timeout gives it longer" in run.stderr, run.stderr)


def test_an_answer_cut_short_is_told():
    def cut(form):
        yield b'{"status":"success","data":{"resultType":"vector","result":['
        yield b'{"metric":{"a":"1"},"value":[1,"1"]},'
    with FakeApi({QUERY: lambda form: (200, cut(form))}) as api:
        run = tocsin("query", "m", "--url", api.url)
        equal(run.returncode, 4)


def test_a_token_is_sent_and_kept():
    with FakeApi({QUERY: lambda form: success(ODD)}) as api, Daemon(start=False) as d:
        path = os.path.join(d.dir, "token")
        with open(path, "w") as f:
            f.write("s3cret-t0ken\n")
        os.chmod(path, 0o600)
        equal(tocsin("query", "m", "--url", api.url, "--token-file", path).returncode, 0)
        equal(api.requests[-1].headers["Authorization"], "Bearer s3cret-t0ken")
        os.chmod(path, 0o644)
        run = tocsin("query", "m", "--url", api.url, "--token-file", path)
        equal(run.returncode, 2)
        check("chmod 600" in run.stderr, run.stderr)
        os.chmod(path, 0o600)
        with open(path, "w") as f:
            f.write("two\nlines\n")
        run = tocsin("query", "m", "--url", api.url, "--token-file", path)
        equal(run.returncode, 2)
        check("two" not in run.stderr, run.stderr)


def test_large_answers_stream_and_end_quietly():
    def endless(form):
        yield b'{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"1"]}'
        for i in range(10 ** 7):
            yield (b',{"metric":{"a":"%d"},"value":[1,"1"]}' % i) * 100
    for output in ("table", "csv", "json"):
        with FakeApi({QUERY: lambda form: (200, endless(form))}) as api:
            process = subprocess.Popen([BINARY, "query", "m", "--url", api.url, "-o", output, "--timeout", "60s"],
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            check(process.stdout.readline(), "nothing came")
            process.stdout.close()
            equal((process.wait(30 * SLOW), process.stderr.read()), (0, ""))
            process.stderr.close()


if __name__ == "__main__":
    main(globals())
