#!/usr/bin/env python3
"""The host page in Chromium: live charts of this machine, range buttons, zoom, keys, themes, errors.

With an argument, screenshots are left in that folder."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
from daemon import Daemon, main  # noqa: E402
from webdriver import Browser  # noqa: E402

SHOTS = sys.argv.pop(1) if len(sys.argv) > 1 else None
RULES = """groups:
- name: shown
  rules:
  - {alert: AlwaysOn, expr: 'vector(1) > 0', labels: {severity: page}, annotations: {summary: '<b>bold</b> & on'}}
"""
DRAWN = "return document.querySelectorAll('#panel-%s .plot canvas').length"


def shot(browser, name):
    if SHOTS:
        browser.screenshot(os.path.join(SHOTS, name + ".png"))


def pressed(browser):
    return browser.script("return [...document.querySelectorAll('#ranges button[aria-pressed=true]')]"
                          ".map(b => b.textContent).join()")


def start():
    d = Daemon(config="", start=False)
    with open(os.path.join(d.dir, "rules.yml"), "w") as f:
        f.write(RULES)
    d.write_config("rules: {files: [rules.yml], interval: 1s}\n")
    d.start()
    return d


def test_page_is_alive():
    with start() as d, Browser() as b:
        b.open(d.url("/"))
        for panel in ("cpu", "load", "memory", "pressure", "network"):
            b.wait(DRAWN % panel, 10)
        host = b.wait("return document.getElementById('host').textContent.trim()")
        assert host == os.uname().nodename, host
        cpu = b.wait("const e = document.querySelector('[data-tile=CPU] b');"
                     "return e && /[0-9]/.test(e.textContent) && e.textContent")
        assert "%" in cpu, cpu
        memory = b.script("return document.querySelector('#panel-memory .legend b').textContent")
        assert "B" in memory, memory
        b.wait("return document.querySelector('.alert.firing b')?.textContent === 'AlwaysOn'")
        text = b.script("return document.querySelector('.alert .summary').innerText")
        assert text == "<b>bold</b> & on", text
        shot(b, "light")

        first = b.script("return document.getElementById('span').textContent")
        b.wait("return document.getElementById('span').textContent !== '%s'" % first, 10)

        for name in ("5m", "1h", "7d", "15m"):
            b.script("[...document.querySelectorAll('#ranges button')]"
                     ".find(x => x.textContent === arguments[0]).click()", name)
            assert pressed(b) == name
            assert b.script("return location.search") == "?range=" + name
            b.wait("return document.querySelectorAll('#panel-cpu .plot canvas').length")

        b.keys("t")
        rows = b.wait("return document.querySelectorAll('#panel-load tbody tr').length")
        assert rows > 10, rows
        value = b.script("return document.querySelector('#panel-load tbody td').textContent")
        assert value.strip(), value
        b.keys("t")

        b.keys("d")  # system -> light
        b.keys("d")  # light -> dark
        assert b.script("return document.documentElement.dataset.theme") == "dark"
        b.wait("return document.querySelectorAll('#panel-cpu .plot canvas').length")
        shot(b, "dark")
        problems = b.problems()
        assert not problems, problems


def test_zoom_and_keys():
    with start() as d, Browser() as b:
        b.open(d.url("/?range=5m"))
        b.wait(DRAWN % "cpu", 10)
        assert pressed(b) == "5m"
        box = b.script("const r = document.querySelector('#panel-cpu .plot').getBoundingClientRect();"
                       "return [r.left, r.top, r.width, r.height]")
        y = int(box[1] + box[3] / 2)
        b.drag(int(box[0] + box[2] * .5), y, int(box[0] + box[2] * .8), y)
        b.wait("return location.search.includes('end=')")
        assert b.script("return document.getElementById('live').getAttribute('aria-pressed')") == "false"
        b.keys("l")
        b.wait("return !location.search.includes('end=')")
        b.script("document.querySelector('#panel-load .plot').focus()")
        b.keys("\ue012\ue012")  # arrow left, twice
        said = b.wait("return document.querySelector('#panel-load .unseen').textContent")
        assert "1 min" in said, said
        b.keys("?")
        assert b.script("return document.getElementById('keys').open")
        assert not b.problems()


def test_dead_daemon_is_told():
    with start() as d, Browser() as b:
        b.open(d.url("/"))
        b.wait(DRAWN % "cpu", 10)
        d.stop()
        told = b.wait("const e = document.getElementById('banner'); return !e.hidden && e.textContent")
        assert "does not answer" in told, told
        d.start()
        b.wait("return document.getElementById('banner').hidden", 30)


if __name__ == "__main__":
    main(globals())
