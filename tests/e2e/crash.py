#!/usr/bin/env python3
"""Ten kills of a daemon under write; tests/crash/kill_loop.py has the description, and more."""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../crash"))
from kill_loop import run  # noqa: E402

from daemon import SLOW, check  # noqa: E402

if __name__ == "__main__":
    ready = run(10, random.randrange(1 << 32))
    check(ready[len(ready) // 2] < 1 * SLOW, ready)
