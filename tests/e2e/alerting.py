#!/usr/bin/env python3
"""From a value to a webhook and back: rules, alert state, outbox, across kill -9."""
import http.server
import json
import os
import re
import threading
import time

from daemon import SLOW, Daemon, check, equal, main, tocsin, wait_until

RULES = """
groups:
  - name: e2e
    interval: 1s
    rules:
      - record: load:double
        expr: e2e_load * 2
      - alert: Busy
        expr: e2e_load > 0.8
        for: 1s
        labels: {severity: page}
        annotations: {summary: "load is {{ $value }} on {{ $labels.host }}"}
"""

CONFIG = """
collectors: {enabled: false}
rules: {builtin: [], files: [rules.yaml]}
alerting:
  route: {receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s}
  receivers:
    - name: hook
      webhook_configs: [{url: "http://127.0.0.1:%d/hook", send_resolved: true}]
"""


# The rule of the field's oldest alert, on cores whose idle time a test decides.
CPU_RULES = """
groups:
  - name: cpu
    interval: 1s
    rules:
      - alert: CpuBusy
        expr: 1 - avg(rate(node_cpu_seconds_total{mode="idle"}[3s])) > 0.8
        for: 1s
        annotations: {summary: "busy: {{ $value | humanizePercentage }}"}
"""

PAYLOAD_KEYS = {"receiver", "status", "alerts", "notification_reason", "groupLabels", "commonLabels",
                "commonAnnotations", "routeLabels", "externalURL", "version", "groupKey",
                "truncatedAlerts"}
ALERT_KEYS = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
ZERO_TIME = "0001-01-01T00:00:00Z"


