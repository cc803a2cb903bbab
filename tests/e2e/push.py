#!/usr/bin/env python3
"""Data that others push, and expositions: remote write 1.0 and 2.0, imports, what /metrics says to
which scraper, and tocsin check metrics."""
import gzip
import re
import struct
import time

from daemon import QUIET, Daemon, check, equal, main, tocsin, wait_until
from wire import HEADERS_1, HEADERS_2, field, snappy, varint, write_1, write_2

STALE = struct.pack("<Q", 0x7FF0000000000002)
WRITTEN = "X-Prometheus-Remote-Write-%s-Written"


def post_1(d, series, extra=b""):
    return d.post("/api/v1/write", snappy(write_1(series, extra)), HEADERS_1)


def now_ms():
    return int(time.time()) * 1000 - 60000


def refused(answer, status, *texts):
    equal(answer.status, status)
    error = answer.json()["error"]
    for text in texts:
        check(text in error, error, text)


def test_remote_write_1_is_stored():
    t = now_ms()
    with Daemon() as d:
        big = [({"__name__": "m", "i": str(i)}, [(t + 1000 * k, i + k) for k in range(3)]) for i in range(2000)]
        equal(post_1(d, big).status, 204)
        equal(d.value("count(m)", time=(t + 2000) / 1000), 2000)
        equal(d.value("sum(m)", time=(t + 2000) / 1000), sum(i + 2 for i in range(2000)))
        # again: duplicates are no fault; a marker ends the series
        equal(post_1(d, big).status, 204)
        equal(post_1(d, [({"__name__": "m", "i": "7"}, [(t + 3000, STALE)])]).status, 204)
        equal(d.value("count(m)", time=(t + 3000) / 1000), 1999)
        # out of order, as an old WAL is caught up with
        equal(post_1(d, [({"__name__": "late"}, [(t, 2.0)])]).status, 204)
        equal(post_1(d, [({"__name__": "late"}, [(t - 5000, 1.0)])]).status, 204)
        equal(d.value("late", time=(t - 5000) / 1000), 1)
        # nothing said of the type: 1.0, as its first senders
        equal(d.post("/api/v1/write", snappy(write_1([({"__name__": "mute"}, [(t, 5.0)])]))).status, 204)
        equal(d.value("mute", time=t / 1000), 5)
        # kept over a restart
        d.kill()
        d.start()
        equal(d.value("sum(m)", time=(t + 2000) / 1000), sum(i + 2 for i in range(2000)))
        metadata = field(3, bytes([8, 1]) + field(2, b"m_total") + field(4, b"Things.") + field(5, b"things"))
        equal(post_1(d, [], metadata).status, 204)
        equal(d.get("/api/v1/metadata", metric="m_total").json()["data"],
              {"m_total": [{"type": "counter", "help": "Things.", "unit": "things"}]})


def test_remote_write_2_says_what_was_written():
    t = now_ms()
    with Daemon() as d:
        good = [({"__name__": "m", "i": str(i)}, [(t, float(i))]) for i in range(10)]
        a = d.post("/api/v1/write", snappy(write_2(good)), HEADERS_2)
        equal((a.status, a.body), (204, b""))
        equal([a.headers[WRITTEN % kind] for kind in ("Samples", "Histograms", "Exemplars")], ["10", "0", "0"])
        equal(d.value("sum(m)", time=t / 1000), 45)
        a = d.post("/api/v1/write", snappy(write_2(good, exemplars=2)), HEADERS_2)
        equal((a.status, a.headers[WRITTEN % "Exemplars"]), (204, "0"))
        a = d.post("/api/v1/write", snappy(write_2(good, histograms=1)), HEADERS_2)
        refused(a, 400, "native histograms are not stored", "dropped=10")
        equal(a.headers[WRITTEN % "Samples"], "10")


def test_what_cannot_be_stored_is_told():
    t = now_ms()
    with Daemon() as d:
        a = post_1(d, [({"__name__": "a"}, [(t, 1.0)]), ({"no": "name"}, [(t, 1.0), (t + 1, 1.0)]),
                       ({"__name__": "b"}, [(t, 1.0)])])
        refused(a, 400, "partial write: series 2:", "dropped=2")
        equal(d.value("a + b", time=t / 1000), 2)
        refused(post_1(d, [({"__name__": "a"}, [(t + 86400000, 1.0)])]), 400, "series 1: timestamp", "dropped=1")
        refused(post_1(d, [({"__name__": "a"}, [(t, 1.0)])], b"\x0a\x7f"), 400, "malformed", "1 samples before it")
        for headers in ({}, HEADERS_1, HEADERS_2):
            refused(d.post("/api/v1/write", b"not snappy", headers), 400, "not a snappy block")
        refused(d.post("/api/v1/write", b"\xff\x06\x00\x00sNaPpY", HEADERS_1), 400, "framed")
        refused(d.post("/api/v1/write", b"", HEADERS_1), 400, "not a snappy block")
        for key, value in (("Content-Type", "application/json"), ("Content-Type", "application/x-protobuf;proto=other"),
                           ("Content-Encoding", "gzip"), ("Content-Encoding", "zstd")):
            refused(d.post("/api/v1/write", snappy(b""), dict(HEADERS_1, **{key: value})), 415, key)
        equal(d.get("/api/v1/write").status, 405)
        # a lie about its length costs nothing
        refused(d.post("/api/v1/write", varint(1 << 31) + b"\x00x", HEADERS_1), 400, "not a snappy block")
    with Daemon(QUIET + "limits: {decoded_bytes: 64KiB}\n") as d:
        refused(post_1(d, [({"__name__": "a", "b": "x" * 70000}, [(t, 1.0)])]), 413, "65536")
    with Daemon(QUIET + "limits: {series: 1000}\n") as d:
        a = post_1(d, [({"__name__": "m", "i": str(i)}, [(t, 1.0)]) for i in range(1500)])
        refused(a, 400, "partial write", "dropped=")
        dropped = int(re.search(r"dropped=(\d+)", a.json()["error"]).group(1))
        assert 500 <= dropped < 1000, a.body  # the daemon's own series count, too
        equal(d.value("count(m)", time=t / 1000), 1500 - dropped)
    with Daemon(QUIET + "ingest: {remote_write: false}\n") as d:
        refused(post_1(d, []), 404, "ingest.remote_write is off")


