#!/usr/bin/env python3
"""query.backend: remote, with a second tocsin as the engine: the same answers, rules that read
there, an engine that goes away and comes back, reloads between back ends."""
import os
import signal
import socket
import time

from alerting import Receiver
from daemon import QUIET, SLOW, Daemon, check, equal, main, tocsin, wait_until

RULES = """
groups:
  - name: far
    interval: 1s
    rules:
      - record: far:sum
        expr: sum(far_load)
      - alert: FarBusy
        expr: far_load > 0.8
"""

CONFIG = """
collectors: {enabled: false}
query: {backend: remote, remote: {url: "%s", timeout: 5s}}
rules: {builtin: [], files: [%s]}
alerting:
  route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}
  receivers: [{name: hook, webhook_configs: [{url: "http://127.0.0.1:%d/", send_resolved: true}]}]
"""


def remote_config(url, rules="none*.yaml", hook=9):
    return CONFIG % (url, rules, hook)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fill(engine, now):
    lines = ["far,host=%s load=%g,total=%d %d" % (h, i / 10, i * n, now - 60 + i)
             for n, h in enumerate("abc") for i in range(60)]
    equal(engine.write("\n".join(lines), precision="s").status, 204)


def same(engine, near, path, **params):
    want, got = engine.get(path, **params), near.get(path, **params)
    equal(got.status, want.status)
    equal(got.json(), want.json())
    return got.json()


def test_answers_are_the_engines():
    with Daemon(QUIET) as engine, Daemon(remote_config(engine.url(""))) as near:
        now = int(time.time())
        fill(engine, now)
        for expr in ("far_load", "sum by (host) (rate(far_total[30s]))", "1+1", "time()", '"text"',
                     "far_load[10s]", "topk(2, far_load)", "sort_desc(far_load)", "nothing",
                     'far_load{host=~"a|b"} offset 5s', "-far_load > bool 1", "vector(NaN)",
                     "max_over_time(far_load[30s:5s] @ %d)" % (now - 5), "absent(nothing)"):
            same(engine, near, "/api/v1/query", query=expr, time=now)
        for expr in ("far_load", "sum(rate(far_total[30s]))", "1", "far_load / on(host) far_total"):
            body = same(engine, near, "/api/v1/query_range", query=expr, start=now - 60, end=now, step=7)
            check(body["data"]["result"], expr)
        when = {"start": now - 100, "end": now}
        same(engine, near, "/api/v1/labels", **when)
        same(engine, near, "/api/v1/label/host/values", **when)
        same(engine, near, "/api/v1/label/host/values", **{"match[]": 'far_load{host!="a"}'})
        same(engine, near, "/api/v1/series", **{"match[]": "far_load"}, **when)
        limited = same(engine, near, "/api/v1/series", **{"match[]": "far_load"}, limit=2, **when)
        check(limited["warnings"] and len(limited["data"]) == 2, limited)
        same(engine, near, "/api/v1/metadata")
        batch = ('{"start":%d,"end":%d,"step":5,"queries":[{"query":"far_load"},{"query":"sum("}]}'
                 % (now - 60, now)).encode()
        want, got = (d.post("/api/v1/query_batch", batch).json() for d in (engine, near))
        equal(got, want)
        equal(got["data"]["results"][1]["errorType"], "bad_data")
        run = tocsin("query", "--url", near.url(""), "--time", str(now), "-o", "csv", "sum(far_load)")
        equal(run.returncode, 0)
        check("17.7" in run.stdout, run)
        wait_until(lambda: near.own("tocsin_query_remote_requests_total"))


def test_mistakes_are_answered_as_everywhere():
    with Daemon(QUIET) as engine, Daemon(remote_config(engine.url(""))) as near:
        same(engine, near, "/api/v1/query", query="sum(")
        answer = near.get("/api/v1/query_range", query="far_load[5m]", start=0, end=60, step=15)
        check(answer.status in (400, 422) and "range query" in answer.json()["error"], answer)
        now = int(time.time())
        fill(engine, now)
        answer = near.get("/api/v1/query", query="far_load * on() far_total", time=now)
        equal((answer.status, answer.json()["errorType"]), (422, "execution"))
        check(engine.url("") in answer.json()["error"], answer)


def far_rules(near):
    group = near.get("/api/v1/rules").json()["data"]["groups"][0]
    return {r["name"]: r for r in group["rules"]}


def firing(near):
    return [a["state"] for a in near.get("/api/v1/alerts").json()["data"]["alerts"]] == ["firing"]


def test_rules_read_there_and_outlive_an_outage():
    receiver = Receiver()
    receiver.listen()
    with Daemon(QUIET) as engine, \
            Daemon(remote_config(engine.url(""), "rules.yaml", receiver.port), start=False) as near:
        with open(os.path.join(near.dir, "rules.yaml"), "w") as f:
            f.write(RULES)
        engine.write("far,host=a load=0.9")
        near.start()
        wait_until(lambda: receiver.last("firing"), 15)
        wait_until(lambda: firing(near))
        engine.kill()

        # down: told where it shows, nothing resolved
        answer = wait_until(lambda: (lambda a: a if a.status == 503 else None)(
            near.get("/api/v1/query", query="far_load")))
        equal(answer.json()["errorType"], "unavailable")
        check(engine.url("") in answer.json()["error"], answer)
        equal(near.get("/api/v1/labels").status, 503)
        wait_until(lambda: far_rules(near)["FarBusy"]["health"] == "err")
        check(engine.url("") in far_rules(near)["FarBusy"]["lastError"], far_rules(near))
        check(firing(near))
        wait_until(lambda: near.own("tocsin_query_remote_failures_total"))
        check(near.own("tocsin_query_remote_requests_total") > 0)

        # a restart meanwhile: the alert is still known
        near.stop()
        near.start()
        wait_until(lambda: far_rules(near)["FarBusy"]["health"] == "err")
        check(firing(near), near.get("/api/v1/alerts"))
        check(receiver.last("resolved") is None, receiver.got)

        # back: evaluated again, and over when it is over
        engine.start()
        wait_until(lambda: far_rules(near)["FarBusy"]["health"] == "ok")
        engine.write("far,host=a load=0.1")
        wait_until(lambda: receiver.last("resolved"), 15)
        equal(near.stop()[0], 0)
    receiver.hang_up()


