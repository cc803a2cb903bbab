#!/usr/bin/env python3
"""Prometheus targets, good and bad, through the whole daemon."""
import http.server
import os
import re
import signal
import threading

from daemon import QUIET, ROOT, Daemon, check, equal, main, tocsin, wait_until

FIXTURES = os.path.join(ROOT, "tests/fixtures/exposition")


class Target:
    """An exporter whose body a test may change; None hangs until it is closed."""

    def __init__(self, body, status=200):
        self.body, self.status, self.closing = body, status, threading.Event()
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                body = target.body
                if body is None:
                    target.closing.wait(30)
                    return
                self.send_response(target.status)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # scrapers may leave at any moment

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()


def job(name, *targets, **keys):
    lines = ["  - job_name: %s" % name, "    scrape_interval: 200ms", "    scrape_timeout: 200ms"]
    lines += ["    %s: %s" % (k, v) for k, v in keys.items()]
    lines.append("    static_configs: [{targets: [%s]}]" % ", ".join('"%s"' % t.address for t in targets))
    return "\n".join(lines) + "\n"


def config(*jobs):
    return QUIET + "scrape_configs:\n" + "".join(jobs)


def read(name):
    with open(os.path.join(FIXTURES, name)) as f:
        return f.read()


def test_recorded_expositions_are_stored_sample_for_sample():
    for name in ("node_exporter", "prometheus"):
        with Target(read(name + ".prom")) as t, Daemon(config(job("j", t))) as d:
            wait_until(lambda: d.value("up") == 1)
            lines = read(name + ".stored").splitlines()
            for line in lines:
                series, value = line.rsplit(" ", 1)
                got = d.query(series.replace('instance="a:1"', 'instance="%s"' % t.address))
                equal(len(got), 1)
                check(float(got[0]["value"][1]) == float(value) or value == "NaN", line, got)
            equal(d.value('count({job="j"})'), len(lines) + 6)
            equal(d.value("scrape_samples_scraped"), len(lines))
            equal(d.value("scrape_body_size_bytes"), len(read(name + ".prom").encode()))


def test_metadata_and_targets():
    with Target(read("node_exporter.prom")) as t, Daemon(config(job("j", t))) as d:
        wait_until(lambda: d.value("up") == 1)
        meta = d.get("/api/v1/metadata").json()["data"]["node_cpu_seconds_total"][0]
        equal(meta["type"], "counter")
        equal(meta["help"], "Seconds the CPUs spent in each mode.")
        target = d.get("/api/v1/targets").json()["data"]["activeTargets"][0]
        equal(target["scrapeUrl"], "http://%s/metrics" % t.address)
        equal(target["health"], "up")
        equal(target["labels"]["job"], "j")


def test_what_vanishes_is_stale_at_once():
    with Target("a 1\nb 1\n") as t, Daemon(config(job("j", t))) as d:
        wait_until(lambda: d.value("b") == 1)
        t.body = "a 2\n"
        wait_until(lambda: d.query("b") == [] and d.value("a") == 2)
        t.status = 503
        wait_until(lambda: d.query("a") == [] and d.value("up") == 0)
        t.status = 200
        wait_until(lambda: d.value("a") == 2 and d.value("up") == 1)


def test_bad_targets_are_down_and_say_why():
    with Target(None) as hangs, Target("<html>\n") as html, Target("a 1\nb{\n") as broken, \
            Target("a 1\nb 2\n") as many, Target("a 1\n" * 40000) as big, Target("a 1\n") as good:
        jobs = [job("hangs", hangs), job("html", html), job("broken", broken),
                job("many", many, sample_limit=1), job("big", big, body_size_limit="64KiB"),
                job("good", good)]
        with Daemon(config(*jobs)) as d:
            wait_until(lambda: d.value("sum(up)") == 1 and d.value("count(up)") == 6)
            errors = {t["scrapePool"]: t["lastError"]
                      for t in d.get("/api/v1/targets").json()["data"]["activeTargets"]}
            for pool, want in (("hangs", "no answer within 200 ms"), ("html", "line 1: "),
                               ("broken", "line 2: "), ("many", "sample_limit exceeded"),
                               ("big", "body_size_limit exceeded"), ("good", "")):
                check(want in errors[pool], pool, errors[pool])
            equal(d.value('count({__name__="a"})'), 1)
            # told once, not each time
            equal(len(re.findall('msg="scrape failed" job=html', d.read_log())), 1)


def test_a_reload_keeps_targets_and_ends_others():
    with Target("a 1\n") as one, Target("a 2\n") as two:
        with Daemon(config(job("one", one), job("two", two))) as d:
            wait_until(lambda: d.value("count(a)") == 2)
            d.write_config(config(job("one", one)))
            d.process.send_signal(signal.SIGHUP)
            wait_until(lambda: d.value("count(a)") == 1 and d.value("count(up)") == 1)
            # a file that is refused changes nothing
            d.write_config(config(job("one", one, relabel_configs="[{action: drop}]")))
            d.process.send_signal(signal.SIGHUP)
            wait_until(lambda: "relabel_configs is not supported yet" in d.read_log())
            equal(d.value("count(up)"), 1)


def test_what_is_not_built_is_refused_by_name():
    with Target("a 1\n") as t, Daemon(config(job("j", t, file_sd_configs="[{files: [x]}]")),
                                      start=False) as d:
        done = tocsin("check", "config", d.file)
        equal(done.returncode, 1)
        check("file_sd_configs is not supported yet" in done.stdout + done.stderr, done)
        check("tocsin.yaml:7:22" in done.stdout + done.stderr, done)


if __name__ == "__main__":
    main(globals())
