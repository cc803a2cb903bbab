#!/usr/bin/env python3
"""What the daemon says of itself and of its rules, and the administration of its store."""
import http.client
import json
import os
import signal
import sys
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from daemon import QUIET, SLOW, Daemon, check, equal, main, tocsin, wait_until  # noqa: E402
from scrape import Target  # noqa: E402

NOW = int(time.time()) - 600
ADMIN = "/api/v1/admin/tsdb/"


def fill(d, points=60):
    lines = ["cpu,host=%s usage=%d %d" % (h, i, NOW + i) for i in range(points) for h in "abc"]
    equal(d.write("\n".join(lines), precision="s").status, 204)


def hosts(d):
    return d.get("/api/v1/label/host/values").json()["data"]


def count(d, host):
    v = d.value('count_over_time(cpu_usage{host="%s"}[20m])' % host, time=NOW + 600)
    return int(v or 0)


# --- the store ---

def test_deletion_survives_kill():
    with Daemon() as d:
        fill(d)
        a = d.post(ADMIN + "delete_series", **{"match[]": 'cpu_usage{host="a"}'})
        equal((a.status, a.body), (204, b""))
        equal(hosts(d), ["b", "c"])
        a = d.post(ADMIN + "delete_series", "match%5B%5D=cpu_usage&start={}&end={}".format(NOW, NOW + 9),
                   {"Content-Type": "application/x-www-form-urlencoded"})
        equal(a.status, 204)
        equal((count(d, "a"), count(d, "b")), (0, 50))
        equal(d.get("/api/v1/status/tsdb").json()["data"]["store"]["deletions"], 2)
        d.kill()
        d.start()
        equal(hosts(d), ["b", "c"])
        equal((count(d, "a"), count(d, "b")), (0, 50))
        equal(d.write("cpu,host=a usage=1 %d" % (NOW + 5), precision="s").status, 204)
        equal(count(d, "a"), 1)  # written after the deletion: it stays
        equal(d.post(ADMIN + "clean_tombstones").status, 204)
        equal(d.get("/api/v1/status/tsdb").json()["data"]["store"]["deletions"], 0)
        equal((count(d, "a"), count(d, "b")), (1, 50))
        d.kill()
        d.start()
        equal((count(d, "a"), count(d, "b")), (1, 50))
        equal(d.stop()[0], 0)
        d.start()
        equal((count(d, "a"), count(d, "b")), (1, 50))


def test_kills_in_the_middle_of_administration():
    """Whatever was under way: what was answered holds, nothing else is lost, nothing is set aside."""
    answered = 0
    with Daemon() as d:
        for k in range(12):
            fill(d)
            results = {}

            def work():
                try:
                    results["delete"] = d.post(ADMIN + "delete_series", **{"match[]": '{host="a"}'}).status
                    for task in ("clean_tombstones", "snapshot", "compact"):
                        results[task] = d.post(ADMIN + task).status
                except (OSError, http.client.HTTPException):
                    pass
            thread = threading.Thread(target=work)
            thread.start()
            time.sleep(0.012 * k * SLOW)
            d.kill()
            thread.join()
            answered += len(results)
            d.start()
            if results.get("delete"):
                equal((results["delete"], count(d, "a")), (204, 0))
            check(count(d, "a") in (0, 60), k, results)
            equal((count(d, "b"), count(d, "c")), (60, 60))
            store = d.get("/api/v1/status/tsdb").json()["data"]["store"]
            equal(store["quarantined"], 0)
            if results.get("clean_tombstones"):
                equal(store["deletions"], 0)
            snapshots = os.path.join(d.data, "snapshots")
            for name in os.listdir(snapshots) if os.path.isdir(snapshots) else []:
                check(os.path.isfile(os.path.join(snapshots, name, "FORMAT")), name)
        check(answered > 0)


def test_snapshot_is_a_store():
    with Daemon() as d:
        fill(d)
        d.post(ADMIN + "delete_series", **{"match[]": 'cpu_usage{host="a"}'})
        a = d.post(ADMIN + "snapshot")
        equal(a.status, 200)
        path = os.path.join(d.data, "snapshots", a.json()["data"]["name"])
        check(os.path.isfile(os.path.join(path, "FORMAT")), os.listdir(path))
        with Daemon(start=False) as other:
            os.rename(path, other.data)
            other.start()
            equal(hosts(other), ["b", "c"])
            equal(count(other, "b"), 60)
            fill(other)
            equal(other.stop()[0], 0)


