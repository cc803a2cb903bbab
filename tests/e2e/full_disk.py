#!/usr/bin/env python3
"""The disk fills up, is freed, fills up again: only new samples suffer, and only while it is full.

The data directory lies on a tmpfs of 48 MiB, which needs root; without it the test says so and is
skipped. A file of ours takes the room away, once down to min_free and once to the last byte.
"""
import os
import subprocess
import sys
import time

from alerting import CONFIG as ALERTING, RULES, Receiver, write_rules
from daemon import SLOW, Daemon, check, equal, main, wait_until

SIZE = 48 << 20


class Tmpfs:
    def __init__(self, path):
        self.path = path
        os.makedirs(path, exist_ok=True)

    def __enter__(self):
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%d" % SIZE, "tocsin-test", self.path],
                       check=True, timeout=20, stderr=subprocess.PIPE)
        return self

    def __exit__(self, *exc):
        subprocess.run(["umount", "-l", self.path], check=False, timeout=20)

    def fill(self, leave):
        """Takes all but so many bytes."""
        with open(os.path.join(self.path, "ballast"), "ab") as f:
            try:
                while True:
                    s = os.statvfs(self.path)
                    free = s.f_bavail * s.f_frsize
                    if free <= leave:
                        return
                    f.write(b"\0" * min(free - leave, 1 << 20))
                    f.flush()
            except OSError:
                pass

    def free(self):
        os.unlink(os.path.join(self.path, "ballast"))


def can_mount():
    if os.geteuid() != 0:
        return "mounting a tmpfs needs root"
    probe = "/tmp/tocsin-e2e-mount-%d" % os.getpid()
    try:
        with Tmpfs(probe):
            return None
    except (OSError, subprocess.SubprocessError) as e:
        return "cannot mount a tmpfs: %s" % e
    finally:
        os.rmdir(probe)


def push(d, n):
    return d.write("\n".join("full,s=%d v=%d" % (s, n) for s in range(200)))


def until_refused(d, disk, leave):
    """Writes until the daemon says that there is no room: what it had set aside goes first."""
    until = time.monotonic() + 10 * SLOW
    while time.monotonic() < until:
        disk.fill(leave)
        for n in range(100):
            a = d.write("\n".join("ballast,s=%d v=%d" % (s, n) for s in range(2000)))
            if a.status != 204:
                return a
    raise AssertionError("never refused")


def round_of(d, disk, leave, name):
    """Fills, looks, frees, looks."""
    before = d.value("sum(full_v)")
    refused = until_refused(d, disk, leave)
    equal(refused.status, 503)
    check("Retry-After" in refused.headers, dict(refused.headers))
    wait_until(lambda: d.own("tocsin_tsdb_writable") == 0, 5)
    # what is there is still told, and alerts still come and go
    equal(d.value("sum(full_v)"), before)
    equal(d.get("/-/healthy").status, 200)
    equal(d.get("/").status, 200)
    evaluated = d.own("tocsin_rules_evaluations_total")
    wait_until(lambda: d.own("tocsin_rules_evaluations_total") >= evaluated + 4, 10)
    equal(d.own("tocsin_rules_missed_slots_total"), 0)
    time.sleep(1)
    disk.free()
    began = time.monotonic()
    wait_until(lambda: push(d, 8).status == 204, 5)
    took = time.monotonic() - began
    check(took < 5 * SLOW, took)
    equal(d.value("sum(full_v)"), 8 * 200)
    wait_until(lambda: d.own("tocsin_tsdb_writable") == 1, 5)
    print("%s: writing again %.1f s after there was room" % (name, took))


def test_full_disk():
    receiver = Receiver()
    receiver.listen()
    # a rule that needs no new samples fires all the time
    rules = RULES + "      - {alert: Always, expr: vector(1)}\n"
    config = "storage: {flush_interval: 2s}\n" + (ALERTING % receiver.port).replace(
        "group_by: [alertname]", "group_by: [alertname], repeat_interval: 1s")
    with Daemon(config, start=False) as d, Tmpfs(d.data) as disk:
        write_rules(d, rules)
        d.start()
        try:
            equal(push(d, 1).status, 204)
            wait_until(lambda: receiver.last("firing"), 10)
            round_of(d, disk, SIZE // 50, "below min_free")
            d.stop()
            d.write_config(config.replace("flush_interval: 2s", "flush_interval: 2s, min_free: 0%"))
            d.start()
            for i in (1, 2):
                round_of(d, disk, 0, "to the last byte, %d" % i)
            # notifications went on, and what was written is there after a kill
            seen = len(receiver.got)
            wait_until(lambda: len(receiver.got) > seen, 10)
            d.kill()
            d.start()
            equal(d.value("sum(full_v)"), 8 * 200)
            wait_until(lambda: d.own("tocsin_tsdb_damaged") == 0, 5)
        finally:
            if d.process:
                d.kill()
            receiver.hang_up()


def test_an_alert_fires_while_the_disk_is_full():
    """With no byte left neither its state nor its message can be saved; it is told all the same."""
    receiver = Receiver()
    receiver.listen()
    rules = ("groups:\n  - name: full\n    interval: 1s\n    rules:\n"
             "      - alert: Late\n        expr: vector(time()) > %d\n" % (time.time() + 6 * SLOW))
    with Daemon("storage: {min_free: 0%}\n" + ALERTING % receiver.port, start=False) as d, \
            Tmpfs(d.data) as disk:
        write_rules(d, rules)
        d.start()
        try:
            equal(until_refused(d, disk, 0).status, 503)
            equal(receiver.got, [])
            wait_until(lambda: receiver.last("firing"), 15)
            check(d.read_log().count("\n") < 40, "the log is flooded")
            disk.free()
        finally:
            d.kill()
            receiver.hang_up()


if __name__ == "__main__":
    why = can_mount()
    if why:
        print("skipped: " + why)
        sys.exit(0)
    main(globals())
