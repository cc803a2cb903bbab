"""webdriver.py -- drives Debian's Chromium through chromedriver (W3C WebDriver). Standard library only.

    with Browser() as b:
        b.open("http://127.0.0.1:7788/")
        b.script("return document.title")
"""
import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Browser:
    def __init__(self, width=1280, height=1600, dark=False):
        self.profile = tempfile.mkdtemp(prefix="tocsin-chromium-")
        self.port = free_port()
        self.driver = subprocess.Popen(["chromedriver", "--port=%d" % self.port],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.session = None
        flags = FLAGS + ["--user-data-dir=" + self.profile, "--window-size=%d,%d" % (width, height)]
        if dark:
            flags.append("--force-dark-mode")
        options = {"binary": "/usr/bin/chromium", "args": flags}
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options,
                                                   "goog:loggingPrefs": {"browser": "ALL"}}}}
        deadline = time.monotonic() + 30
        while True:
            try:
                self.session = self.call("POST", "/session", wanted)["sessionId"]
                return
            except (urllib.error.URLError, ConnectionError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        try:
            self.call("DELETE", "/session/" + self.session)
        finally:
            self.driver.terminate()
            self.driver.wait(10)
            shutil.rmtree(self.profile, ignore_errors=True)

    def call(self, method, path, body=None):
        data = json.dumps(body or {}).encode() if method == "POST" else None
        request = urllib.request.Request("http://127.0.0.1:%d%s" % (self.port, path), data,
                                         {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as r:
                return json.load(r)["value"]
        except urllib.error.HTTPError as e:
            raise AssertionError(json.load(e)["value"]["message"]) from None

    def post(self, path, body=None):
        return self.call("POST", "/session/%s%s" % (self.session, path), body)

    def open(self, url):
        self.post("/url", {"url": url})

    def script(self, text, *args):
        return self.post("/execute/sync", {"script": text, "args": list(args)})

    def wait(self, text, seconds=20):
        """Runs a script until it returns something true; returns that."""
        deadline = time.monotonic() + seconds
        while True:
            value = self.script(text)
            if value:
                return value
            assert time.monotonic() < deadline, "never true: " + text
            time.sleep(0.2)

    def keys(self, text):
        actions = [{"type": t, "value": c} for c in text for t in ("keyDown", "keyUp")]
        self.post("/actions", {"actions": [{"type": "key", "id": "k", "actions": actions}]})

    def drag(self, x0, y0, x1, y1):
        move = {"type": "pointerMove", "duration": 100}
        self.post("/actions", {"actions": [{"type": "pointer", "id": "m", "actions": [
            {**move, "x": x0, "y": y0}, {"type": "pointerDown", "button": 0},
            {**move, "x": (x0 + x1) // 2, "y": y1}, {**move, "x": x1, "y": y1},
            {"type": "pointerUp", "button": 0}]}]})

    def screenshot(self, path):
        data = self.call("GET", "/session/%s/screenshot" % self.session)
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def problems(self):
        """What the page complained about since the last call."""
        log = self.post("/se/log", {"type": "browser"})
        return [e["message"] for e in log if e["level"] in ("SEVERE", "WARNING")]