def test_expositions_are_imported():
    t = now_ms()
    path = "/api/v1/import/prometheus"
    with Daemon() as d:
        text = "# HELP m_total Things.\n# TYPE m_total counter\n" + "".join(
            'm_total{i="%d"} %d %d\n' % (i, i, t + 1000 * k) for i in range(100) for k in range(3))
        equal(d.post(path, gzip.compress(text.encode()), {"Content-Encoding": "gzip"}).status, 204)
        equal(d.value("sum(m_total)", time=(t + 2000) / 1000), 4950)
        equal(d.get("/api/v1/metadata", metric="m_total").json()["data"]["m_total"][0]["help"], "Things.")
        equal(d.request("POST", path, b'm{a="b"} 1\nm{a="c"} 2 %d\n' % (t + 5),
                        params=[("extra_label", "a=x"), ("extra_label", "job=old"), ("timestamp", str(t))]).status, 204)
        result = d.query('m[1m]', time=(t + 1000) / 1000)
        equal([r["metric"] for r in result], [{"__name__": "m", "a": "x", "job": "old"}])
        equal([v for _, v in result[0]["values"]], ["1", "2"])
        refused(d.post(path, b"a 1\na{ 2\nb 3\n"), 400, "line 2", "dropped=1")
        equal(d.value("a + b"), 4)
        om = b"# TYPE c counter\nc_total 5 %d.5\n# EOF\n" % (t // 1000)
        equal(d.post(path, om, {"Content-Type": "application/openmetrics-text; version=1.0.0"}).status, 204)
        equal(d.query("c_total[1m]", time=(t + 1000) / 1000)[0]["values"], [[t / 1000 + 0.5, "5"]])
        for name, value in (("extra_label", "x"), ("extra_label", "=b"), ("extra_label", "__name__=b"), ("timestamp", "now")):
            refused(d.post(path, b"a 1\n", **{name: value}), 400, name)


def test_metrics_are_text_for_everybody():
    types = [(None, "text/plain; version=0.0.4; charset=utf-8"),
             ("application/openmetrics-text;version=1.0.0,*/*;q=0.1", "text/plain; version=0.0.4; charset=utf-8"),
             ("text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2",
              "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8")]
    with Daemon("rules: {builtin: []}\n") as d:
        wait_until(lambda: b"node_load1" in d.get("/metrics").body)
        for accept, content_type in types:
            a = d.get("/metrics", {"Accept": accept} if accept else {})
            equal((a.status, a.headers["Content-Type"]), (200, content_type))
        # what we say of ourselves can be read, and draws no finding that node_exporter's would not
        run = tocsin("check", "metrics", "-", input=d.get("/metrics").body.decode())
        check(run.returncode in (0, 3), run.stderr)
        check("tocsin_" not in run.stderr, run.stderr)


def test_check_metrics_judges():
    def judge(text, *options):
        run = tocsin("check", "metrics", *options, input=text)
        return run.returncode, run.stdout, run.stderr
    equal(judge("# HELP a_total x\n# TYPE a_total counter\na_total 1\n"), (0, "stdin: 1 metric families, good\n", ""))
    code, out, err = judge("# HELP aB x\n# TYPE aB gauge\naB 1\nc_ms 2\n")
    equal((code, out), (3, ""))
    check(err.startswith("warning: aB: metric names should be written in 'snake_case' not 'camelCase'\n"
                         "  --> stdin:1:8\n1 | # HELP aB x\n  |        ^^\n"), err)
    check("c_ms: no help text\n  --> stdin:4:1\n" in err and err.endswith("3 warnings in 1 file\n"), err)
    code, out, err = judge("a 1\nb{x=1} 1\nc true\n")
    equal((code, out), (1, ""))
    check("--> stdin:2:5\n2 | b{x=1} 1\n  |     ^\n" in err and "--> stdin:3:3" in err, err)
    # the same text in its two lights
    om = "# TYPE a counter\n# HELP a x\na_total 1\n# EOF\n"
    equal(judge(om)[0], 0)
    equal(judge(om, "--strict")[0], 0)
    equal(judge("a 1\n", "--strict")[0], 1)
    code, out, err = judge("# TYPE a counter\na_total -1\n# EOF\n", "--strict", "--json")
    equal((code, err), (1, ""))
    check('"line":2,"column":9,"message":"a_total of a counter must not be negative"' in out, out)
    equal(tocsin("check", "metrics", "/nonexistent").returncode, 1)


if __name__ == "__main__":
    main(globals())
