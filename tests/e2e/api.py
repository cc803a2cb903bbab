#!/usr/bin/env python3
"""The HTTP API of a running daemon: writes, queries, encodings, errors."""
import gzip
import json
import time

from daemon import QUIET, Daemon, check, equal, main, wait_until

NOW = int(time.time()) - 600


def fill(d, points=60):
    lines = []
    for i in range(points):
        for host in ("a", "b"):
            lines.append("cpu,host=%s usage=%d %d" % (host, i if host == "a" else -i, NOW + i))
    a = d.write("\n".join(lines), precision="s")
    equal(a.status, 204)


def test_write_and_read_back():
    with Daemon() as d:
        fill(d)
        result = d.query("cpu_usage", time=NOW + 59)
        equal(sorted(s["metric"]["host"] for s in result), ["a", "b"])
        equal(d.value('sum_over_time(cpu_usage{host="a"}[1m])', time=NOW + 59), sum(range(60)))
        a = d.get("/api/v1/query_range", query='cpu_usage{host="a"}', start=NOW, end=NOW + 59, step=1)
        values = a.json()["data"]["result"][0]["values"]
        equal(values, [[NOW + i, str(i)] for i in range(60)])


def test_post_form_equals_get():
    with Daemon() as d:
        fill(d)
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        got = d.get("/api/v1/query", query="cpu_usage + 1", time=NOW + 5).json()
        sent = d.post("/api/v1/query", "query=cpu_usage+%2B+1&time={}".format(NOW + 5), form).json()
        equal(sent, got)
        equal(len(got["data"]["result"]), 2)


def test_form_wins_and_gzip_form():
    with Daemon() as d:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        a = d.post("/api/v1/query", "query=2", form, query="1", time=5)
        equal(a.json()["data"]["result"], [5, "2"])
        packed = gzip.compress(b"query=3&time=6")
        a = d.post("/api/v1/query", packed, dict(form, **{"Content-Encoding": "gzip"}))
        equal(a.json()["data"]["result"], [6, "3"])


def test_range_vectors_and_times():
    with Daemon() as d:
        fill(d)
        data = d.get("/api/v1/query", query='cpu_usage{host="a"}[3s]', time=NOW + 10).json()["data"]
        equal(data["resultType"], "matrix")
        equal(data["result"][0]["values"], [[NOW + i, str(i)] for i in (8, 9, 10)])
        began = time.time()
        got = d.get("/api/v1/query", query="1").json()["data"]["result"][0]
        check(began - 0.01 <= got <= time.time() + 0.01, began, got)
        for t in ("-292273086-05-16T16:47:06Z", "292277025-08-18T07:12:54.999999999Z", "1_0"):
            equal(d.get("/api/v1/query", query="1", time=t).status, 200)
        # annotations of a query on several lines point into it
        a = d.get("/api/v1/query", query='\n  rate(cpu_usage\n[1m])', time=NOW + 30).json()
        check(a["infos"][0].endswith("(2:8)"), a)


def test_lookups_over_time():
    with Daemon() as d:
        equal(d.write("old v=1 %d\nnew v=1 %d" % (NOW - 3600, NOW), precision="s").status, 204)
        everything = {"match[]": '{__name__!=""}'}
        names = lambda **p: [s["__name__"] for s in d.get("/api/v1/series", **dict(everything, **p)).json()["data"]]
        equal(names(), ["new_v", "old_v"])
        equal(names(start=NOW - 60), ["new_v"])
        equal(names(end=NOW - 60), ["old_v"])
        equal(names(start=NOW - 3600, end=NOW - 3600), ["old_v"])
        equal(names(start=NOW - 3599, end=NOW - 1), [])
        equal(names(start=NOW, end=NOW - 3600), [])
        equal(d.get("/api/v1/label/__name__/values", start=NOW - 60).json()["data"], ["new_v"])
        equal(d.get("/api/v1/labels", end=NOW - 7200).json()["data"], [])
        a = d.get("/api/v1/series", limit=1, **everything).json()
        equal(([s["__name__"] for s in a["data"]], a["warnings"]),
              (["new_v"], ["results truncated due to limit"]))
        check("warnings" not in d.get("/api/v1/series", limit=2, **everything).json())
        equal(d.get("/api/v1/label/U__bad_zz/values").json()["data"], [])
        equal(d.get("/api/v1/label/U______name____/values").json()["data"], ["new_v", "old_v"])


