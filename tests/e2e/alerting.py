#!/usr/bin/env python3
"""From a pushed value to a webhook and back: rules, alert state, outbox, across kill -9."""
import http.server
import json
import os
import threading
import time

from daemon import QUIET, SLOW, Daemon, check, equal, main, tocsin, wait_until

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


class Receiver:
    """A webhook receiver that can be absent: its port stays reserved."""

    def __init__(self):
        self.got = []  # (id, body)
        self.server = None
        self.port = 0

    def listen(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.headers["webhook-id"], json.loads(body)))
                self.send_response(200)
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


def start(receiver):
    receiver.listen()
    d = Daemon(CONFIG % receiver.port, start=False)
    write_rules(d)
    d.start()
    return d


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