def test_compact_and_walreplay():
    with Daemon() as d:
        fill(d)
        replay = d.get("/api/v1/status/walreplay").json()["data"]
        equal(replay, {"min": 0, "max": 0, "current": 0})
        head = d.get("/api/v1/status/tsdb").json()["data"]["headStats"]
        equal((head["numSeries"], head["minTime"], head["maxTime"]), (3, NOW * 1000, (NOW + 59) * 1000))
        d.kill()
        d.start()
        replay = d.get("/api/v1/status/walreplay").json()["data"]
        check(0 < replay["min"] <= replay["max"] == replay["current"], replay)
        segments = [os.path.join(d.data, "wal", n) for n in os.listdir(os.path.join(d.data, "wal"))]
        check(min(os.path.getsize(s) for s in segments) < 1 << 20)  # the killed one's tail is gone
        a = d.post(ADMIN + "compact")
        equal((a.status, a.json()["data"]["damagedDays"]), (200, 0))
        equal(count(d, "c"), 60)


def test_admin_is_not_for_everybody():
    with Daemon() as d:
        for task in ("snapshot", "delete_series", "clean_tombstones", "compact"):
            a = d.get(ADMIN + task)
            equal((a.status, a.headers["Allow"]), (405, "POST, PUT"))
            equal(d.post(ADMIN + task, "", {"Origin": "http://evil.example"}).status, 403)
        equal(d.request("PUT", ADMIN + "delete_series", params={"match[]": "x"}).status, 204)
        equal(d.post(ADMIN + "delete_series").status, 400)
    with Daemon(QUIET + "http: {anonymous: [read, write]}\n") as d:
        for task in ("snapshot", "delete_series", "clean_tombstones", "compact"):
            equal(d.post(ADMIN + task, **{"match[]": "x"}).status, 401)


# --- rules ---

def groups_file(names):
    return "groups:\n" + "".join(
        '  - name: %s\n    rules:\n      - {record: "r:%d", expr: "vector(%d)", labels: {n: "%d"}}\n'
        % (json.dumps(n), i, i, i % 2) for i, n in enumerate(names))


def test_thousand_groups_by_pages():
    names = ["gr\u00fcppe %03d \u2603" % i for i in range(1000)]
    with Daemon("collectors: {enabled: false}\nrules: {builtin: [], files: [a.yaml, b.yaml], "
                "interval: 1h}\n", start=False) as d:
        for name, part in (("a", names[:600]), ("b", names[600:])):
            with open(os.path.join(d.dir, name + ".yaml"), "w") as f:
                f.write(groups_file(part[::-1]))  # they are listed by file, then by name
        d.start()
        seen, token = [], None
        for _ in range(20):
            params = {"group_limit": 137}
            if token:
                params["group_next_token"] = token
            data = d.get("/api/v1/rules", **params).json()["data"]
            check(len(data["groups"]) <= 137)
            seen += [g["name"] for g in data["groups"]]
            token = data.get("groupNextToken")
            if not token:
                break
        equal(seen, names)
        every = d.get("/api/v1/rules").json()["data"]["groups"]
        equal(len(every), 1000)
        files = sorted({g["file"] for g in every})
        equal(len(files), 2)
        got = d.get("/api/v1/rules", **{"file[]": files[1]}).json()["data"]["groups"]
        equal([g["name"] for g in got], names[600:])
        got = d.get("/api/v1/rules", **{"rule_group[]": [names[3], names[999]]}).json()["data"]["groups"]
        equal([g["name"] for g in got], [names[3], names[999]])
        got = d.get("/api/v1/rules", **{"match[]": '{n="1"}', "group_limit": 3}).json()["data"]
        equal([g["name"] for g in got["groups"]], [names[0], names[2], names[4]])
        check("groupNextToken" in got, got)
        got = d.get("/api/v1/rules", **{"rule_name[]": "r:1"}).json()["data"]["groups"]
        equal([g["name"] for g in got], [names[598], names[998]])
        rule = got[0]["rules"][0]
        equal((rule["type"], rule["labels"], rule["query"]), ("recording", {"n": rule["labels"]["n"]}, "vector(%s)" % rule["name"][2:]))
        a = d.get("/api/v1/rules", group_limit=5, group_next_token="0" * 40)
        equal(a.status, 400)
        check("were rule groups changed?" in a.json()["error"], a)