def test_long_urls():
    with Daemon() as d:
        query = "1" + " + 1" * 10000
        a = d.request("GET", "/api/v1/query?" + "&".join("x%d=1" % i for i in range(900)) + "&query=7&time=1")
        equal(a.json()["data"]["result"], [1, "7"])
        target = "/api/v1/query?time=1&query=" + "%20" * 20000 + "7"
        equal(d.request("GET", target).json()["data"]["result"], [1, "7"])
        a = d.get("/api/v1/query", query=query + " " * 30000, time=1)
        equal((a.status, a.json()["errorType"]), (414, "bad_data"))
        a = d.get("/api/v1/labels", **{"match[]": ["m%d" % i for i in range(60)]})
        equal((a.status, a.json()["data"]), (200, []))


def test_parse_query_and_openapi():
    with Daemon() as d:
        tree = d.get("/api/v1/parse_query", query='sum by (a) (rate(x{b=~"c"}[5m] offset 1m))').json()["data"]
        equal((tree["type"], tree["op"], tree["grouping"]), ("aggregation", "sum", ["a"]))
        selector = tree["expr"]["args"][0]
        equal((selector["type"], selector["range"], selector["offset"]), ("matrixSelector", 300000, 60000))
        equal([m["name"] for m in selector["matchers"]], ["b", "__name__"])
        a = d.get("/api/v1/openapi.yaml")
        equal((a.status, a.headers["Content-Type"]), (200, "application/yaml"))
        check(b'"/api/v1/parse_query":' in a.body, a)


def test_scalar_and_string():
    with Daemon() as d:
        data = d.get("/api/v1/query", query="1+1", time=4).json()["data"]
        equal(data, {"resultType": "scalar", "result": [4, "2"]})
        data = d.get("/api/v1/query", query='"x"', time="1970-01-01T00:00:04.5Z").json()["data"]
        equal(data, {"resultType": "string", "result": [4.5, "x"]})


def test_labels_values_series():
    with Daemon() as d:
        fill(d)
        equal(d.get("/api/v1/label/host/values").json()["data"], ["a", "b"])
        names = d.get("/api/v1/labels").json()["data"]
        check({"__name__", "host"} <= set(names), names)
        a = d.get("/api/v1/label/host/values", **{"match[]": ['cpu_usage{host="a"}', "absent"]})
        equal(a.json()["data"], ["a"])
        a = d.get("/api/v1/series", **{"match[]": ["cpu_usage", '{host="a"}']}).json()["data"]
        equal([s["host"] for s in a], ["a", "b"])
        a = d.get("/api/v1/label/host/values", limit=1).json()
        equal(a["data"], ["a"])
        equal(a["warnings"], ["results truncated due to limit"])