def test_results_of_rules_are_stored_here():
    with Daemon(QUIET) as engine, Daemon(remote_config(engine.url(""), "rules.yaml"), start=False) as near:
        with open(os.path.join(near.dir, "rules.yaml"), "w") as f:
            f.write(RULES)
        engine.write("far,host=a load=0.9")
        near.start()
        wait_until(lambda: far_rules(near)["far:sum"]["health"] == "ok")
        equal(near.query("far:sum"), [])  # the engine has none
        near.write_config(QUIET)
        equal(near.post("/-/reload").status, 200)
        # the rules are gone now, and their series over: but for the time they were there
        equal(near.value("last_over_time(far:sum[1m])"), 0.9)
        alerts = near.query("last_over_time(ALERTS{alertname='FarBusy'}[1m])")
        equal(alerts[0]["metric"]["alertstate"], "firing")


def test_reload_switches_the_back_end():
    with Daemon(QUIET) as engine, Daemon(QUIET) as near:
        engine.write("who v=1")
        near.write("who v=2")
        equal(near.value("who_v"), 2)
        near.write_config(remote_config(engine.url("")))
        equal(near.post("/-/reload").status, 200)
        equal(near.value("who_v"), 1)
        token = os.path.join(near.dir, "token")
        bad = remote_config(engine.url("")).replace("timeout: 5s", "bearer_file: %s" % token)
        near.write_config(bad)
        answer = near.post("/-/reload")  # the file is not there: nothing changes
        equal(answer.status, 400)
        check("cannot read query.remote.bearer_file %s" % token in answer.json()["error"], answer)
        equal(near.value("who_v"), 1)
        with open(token, "w") as f:
            f.write("canary-token\n")
        equal(near.post("/-/reload").status, 200)
        equal(near.value("who_v"), 1)
        check("canary" not in near.read_log())
        near.write_config(QUIET)
        equal(near.post("/-/reload").status, 200)
        equal(near.value("who_v"), 2)


def test_start_needs_no_engine_and_check_asks_none():
    with Daemon(remote_config("http://127.0.0.1:%d" % free_port())) as near:
        equal(near.get("/-/ready").status, 200)
        equal(near.get("/api/v1/query", query="1").status, 503)
        equal(near.get("/api/v1/query", query="sum(").status, 400)
    with socket.socket() as s, Daemon(start=False) as d:
        s.bind(("127.0.0.1", 0))
        s.listen()
        s.settimeout(0.5)
        d.write_config("query: {backend: remote, remote: {url: 'http://127.0.0.1:%d'}}\n"
                       % s.getsockname()[1])
        equal(tocsin("check", "config", d.file).returncode, 0)
        try:
            s.accept()
            raise AssertionError("the engine was contacted")
        except TimeoutError:
            pass


def test_a_client_that_leaves_frees_its_query():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        s.settimeout(10 * SLOW)
        url = "http://127.0.0.1:%d" % s.getsockname()[1]
        with Daemon("collectors: {enabled: false}\nrules: {builtin: []}\n"
                    "query: {backend: remote, remote: {url: '%s'}}\n" % url) as near:
            client = near.connection()
            client.request("GET", "/api/v1/query?query=up")
            engine, _ = s.accept()  # who never answers
            engine.settimeout(10 * SLOW)
            got = b""
            while b"query=up" not in got:
                got += engine.recv(65536)
            began = time.monotonic()
            client.close()
            while engine.recv(65536):  # until our side hangs up
                pass
            check(time.monotonic() - began < 3 * SLOW, time.monotonic() - began)
            engine.close()


def test_an_engine_that_hangs_holds_up_nobody_else():
    with Daemon(QUIET) as engine, Daemon(remote_config(engine.url(""))) as near:
        near.query("1")
        engine.process.send_signal(signal.SIGSTOP)
        try:
            began = time.monotonic()
            answer = near.get("/api/v1/query", query="far_load", timeout="300ms")
            equal((answer.status, answer.json()["errorType"]), (503, "timeout"))
            check(time.monotonic() - began < 3 * SLOW, time.monotonic() - began)
            waiting = [near.connection() for _ in range(8)]  # more than are answered at once
            for c in waiting:
                c.request("GET", "/api/v1/query?query=far_load")
            equal(near.get("/-/ready").status, 200)
            equal(near.get("/api/v1/rules").status, 200)
            equal(near.write("here v=1").status, 204)
            status, seconds = near.stop()
            equal(status, 0)
            check(seconds < 5 * SLOW, seconds)
            for c in waiting:
                c.close()
        finally:
            engine.process.send_signal(signal.SIGCONT)


def test_experimental_and_lookback():
    with Daemon(QUIET) as d:
        equal(d.get("/api/v1/query", query="limitk(1, up)").status, 400)
        now = int(time.time())
        d.write("late v=1 %d" % (now - 120), precision="s")
        equal(d.value("late_v", time=now), 1)
        d.write_config(QUIET + "query: {experimental: true, lookback: 1m}\n")
        equal(d.post("/-/reload").status, 200)
        check(d.get("/api/v1/query", query="limitk(1, up)").status != 400)
        equal(d.value("late_v", time=now), None)


if __name__ == "__main__":
    main(globals())