def test_rules_as_grafana_reads_them():
    rules = """groups:
  - name: g
    interval: 200ms
    rules:
      - alert: Always
        expr: vector(1.5) > 1
        for: 10m
        keep_firing_for: 1m
        labels: {severity: page}
        annotations: {summary: "value {{ $value }}"}
      - {record: "broken:sum", expr: 'label_replace(vector(1), "a b", "", "", "(")'}
"""
    with Daemon("collectors: {enabled: false}\nrules: {builtin: [], files: [r.yaml]}\n", start=False) as d:
        with open(os.path.join(d.dir, "r.yaml"), "w") as f:
            f.write(rules)
        d.start()

        def group():
            g = d.get("/api/v1/rules").json()["data"]["groups"][0]
            return g if g["rules"][0]["state"] == "pending" and g["rules"][1]["health"] == "err" else None
        g = wait_until(group)
        for key in ("name", "file", "rules", "interval", "limit", "evaluationTime", "lastEvaluation"):
            check(key in g, key, g)
        alert, record = g["rules"]
        equal((alert["duration"], alert["keepFiringFor"], alert["type"], alert["health"]),
              (600, 60, "alerting", "ok"))
        check(0 < alert["evaluationTime"] < 10 and alert["lastEvaluation"] > "2020", alert)
        active = alert["alerts"][0]
        equal((active["state"], active["value"]), ("pending", "1.5e+00"))
        equal(active["labels"], {"alertname": "Always", "severity": "page"})
        equal(active["annotations"], {"summary": "value 1.5"})
        check(record["lastError"] and "alerts" not in record, record)
        equal(d.get("/api/v1/alerts").json()["data"]["alerts"], [active])
        got = d.get("/api/v1/rules", type="alert", exclude_alerts="true").json()["data"]["groups"][0]
        equal([r["alerts"] for r in got["rules"]], [None])


# --- targets, configuration, notices ---

def test_targets_and_their_metadata():
    body = ("# HELP a_total All \\\\ of\\nthem.\n# TYPE a_total counter\na_total 1\n"
            "# TYPE b gauge\nb 2\nc 3\n")
    with Target(body) as one, Target("# TYPE b histogram\nb_count 1\n") as two:
        config = QUIET + "scrape_configs:\n" + "".join(
            "  - job_name: %s\n    scrape_interval: 200ms\n    scrape_timeout: 200ms\n"
            "    static_configs: [{targets: ['%s']}]\n" % (name, t.address)
            for name, t in (("zebra", one), ("ant", two))) + "  - job_name: none\n"
        with Daemon(config) as d:
            wait_until(lambda: d.value("count(up == 1)") == 2)
            equal(d.get("/api/v1/scrape_pools").json()["data"], {"scrapePools": ["ant", "none", "zebra"]})
            data = d.get("/api/v1/targets").json()["data"]
            equal({t["scrapePool"] for t in data["activeTargets"]}, {"ant", "zebra"})
            equal(data["droppedTargetCounts"], {"ant": 0, "none": 0, "zebra": 0})
            data = d.get("/api/v1/targets", scrapePool="ant", state="active").json()["data"]
            t = data["activeTargets"][0]
            equal((t["health"], t["scrapeInterval"], t["lastError"]), ("up", "200ms", ""))
            check(t["scrapeUrl"].startswith("http://127.0.0.1:"), t)
            check(t["globalUrl"].endswith(t["scrapeUrl"][len("http://127.0.0.1"):]), t)
            data = d.get("/api/v1/targets", state="dropped").json()["data"]
            equal((data["activeTargets"], data["droppedTargets"]), ([], []))

            got = d.get("/api/v1/targets/metadata", match_target='{job="zebra"}').json()["data"]
            equal([(m["metric"], m["type"], m["help"]) for m in got],
                  [("a_total", "counter", "All \\ of\nthem."), ("b", "gauge", "")])
            equal(got[0]["target"]["job"], "zebra")
            got = d.get("/api/v1/targets/metadata", metric="b").json()["data"]
            equal(sorted((m["target"]["job"], m["type"]) for m in got),
                  [("ant", "histogram"), ("zebra", "gauge")])
            check("metric" not in got[0], got)
            equal(len(d.get("/api/v1/targets/metadata", limit=1, metric="b").json()["data"]), 1)
            equal(d.get("/api/v1/targets/metadata", metric="nope").status, 404)
            equal(d.get("/api/v1/metadata", metric="a_total").json()["data"],
                  {"a_total": [{"type": "counter", "help": "All \\ of\nthem.", "unit": ""}]})
            equal(d.get("/api/v1/metadata", limit=0).json()["data"], {})