def test_prometheus_errors():
    with Daemon() as d:
        rows = [
            ("/api/v1/query", {"query": "sum("}, 400, "bad_data", 'invalid parameter "query": 1:5: parse error'),
            ("/api/v1/query", {}, 400, "bad_data", 'invalid parameter "query"'),
            ("/api/v1/query", {"query": "1", "time": "x"}, 400, "bad_data",
             'invalid parameter "time": invalid time value for \'time\': cannot parse "x" to a valid timestamp'),
            ("/api/v1/query", {"query": "1", "timeout": "x"}, 400, "bad_data",
             'invalid parameter "timeout": cannot parse "x" to a valid duration'),
            ("/api/v1/query", {"query": "1", "limit": "-1"}, 400, "bad_data",
             'invalid parameter "limit": limit must be non-negative'),
            ("/api/v1/query", {"query": "1", "limit": "x"}, 400, "bad_data",
             'invalid parameter "limit": strconv.Atoi: parsing "x": invalid syntax'),
            ("/api/v1/query", {"query": "1", "lookback_delta": "x"}, 400, "bad_data",
             'error parsing lookback delta duration: cannot parse "x" to a valid duration'),
            ("/api/v1/query", {"query": "sum(", "limit": "x", "time": "x"}, 400, "bad_data",
             'invalid parameter "limit"'),
            ("/api/v1/query", {"query": "sum(", "lookback_delta": "x"}, 400, "bad_data", "lookback delta"),
            ("/api/v1/query", {"query": "sum(\n"}, 400, "bad_data", 'invalid parameter "query": 2:1: parse error'),
            ("/api/v1/query", {"query": "1", "timeout": "0s"}, 503, "timeout",
             "query timed out in expression evaluation"),
            ("/api/v1/query_range", {"query": "up[5m]", "start": 1, "end": 2, "step": 1}, 400, "bad_data",
             'invalid parameter "query": invalid expression type "range vector" for range query, must be '
             'Scalar or instant Vector'),
            ("/api/v1/query_range", {"query": "'x'", "start": 1, "end": 2, "step": 1}, 400, "bad_data",
             'invalid parameter "query": invalid expression type "string" for range query'),
            ("/api/v1/query_range", {"query": "1", "start": 1, "end": 2}, 400, "bad_data",
             'invalid parameter "step": cannot parse "" to a valid duration'),
            ("/api/v1/query_range", {"query": "1", "start": 1, "end": 2, "step": "1e12"}, 400, "bad_data",
             'cannot parse "1e12" to a valid duration. It overflows int64'),
            ("/api/v1/query_exemplars", {"query": "sum("}, 400, "bad_data", "1:5: parse error"),
            ("/api/v1/query_exemplars", {"query": "up", "start": 2, "end": 1}, 400, "bad_data",
             "end timestamp must not be before start timestamp"),
            ("/api/v1/labels", {"match[]": "{"}, 400, "bad_data", "parse error"),
            ("/api/v1/labels", {"match[]": "{}"}, 400, "bad_data",
             "match[] must contain at least one non-empty matcher"),
            ("/api/v1/label/U__/values", {}, 400, "bad_data", 'invalid label name: ""'),
            ("/api/v1/parse_query", {"query": "sum("}, 400, "bad_data", 'invalid parameter "query": 1:5: parse error'),
            ("/api/v1/query_range", {"query": "1"}, 400, "bad_data",
             'invalid parameter "start": cannot parse "" to a valid timestamp'),
            ("/api/v1/query_range", {"query": "1", "start": 2, "end": 1, "step": 1}, 400, "bad_data",
             'invalid parameter "end": end timestamp must not be before start time'),
            ("/api/v1/query_range", {"query": "1", "start": 1, "end": 2, "step": 0}, 400, "bad_data",
             'invalid parameter "step": zero or negative query resolution step widths are not accepted. '
             'Try a positive integer'),
            ("/api/v1/query_range", {"query": "1", "start": 0, "end": 11001, "step": 1}, 400, "bad_data",
             "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query "
             "resolution (?step=XX)"),
            ("/api/v1/series", {}, 400, "bad_data", "no match[] parameter provided"),
            ("/api/v1/series", {"match[]": '{a=""}'}, 400, "bad_data",
             'invalid parameter "match[]": match[] must contain at least one non-empty matcher'),
            ("/api/v1/series", {"match[]": ['{a=""}', "{"]}, 400, "bad_data",
             'invalid parameter "match[]": 1:2: parse error'),
            ("/api/v1/label/%00/values", {}, 400, "bad_data", "control characters"),
            ("/nowhere", {}, 404, "not_found", "no such path"),
            ("/ui/../../etc/passwd", {}, 404, "not_found", "no such page"),
            ("/ui/%2e%2e/%2e%2e/etc/passwd", {}, 404, "not_found", "no such page"),
        ]
        for path, params, status, kind, text in rows:
            a = d.get(path, **params)
            equal((a.status, a.json()["status"], a.json()["errorType"]), (status, "error", kind))
            check(text in a.json()["error"], path, params, a)
        equal(d.get("/api/v1/query_range", query="1", start=0, end=11000, step=1).status, 200)
        a = d.get("/api/v1/query", query='label_replace(vector(1), "a b", "", "", "(")')
        equal(a.status, 422)


def test_methods_and_scopes():
    with Daemon() as d:
        a = d.get("/write")
        equal((a.status, a.headers["Allow"]), (405, "POST"))
        a = d.request("PUT", "/api/v1/query")
        equal((a.status, a.headers["Allow"]), (405, "GET, HEAD, POST"))
        a = d.request("HEAD", "/-/healthy")
        equal((a.status, a.body), (200, b""))
        equal(d.post("/write", "m v=1", {"Origin": "http://evil.example"}).status, 403)
        equal(d.post("/-/reload", "", {"Sec-Fetch-Site": "cross-site"}).status, 403)
        equal(d.get("/", {"Host": "evil.example"}).status, 403)
        host = "127.0.0.1:%d" % d.port
        equal(d.post("/write", "m v=1", {"Origin": "http://" + host}).status, 204)
    with Daemon(QUIET + "http: {anonymous: [read]}\n") as d:
        equal(d.post("/write", "m v=1").status, 401)
        equal(d.post("/-/reload").status, 401)
        equal(d.get("/api/v1/query", query="1").status, 200)


