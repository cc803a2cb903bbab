#!/usr/bin/env python3
"""kill -9 at random moments while alerts come and go: no firing and no resolve is lost.

Six hosts cross a threshold and come back at random; the daemon is killed at random, often around
the moment when a restarted daemon lets go of alerts that are missing. The receiver refuses three
requests of ten. Afterwards, for each host, messages in order of their first arrival alternate
firing, resolved, firing, ...; each end belongs to the beginning before it; what came twice came
under the same id with the same bytes. Usage: alert_kills.py [KILLS] [SEED]
"""
import collections
import http.server
import json
import random
import sys
import threading
import time

from daemon import SLOW, Daemon, check, equal, wait_until

HOSTS = 6
INTERVAL_S = 0.2
HOLD_S = 5 + 2 * INTERVAL_S  # how long missing alerts are held after a restart

RULES = """
groups:
  - name: kills
    interval: 200ms
    rules:
      - alert: Busy
        expr: kills_load > 0.5
        for: 200ms
"""
CONFIG = """
collectors: {enabled: false}
rules: {builtin: [], files: [rules.yaml]}
alerting:
  route: {receiver: hook, group_by: [host], group_wait: 0s, group_interval: 200ms}
  receivers:
    - name: hook
      webhook_configs: [{url: "http://127.0.0.1:%d/hook", send_resolved: true}]
"""


class Receiver:
    def __init__(self, rng):
        self.seen, self.refused, self.lock = [], 0, threading.Lock()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with outer.lock:
                    good = rng.random() > 0.3
                    outer.refused += not good
                    if good:
                        outer.seen.append((self.headers["webhook-id"], body))
                self.send_response(200 if good else 500)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # the daemon was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Loads:
    """Pushes every host's load; each turns at random, or all go low at the end."""

    def __init__(self, d, rng):
        self.d, self.rng = d, rng
        self.high = [False] * HOSTS
        self.until = [0.0] * HOSTS
        self.calm = self.stopped = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stopped:
            now = time.monotonic()
            for i in range(HOSTS):
                if self.calm:
                    self.high[i] = False
                elif now >= self.until[i]:
                    self.high[i] = not self.high[i]
                    self.until[i] = now + self.rng.uniform(0.3, 4 if self.high[i] else 9)
            lines = "\n".join("kills,host=h%d load=%d" % (i, h) for i, h in enumerate(self.high))
            try:
                self.d.write(lines)
            except OSError:
                pass
            time.sleep(0.1)

    def stop(self):
        self.stopped = True
        self.thread.join()


def judge(seen):
    """Returns (firings, repeats); fails at the first message out of order."""
    bodies, stories, repeats = {}, collections.defaultdict(list), 0
    for ident, raw in seen:
        if ident in bodies:
            equal(raw, bodies[ident])
            repeats += 1
            continue
        bodies[ident] = raw
        body = json.loads(raw)
        equal(len(body["alerts"]), 1)
        alert = body["alerts"][0]
        stories[alert["labels"]["host"]].append((body["status"], alert["startsAt"]))
    firings = 0
    for host, story in stories.items():
        equal([s for s, _ in story], ["firing", "resolved"] * (len(story) // 2))
        for (_, began), (_, of) in zip(story[::2], story[1::2]):
            equal((host, of), (host, began))
        firings += len(story) // 2
    return firings, repeats


def main():
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print("kills %d seed %d" % (kills, seed), flush=True)
    rng = random.Random(seed)
    receiver = Receiver(random.Random(seed + 1))
    with Daemon(CONFIG % receiver.server.server_port, start=False) as d:
        with open(d.dir + "/rules.yaml", "w") as f:
            f.write(RULES)
        d.start()
        loads = Loads(d, random.Random(seed + 2))
        ready = []
        for i in range(kills):
            # every other life ends near the moment when held alerts are let go
            life = rng.uniform(0.1, 3) if i % 2 else HOLD_S + rng.uniform(-0.2, 0.6)
            time.sleep(life)
            d.kill()
            began = time.monotonic()
            d.start()
            ready.append(time.monotonic() - began)
        loads.calm = True

        def over():
            return d.get("/api/v1/alerts").json()["data"]["alerts"] == [] and \
                d.own("tocsin_notify_outbox_messages") == 0 and len(receiver.seen)
        wait_until(over, 20)
        while True:  # nothing may come any more
            before = len(receiver.seen)
            time.sleep(1.5 * SLOW)
            wait_until(over, 20)
            if len(receiver.seen) == before:
                break
        loads.stop()
        with receiver.lock:
            firings, repeats = judge(receiver.seen)
        check(firings >= kills // 2, firings)
        check(repeats <= kills * HOSTS, repeats)
        print("ok alerts across %d kills: %d fired and resolved, %d repeated, %d refused, "
              "ready in %.2f s at most" % (kills, firings, repeats, receiver.refused, max(ready)))
    receiver.close()


if __name__ == "__main__":
    main()
