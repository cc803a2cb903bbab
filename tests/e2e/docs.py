#!/usr/bin/env python3
"""The examples of README.md and docs/ load: every YAML block that a comment marks as checked."""
import glob
import os
import re
import tempfile

from daemon import ROOT, check, main, tocsin

BLOCK = re.compile(r"<!-- checked: (config|rules) -->\n```yaml\n(.*?)```", re.S)


def test_marked_examples_load():
    count = 0
    for path in [os.path.join(ROOT, "README.md"), *glob.glob(os.path.join(ROOT, "docs", "*.md"))]:
        with open(path) as f:
            text = f.read()
        for kind, block in BLOCK.findall(text):
            with tempfile.TemporaryDirectory() as folder:
                file = os.path.join(folder, "example.yaml")
                with open(file, "w") as f:
                    f.write(block)
                done = tocsin("check", kind, file)
                check(done.returncode == 0, path, block, done.stdout + done.stderr)
            count += 1
    check(count >= 2, "no marked examples were found")


def test_broken_example_is_refused():
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "example.yaml")
        with open(file, "w") as f:
            f.write("scrape_confgs: []\n")
        check(tocsin("check", "config", file).returncode == 1)


if __name__ == "__main__":
    main(globals())