def test_gzip_both_ways():
    with Daemon() as d:
        lines = "\n".join("m,s=%d v=1 %d" % (i, NOW) for i in range(500)).encode()
        a = d.post("/write", gzip.compress(lines), {"Content-Encoding": "gzip"}, precision="s")
        equal(a.status, 204)
        a = d.get("/api/v1/query", {"Accept-Encoding": "gzip"}, query="m_v", time=NOW)
        equal(a.headers["Content-Encoding"], "gzip")
        equal(a.headers["Vary"], "Accept-Encoding")
        equal(len(a.json()["data"]["result"]), 500)
        equal(d.post("/write", b"junk", {"Content-Encoding": "gzip"}).status, 400)
        equal(d.post("/write", b"junk", {"Content-Encoding": "br"}).status, 415)
        bomb = gzip.compress(b"\0" * (48 << 20))
        equal(d.post("/write", bomb, {"Content-Encoding": "gzip"}).status, 413)


def test_influx_clients():
    with Daemon() as d:
        a = d.get("/ping")
        equal((a.status, a.headers["X-Influxdb-Version"]), (204, "1.8.10"))
        equal(d.get("/ping", verbose="true").json(), {"version": "1.8.10"})
        a = d.post("/query", "", q="CREATE DATABASE telegraf")
        equal(a.json(), {"results": [{"statement_id": 0}]})
        equal(d.write("m v=1", db="other").status, 204)
        a = d.get("/query", q="show databases; SHOW MEASUREMENTS").json()["results"]
        equal([row[0] for row in a[0]["series"][0]["values"]], ["_internal", "telegraf", "other"])
        equal(a[1]["series"][0]["values"], [["m_v"]])
        a = d.get("/query", q="SELECT 1")
        equal(a.status, 400)
        check(a.json()["error"].startswith("error parsing query"), a)
        a = d.write("good v=1\nbad\nfine v=2 notatime")
        equal(a.status, 400)
        check(a.json()["error"].startswith("partial write: line 2:"), a)
        check("dropped=2" in a.json()["error"], a)
        equal(d.value("good_v"), 1)
        a = d.post("/api/v2/write", "bad", bucket="b/autogen", precision="ms")
        equal((a.status, a.json()["code"]), (400, "invalid"))
        check("message" in a.json(), a)
        equal(d.post("/api/v2/write", "x v=3", bucket="b").status, 204)
        equal(d.write("m v=1", precision="y").status, 400)
        equal(d.get("/health").json()["status"], "pass")


def test_query_batch():
    with Daemon() as d:
        fill(d)
        body = {"start": NOW, "end": NOW + 59, "step": 1, "max_points": 10, "queries": [
            {"id": "one", "query": 'cpu_usage{host="a"}'}, {"query": "sum("}, {"query": "1", "step": "0s"}]}
        results = d.post("/api/v1/query_batch", json.dumps(body)).json()["data"]["results"]
        equal([r["status"] for r in results], ["success", "error", "error"])
        equal([r["id"] for r in results], ["one", 1, 2])
        values = results[0]["data"]["result"][0]["values"]
        check(2 <= len(values) <= 10, values)
        equal((values[0], values[-1]), ([NOW, "0"], [NOW + 59, "59"]))
        equal(results[1]["position"]["column"], 5)
        equal(d.post("/api/v1/query_batch", "{").status, 400)
        equal(d.post("/api/v1/query_batch", '{"query": "x"}').status, 400)
        many = json.dumps({"queries": [{"query": "1"}] * 65})
        equal(d.post("/api/v1/query_batch", many).status, 400)
        equal(d.post("/api/v1/query_batch", json.dumps(body), step=1).status, 400)
        a = d.post("/api/v1/query_batch", '{"queries": [],\n "stepp": 1}').json()
        equal((a["errorType"], a["error"]), ("bad_data", 'unknown member "stepp"'))
        a = d.post("/api/v1/query_batch", '{"queries":\n x}').json()
        equal(a["position"], {"line": 2, "column": 2, "offset": 13})
        body["queries"] = [{"query": "up[5m]"}, {"query": "1", "max_points": 1}]
        results = d.post("/api/v1/query_batch", json.dumps(body)).json()["data"]["results"]
        equal([r["errorType"] for r in results], ["bad_data", "bad_data"])
        check("invalid expression type" in results[0]["error"], results)


def test_errors_are_json():
    """Whatever is asked under /api/v1, the answer is JSON."""
    with Daemon() as d:
        for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
            for path in ("/api/v1/query", "/api/v1/nothing", "/api/v1/", "/api/v1/series?match[]=%zz",
                         "/api/v1/label/%2F/values", "/api/v1/query?query=1&time=x"):
                a = d.request(method, path)
                check(a.headers["Content-Type"] == "application/json" and a.json()["status"] == "error"
                      or a.status == 200, method, path, a)
        big = d.post("/write", b"x" * (17 << 20))
        equal((big.status, list(big.json())), (413, ["error"]))
        big = d.post("/api/v2/write", b"x" * (17 << 20))
        equal((big.status, big.json()["code"]), (413, "request too large"))


