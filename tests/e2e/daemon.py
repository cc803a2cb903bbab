"""daemon.py -- starts $BUILD/tocsin in a temporary folder for an end-to-end test.

    with Daemon(config="collectors: {enabled: false}") as d:
        d.get("/api/v1/query", query="1+1")

Standard library only. The daemon listens on a free port, is ended by its process id, and its folder
goes with it. A test is a file of functions named test_*, run by main().
"""
import gzip
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.path.join(ROOT, os.environ.get("BUILD", "build"), "tocsin")
SLOW = 6 if os.environ.get("SANITIZE") else 1  # sanitizers take their time
QUIET = "collectors: {enabled: false}\nrules: {builtin: []}\n"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "%d %r" % (self.status, self.body[:400])


def tocsin(*args, **kwargs):
    """Runs a subcommand to its end."""
    return subprocess.run([BINARY, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=60 * SLOW, **kwargs)


class Daemon:
    def __init__(self, config=QUIET, args=(), start=True):
        self.dir = tempfile.mkdtemp(prefix="tocsin-e2e-")
        self.data = os.path.join(self.dir, "data")
        self.file = os.path.join(self.dir, "tocsin.yaml")
        self.log = os.path.join(self.dir, "log")
        self.args = list(args)
        self.process = None
        self.port = 0
        self.write_config(config)
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        if exc[0] and os.path.exists(self.log):
            sys.stderr.write("--- log of the daemon\n" + self.read_log()[-4000:])
        shutil.rmtree(self.dir, ignore_errors=True)

    def write_config(self, text):
        with open(self.file, "w") as f:
            f.write(text)

    def read_log(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def command(self):
        return [BINARY, "run", "--config", self.file, "--data", self.data, "--listen",
                "127.0.0.1:%d" % self.port, *self.args]

    def start(self):
        """Starts and waits until it says that it is ready. A second start takes the same port."""
        with open(self.log, "a") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log,
                                            text=True, cwd=self.dir)
        line = self.process.stdout.readline()
        match = re.match(r"tocsin is ready: http://127\.0\.0\.1:(\d+)/$", line.strip())
        if not match:
            raise AssertionError("not ready: %r\n%s" % (line, self.read_log()))
        self.port = int(match.group(1))

    def stop(self, sig=signal.SIGTERM, timeout=5):
        """Signals, waits, returns (exit status, seconds)."""
        began = time.monotonic()
        self.process.send_signal(sig)
        status = self.process.wait(timeout * SLOW)
        self.process.stdout.close()
        self.process = None
        return status, time.monotonic() - began

    def kill(self):
        return self.stop(signal.SIGKILL)

    def url(self, path="/"):
        return "http://127.0.0.1:%d%s" % (self.port, path)

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW)

    def request(self, method, path, body=None, headers=None, params=None, conn=None):
        c = conn or self.connection()
        if params:
            path += "?" + urllib.parse.urlencode(params, doseq=True)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        answer = Answer(r.status, r.headers, r.read())
        if answer.headers.get("Content-Encoding") == "gzip":
            answer.body = gzip.decompress(answer.body)
        if not conn:
            c.close()
        return answer

    def get(self, path, headers=None, **params):
        return self.request("GET", path, None, headers, params)

    def post(self, path, body=b"", headers=None, **params):
        return self.request("POST", path, body, headers, params)

    def write(self, lines, **params):
        return self.post("/write", lines.encode(), **params)

    def query(self, expr, **params):
        """The result of an instant query; fails when it does."""
        a = self.get("/api/v1/query", query=expr, **params)
        assert a.status == 200, a
        return a.json()["data"]["result"]

    def value(self, expr, **params):
        """The one value of an instant query, or None."""
        result = self.query(expr, **params)
        return float(result[0]["value"][1]) if result else None

    def own(self, name):
        """A metric of the daemon itself, as of the last second: the sum over its labels, or None."""
        text = self.get("/metrics").body.decode()
        values = re.findall(r"^%s(?:\{.*\})? (\S+)$" % name, text, re.M)
        return sum(map(float, values)) if values else None


def wait_until(what, seconds=10):
    """Polls what() until it is true; returns its value."""
    until = time.monotonic() + seconds * SLOW
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError("still not: %s" % getattr(what, "__name__", what))
        time.sleep(0.02)


def check(condition, *shown):
    if not condition:
        raise AssertionError(" ".join(repr(s) for s in shown))


def equal(got, want):
    if got != want:
        raise AssertionError("got %r, want %r" % (got, want))


def main(names):
    """Runs every test_* of a module's names, or those named on the command line."""
    failed = 0
    for name, test in list(names.items()):
        if not name.startswith("test_") or (sys.argv[1:] and name not in sys.argv[1:]):
            continue
        began = time.monotonic()
        try:
            test()
            print("ok %s (%.1f s)" % (name, time.monotonic() - began), flush=True)
        except Exception:
            failed += 1
            print("not ok %s" % name, flush=True)
            traceback.print_exc(file=sys.stdout)
    sys.exit(1 if failed else 0)