def test_config_flags_and_notices():
    secret = QUIET + ("scrape_configs:\n  - job_name: j\n    proxy_url: http://me:canary@proxy:3128\n"
                      "storage: {retention: {raw: 3d}, max_bytes: 1GiB}\n")
    with Daemon(secret) as d:
        yaml = d.get("/api/v1/status/config").json()["data"]["yaml"]
        check("canary" not in yaml and "<secret>" in yaml and "job_name" in yaml, yaml)
        path = os.path.join(d.dir, "shown.yaml")
        with open(path, "w") as f:
            f.write(yaml)
        p = tocsin("check", "config", path)
        equal((p.returncode, p.stderr), (0, ""))
        flags = d.get("/api/v1/status/flags").json()["data"]
        equal((flags["storage.tsdb.retention.time"], flags["storage.tsdb.retention.size"]), ("3d", "1GiB"))
        equal(flags["storage.tsdb.path"], d.data)
        check(all(isinstance(v, str) for v in flags.values()), flags)
        info = d.get("/api/v1/status/runtimeinfo").json()["data"]
        equal(info["storageRetention"], "3d or 1GiB")
        check(info["goroutineCount"] > 1 and info["CWD"] == os.path.realpath(d.dir), info)
        equal(d.get("/api/v1/notifications").json()["data"], [])
        d.write_config("nonsense: [")
        equal(d.post("/-/reload").status, 400)
        notice, = d.get("/api/v1/notifications").json()["data"]
        equal((notice["text"], notice["active"]), ("Configuration reload has failed.", True))
        d.write_config(QUIET)
        equal(d.post("/-/reload").status, 200)
        equal(d.get("/api/v1/notifications").json()["data"], [])
        equal(d.get("/api/v1/notifications/live").status, 204)
        features = d.get("/api/v1/features").json()["data"]
        equal((features["promql_functions"]["rate"], features["api"]["admin"]), (True, True))


# --- federation ---

def test_federation_is_large_and_sorted():
    with Daemon(QUIET + "global: {external_labels: {zone: z1}}\n") as d:
        now = int(time.time())
        lines = ["m%02d,s=%d v=%d %d" % (i % 50, i, i, now - 5) for i in range(20000)]
        for i in range(0, len(lines), 5000):
            equal(d.write("\n".join(lines[i:i + 5000]), precision="s").status, 204)
        began = time.monotonic()
        a = d.get("/federate?" + urllib.parse.urlencode({"match[]": '{__name__=~"m.+"}'}),
                  {"Accept-Encoding": "gzip"})
        print("20,000 series federated in %.3f s, %d bytes" % (time.monotonic() - began, len(a.body)))
        equal((a.status, a.headers["Content-Encoding"]), (200, "gzip"))
        check(a.headers["Content-Type"].startswith("text/plain; version=0.0.4"), a.headers)
        body = a.body.decode().splitlines()
        types = [line for line in body if line.startswith("# TYPE")]
        equal(types, ["# TYPE m%02d_v untyped" % i for i in range(50)])
        equal(len(body), 20050)
        check(all('zone="z1"' in line and line.endswith(" %d000" % (now - 5))
                  for line in body if not line.startswith("#")), body[:3])
        equal(d.get("/federate", **{"match[]": "{"}).status, 400)
        equal(d.get("/federate").body, b"")


def test_stop_does_not_wait_for_a_snapshot():
    with Daemon() as d:
        fill(d)
        equal(d.post(ADMIN + "snapshot").status, 200)
        equal(d.stop(signal.SIGTERM)[0], 0)


if __name__ == "__main__":
    main(globals())