def test_status_pages():
    with Daemon() as d:
        fill(d)
        info = d.get("/api/v1/status/buildinfo").json()["data"]
        equal(info["version"], "3.5.0")
        check("features" not in info and info["tocsinVersion"], info)
        for path in ("runtimeinfo", "tsdb", "flags"):
            equal(d.get("/api/v1/status/" + path).json()["status"], "success")
        equal(d.get("/api/v1/query_exemplars", query="x").json()["data"], [])
        equal(d.get("/api/v1/format_query", query="sum( x )").json()["data"], "sum(x)")
        equal(d.get("/api/v1/alerts").json()["data"], {"alerts": []})
        equal(d.get("/api/v1/rules").json()["data"], {"groups": []})
        equal(d.get("/api/v1/targets").json()["data"]["activeTargets"], [])
        equal(d.get("/-/ready").status, 200)
        a = d.get("/-/healthy", {"X-Request-Id": "my-id"})
        equal((a.status, a.headers["X-Request-Id"]), (200, "my-id"))


def test_page_is_served():
    with Daemon() as d:
        a = d.get("/", {"Accept-Encoding": "gzip"})
        equal((a.status, a.headers["Content-Encoding"]), (200, "gzip"))
        check("script-src 'self'" in a.headers["Content-Security-Policy"], a.headers)
        check(b"<html" in a.body.lower(), a)
        equal(d.get("/", {"Accept-Encoding": "identity"}).body, a.body)
        equal(d.get("/", {"If-None-Match": a.headers["ETag"]}).status, 304)


def test_stats_and_limit():
    with Daemon() as d:
        fill(d)
        a = d.get("/api/v1/query", query="cpu_usage", time=NOW + 5, limit=1, stats="true").json()
        equal(len(a["data"]["result"]), 1)
        equal(a["warnings"], ["results truncated due to limit"])
        stats = a["data"]["stats"]
        check(stats["samples"]["totalQueryableSamples"] >= 2, a)
        equal(sorted(stats["timings"]), ["evalTotalTime", "execQueueTime", "execTotalTime", "innerEvalTime",
                                         "queryPreparationTime", "resultSortTime"])
        check(stats["timings"]["execTotalTime"] >= stats["timings"]["evalTotalTime"] > 0, a)
        check("stats" not in d.get("/api/v1/query", query="1").json()["data"])
        samples = d.get("/api/v1/query_range", query='sum_over_time(cpu_usage{host="a"}[3s])', start=NOW + 10,
                        end=NOW + 12, step=1, stats="all").json()["data"]["stats"]["samples"]
        equal(samples["totalQueryableSamplesPerStep"], [[NOW + 10, 3], [NOW + 11, 3], [NOW + 12, 3]])
        equal((samples["totalQueryableSamples"], samples["samplesRead"]), (9, 5))
        check(samples["peakSamples"] >= 3, samples)
        samples = d.get("/api/v1/query", query="cpu_usage", time=NOW, stats="true").json()["data"]["stats"]["samples"]
        check("totalQueryableSamplesPerStep" not in samples, samples)
        nodes = d.get("/api/v1/query", query="sum(cpu_usage)", time=NOW, explain="true").json()["data"]["explain"]
        equal([(n["depth"], n["expr"], n["series"]) for n in nodes], [(0, "sum(cpu_usage)", 1), (1, "cpu_usage", 2)])
        check("explain" not in d.get("/api/v1/query", query="1").json()["data"])
        equal(d.query("cpu_usage", time=NOW + 59 + 30, lookback_delta="10s"), [])


def test_metrics_pages():
    with Daemon("rules: {builtin: []}\n") as d:
        wait_until(lambda: b"\nnode_load1 " in d.get("/metrics").body)
        d.get("/api/v1/query", query="1")
        wait_until(lambda: b'tocsin_http_requests_total{code="200",route="/api/v1/query"} 1\n' in d.get("/metrics").body)
        a = d.get("/metrics")
        equal(a.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        for line in a.body.decode().splitlines():
            check("instance=" not in line and 'job="' not in line, line)
        host = d.get("/metrics/host").body.decode()
        check("\nnode_load1 " in host and "tocsin_" not in host and "\nprocess_" not in host)
        wait_until(lambda: d.query("node_load1"))
        equal(d.query("node_load1")[0]["metric"]["job"], "node")
        equal(d.query('tocsin_config_last_reload_successful')[0]["value"][1], "1")


if __name__ == "__main__":
    main(globals())