class Receiver:
    """A webhook receiver that can be absent, or refuse; its port stays the same."""

    def __init__(self):
        self.got = []  # (id, body) of what was accepted
        self.refused = []  # the same of what was answered 500
        self.accepts = {"firing", "resolved"}
        self.headers = None  # of the latest request
        self.server = None
        self.port = 0

    def listen(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.headers = self.headers
                good = body["status"] in outer.accepts
                (outer.got if good else outer.refused).append((self.headers["webhook-id"], body))
                self.send_response(200 if good else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hang_up(self):
        self.server.shutdown()
        self.server.server_close()

    def last(self, status):
        return next((g for g in reversed(self.got) if g[1]["status"] == status), None)

    def last_refused(self, status):
        return next((g for g in reversed(self.refused) if g[1]["status"] == status), None)


class Cores:
    """A target with two cores, idle for a share of their time that a test may change."""

    def __init__(self):
        outer = self
        self.idle_share, self.idle, self.at = 0.95, 1000.0, time.monotonic()
        self.lock = threading.Lock()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                idle = outer.advance()
                body = "# TYPE node_cpu_seconds_total counter\n" + "".join(
                    'node_cpu_seconds_total{cpu="%d",mode="idle"} %.6f\n' % (i, idle) for i in (0, 1))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def advance(self, share=None):
        with self.lock:
            now = time.monotonic()
            self.idle += self.idle_share * (now - self.at)
            self.at = now
            if share is not None:
                self.idle_share = share
            return self.idle

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Load:
    """Pushes the load twice a second until it is stopped."""

    def __init__(self, daemon, value):
        self.daemon, self.value, self.on = daemon, value, True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.on:
            try:
                self.daemon.write("e2e_load,host=a value=%g" % self.value)
            except OSError:
                pass
            time.sleep(0.2)

    def stop(self):
        self.on = False
        self.thread.join()


def write_rules(d, text=RULES):
    with open(os.path.join(d.dir, "rules.yaml"), "w") as f:
        f.write(text)


def start(receiver, rules=RULES, more=""):
    receiver.listen()
    d = Daemon(CONFIG % receiver.port + more, start=False)
    write_rules(d, rules)
    d.start()
    return d


def alerts(d):
    return d.get("/api/v1/alerts").json()["data"]["alerts"]


def the_alert(d, state):
    """The one alert, once it is in that state."""
    return wait_until(lambda: [a for a in alerts(d) if a["state"] == state], 10)[0]


def test_the_cpu_rule_fires_and_resolves_within_five_seconds():
    receiver, cores = Receiver(), Cores()
    scrape = ("scrape_configs:\n  - job_name: node\n    scrape_interval: 1s\n    scrape_timeout: 900ms\n"
              "    static_configs: [{targets: ['127.0.0.1:%d']}]\n" % cores.server.server_port)
    with start(receiver, CPU_RULES, scrape) as d:
        idle = '1 - avg(rate(node_cpu_seconds_total{mode="idle"}[3s]))'
        wait_until(lambda: (d.value(idle) or 1) < 0.2, 10)
        equal(alerts(d), [])
        for share, status in ((0.02, "firing"), (0.95, "resolved")):
            cores.advance(share)
            began = time.monotonic()
            wait_until(lambda: receiver.last(status), 5)
            took = time.monotonic() - began
            check(took < 5 * SLOW, status, took)
            print("%s %.2f s after the load changed" % (status, took))
        equal([body["status"] for _, body in receiver.got], ["firing", "resolved"])
        summary = receiver.last("firing")[1]["alerts"][0]["annotations"]["summary"]
        check(re.match(r"busy: (8\d|9\d)\.?\d*%$", summary), summary)
        receiver.hang_up()
    cores.close()


def test_payload():
    """Every key of Alertmanager's version 4, and what ties the two messages together."""
    receiver = Receiver()
    with start(receiver) as d:
        load = Load(d, 0.95)
        wait_until(lambda: receiver.last("firing"), 5)
        active = the_alert(d, "firing")
        load.value = 0.1
        wait_until(lambda: receiver.last("resolved"), 5)
        load.stop()
        for _, body in receiver.got:
            equal(set(body), PAYLOAD_KEYS)
            equal([set(a) for a in body["alerts"]], [ALERT_KEYS])
            equal((body["receiver"], body["version"], body["truncatedAlerts"]), ("hook", "4", 0))
            equal(body["groupKey"], '{}:{alertname="Busy"}')
            equal(body["groupLabels"], {"alertname": "Busy"})
            equal(body["externalURL"], "http://127.0.0.1:%d" % d.port)
            equal(body["commonLabels"], body["alerts"][0]["labels"])
            equal(body["commonAnnotations"], body["alerts"][0]["annotations"])
            check(re.fullmatch("[0-9a-f]{16}", body["alerts"][0]["fingerprint"]), body)
        fired, resolved = (body["alerts"][0] for _, body in receiver.got)
        equal((fired["status"], resolved["status"]), ("firing", "resolved"))
        equal(fired["endsAt"], ZERO_TIME)
        check(resolved["endsAt"] > resolved["startsAt"], resolved)
        for key in ("labels", "startsAt", "fingerprint", "generatorURL"):
            equal(resolved[key], fired[key])
        check(fired["startsAt"] > active["activeAt"], fired, active)  # began to fire, not to hold
        check("g0.expr=e2e_load+%3E+0.8" in fired["generatorURL"], fired)
        check(receiver.headers["Content-Type"].startswith("application/json"))
        check(receiver.headers["User-Agent"].startswith("tocsin/"))
        check(len({i for i, _ in receiver.got}) == 2, receiver.got)
        receiver.hang_up()


def test_both_messages_keep_their_ids_across_an_outage_and_kills():
    receiver = Receiver()
    receiver.accepts = set()
    with start(receiver) as d:
        load = Load(d, 0.95)
        firing = wait_until(lambda: receiver.last_refused("firing"), 10)
        receiver.hang_up()
        load.value = 0.1
        d.kill()
        d.start()
        wait_until(lambda: d.own("tocsin_notify_outbox_messages") == 2, 20)  # the end is decided while nobody listens
        d.kill()
        d.start()
        receiver.accepts = {"firing"}
        receiver.listen()
        equal(wait_until(lambda: receiver.last("firing"), 15), firing)
        resolved = wait_until(lambda: receiver.last_refused("resolved"), 15)
        d.kill()
        receiver.accepts = {"firing", "resolved"}
        d.start()
        equal(wait_until(lambda: receiver.last("resolved"), 15), resolved)
        wait_until(lambda: d.own("tocsin_notify_outbox_messages") == 0, 10)
        equal({i for i, _ in receiver.got}, {firing[0], resolved[0]})
        equal(resolved[1]["alerts"][0]["startsAt"], firing[1]["alerts"][0]["startsAt"])
        load.stop()
        receiver.hang_up()


def test_time_spent_pending_survives_kill_and_reload():
    """Eight seconds of `for`, with a kill and a reload on the way: it fires when it would have."""
    receiver = Receiver()
    slow = RULES.replace("for: 1s", "for: 8s")
    with start(receiver, slow) as d:
        load = Load(d, 0.95)
        before = the_alert(d, "pending")
        began = time.monotonic()
        equal(d.value('ALERTS{alertstate="pending"}'), 1)
        d.kill()
        d.start()
        equal(the_alert(d, "pending")["activeAt"], before["activeAt"])
        write_rules(d, slow.replace("groups:", "groups:\n  - {name: empty, rules: []}"))
        equal(d.post("/-/reload").status, 200)
        equal(the_alert(d, "pending")["activeAt"], before["activeAt"])
        write_rules(d, slow + "      - alert: Busy\n        exprr: 1\n")
        equal(d.post("/-/reload").status, 400)
        equal(the_alert(d, "pending")["activeAt"], before["activeAt"])
        equal(receiver.got, [])
        fired = the_alert(d, "firing")
        took = time.monotonic() - began
        check(6 < took < 8 + 4 * SLOW, took)
        equal(fired["activeAt"], before["activeAt"])
        wait_until(lambda: receiver.last("firing"), 5)
        wait_until(lambda: d.value('ALERTS{alertstate="firing",alertname="Busy",host="a"}') == 1)
        equal(d.query('ALERTS{alertstate="pending"}'), [])
        since = d.value('ALERTS_FOR_STATE{alertname="Busy"}')
        check(abs(time.time() - since - took) < 3 * SLOW, since, took)
        # a reload while it fires ends nothing and tells nothing again
        write_rules(d, slow)
        equal(d.post("/-/reload").status, 200)
        time.sleep(2)
        equal([body["status"] for _, body in receiver.got], ["firing"])
        # without its rule the alert ends
        write_rules(d, "groups: []\n")
        equal(d.post("/-/reload").status, 200)
        wait_until(lambda: receiver.last("resolved"), 5)
        equal(d.query("ALERTS"), [])
        load.stop()
        receiver.hang_up()


def test_fires_and_resolves_within_five_seconds():
    receiver = Receiver()
    with start(receiver) as d:
        load = Load(d, 0.95)
        began = time.monotonic()
        fired = wait_until(lambda: receiver.last("firing"), 5)
        check(time.monotonic() - began < 5 * SLOW)
        alert = fired[1]["alerts"][0]
        equal(fired[1]["version"], "4")
        equal(alert["labels"], dict(alert["labels"], alertname="Busy", severity="page", host="a"))
        equal(alert["annotations"]["summary"], "load is 0.95 on a")
        active = d.get("/api/v1/alerts").json()["data"]["alerts"]
        equal([a["state"] for a in active], ["firing"])
        equal(active[0]["value"], "9.5e-01")
        group = d.get("/api/v1/rules").json()["data"]["groups"][0]
        equal([r["name"] for r in group["rules"]], ["load:double", "Busy"])
        equal([r["health"] for r in group["rules"]], ["ok", "ok"])
        equal(d.get("/api/v1/rules", type="record").json()["data"]["groups"][0]["rules"][0]["type"], "recording")
        equal(d.value("load:double"), 1.9)
        equal(d.value('ALERTS{alertstate="firing"}'), 1)
        load.value = 0.1
        began = time.monotonic()
        wait_until(lambda: receiver.last("resolved"), 5)
        check(time.monotonic() - began < 5 * SLOW)
        load.stop()
        receiver.hang_up()


def test_an_alert_outlives_a_dead_receiver_and_kill():
    receiver = Receiver()
    with start(receiver) as d:
        receiver.hang_up()
        load = Load(d, 0.95)
        wait_until(lambda: d.value("tocsin_notify_attempts_total") or
                   d.query('ALERTS{alertstate="firing"}'), 5)
        time.sleep(1)
        d.kill()
        d.start()
        time.sleep(1)
        receiver.listen()
        first = wait_until(lambda: receiver.last("firing"), 15)
        load.value = 0.1
        wait_until(lambda: receiver.last("resolved"), 15)
        ids = {i for i, body in receiver.got if body["status"] == "firing" and
               body["alerts"][0]["startsAt"] == first[1]["alerts"][0]["startsAt"]}
        equal(ids, {first[0]})
        load.stop()
        receiver.hang_up()


def test_bad_rules_change_nothing():
    receiver = Receiver()
    with start(receiver) as d:
        write_rules(d, "groups:\n  - name: e2e\n    rules:\n      - alert: Bad\n        expr: sum(\n")
        a = d.post("/-/reload")
        equal(a.status, 400)
        check("rules.yaml:5" in a.json()["error"], a)
        names = [r["name"] for r in d.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]]
        equal(names, ["load:double", "Busy"])
        equal(tocsin("check", "config", d.file).returncode, 1)
        equal(tocsin("check", "rules", os.path.join(d.dir, "rules.yaml")).returncode, 1)
        write_rules(d)
        equal(d.post("/-/reload").status, 200)
        equal(tocsin("check", "config", d.file).returncode, 0)
        receiver.hang_up()


if __name__ == "__main__":
    main(globals())
