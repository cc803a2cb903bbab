"""terminal.py -- runs a subcommand on a terminal of a given size."""
import fcntl
import os
import pty
import struct
import subprocess
import termios

from daemon import BINARY, SLOW

UTF8 = {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "TZ": "UTC", "NO_COLOR": ""}


def on_terminal(*args, columns=100, lines=30, env=None):
    """(exit status, what the terminal was shown, stderr)."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    process = subprocess.Popen([BINARY, *args], stdout=slave, stderr=subprocess.PIPE,
                               env={**os.environ, **UTF8, **(env or {})})
    os.close(slave)
    shown = b""
    try:
        while True:
            piece = os.read(master, 65536)
            if not piece:
                break
            shown += piece
    except OSError:  # EIO: the other side is closed
        pass
    os.close(master)
    stderr = process.stderr.read().decode()
    process.stderr.close()
    return process.wait(60 * SLOW), shown.decode().replace("\r\n", "\n"), stderr
