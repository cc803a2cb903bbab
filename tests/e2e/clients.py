#!/usr/bin/env python3
"""Clients that are slow, greedy or gone."""
import re
import socket
import time
import urllib.parse

from daemon import QUIET, SLOW, Daemon, check, equal, main, wait_until


def dial(d):
    return socket.create_connection(("127.0.0.1", d.port), timeout=30 * SLOW)


def test_slow_clients_are_reaped_and_others_served():
    """Headers and bodies that trickle end in 15 s; all three kinds run at once."""
    with Daemon() as d:
        heads = [dial(d) for _ in range(700)]
        bodies = [dial(d) for _ in range(20)]
        deaf = [dial(d) for _ in range(3)]
        lines = "\n".join("m,s=%d v=1" % i for i in range(20000))
        equal(d.write(lines).status, 204)
        for s in bodies:
            s.sendall(b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n")
        for s in deaf:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /api/v1/series?match[]=m_v HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
        began = time.monotonic()
        alive, worst = heads + bodies, 0
        while alive and time.monotonic() < began + 15 * SLOW:
            still = []
            for s in alive:
                try:
                    s.sendall(b"X")
                    still.append(s)
                except OSError:
                    pass
            alive = still
            asked = time.monotonic()
            equal(d.get("/-/healthy").status, 200)
            worst = max(worst, time.monotonic() - asked)
            time.sleep(0.5)
        equal(len(alive), 0)
        check(worst < 0.5 * SLOW, worst)
        # the deaf cannot see their end behind what they did not read: ask the server
        wait_until(lambda: re.search(rb"\ntocsin_http_connections [01]\n", d.get("/metrics").body), 6)
        for s in deaf:
            s.close()


def test_gone_client_cancels_its_query():
    with Daemon(QUIET + "limits: {query: {concurrency: 1, timeout: 60s, samples: 4000000000, memory: 4GiB}}\n") as d:
        now = int(time.time()) - 3000
        for k in range(10):
            lines = ["m,s=%d v=%d %d" % (s, i, now + k * 100 + i) for s in range(50) for i in range(100)]
            equal(d.write("\n".join(lines), precision="s").status, 204)
        s = dial(d)
        slow = "sum_over_time(sum(stddev_over_time(m_v[10m]))[50m:10ms])"  # half a minute
        s.sendall(("GET /api/v1/query?time=%d&query=%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
                   % (now + 3000, slow.replace("[", "%5B").replace("]", "%5D"))).encode())
        time.sleep(0.3)
        s.close()
        began = time.monotonic()
        equal(d.get("/api/v1/query", query="1+1").status, 200)
        check(time.monotonic() - began < 5 * SLOW, time.monotonic() - began)
        wait_until(lambda: b"\ntocsin_http_hangups_total 1\n" in d.get("/metrics").body)


def test_huge_bodies():
    with Daemon() as d:
        s = dial(d)
        s.sendall(b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n")
        check(s.recv(65536).startswith(b"HTTP/1.1 413 "))
        s.close()
        equal(d.post("/write", b"x" * (17 << 20)).status, 413)
        s = dial(d)
        s.sendall(b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        check(s.recv(65536).startswith(b"HTTP/1.1 414 "))
        s.close()
        s = dial(d)
        s.sendall(b"POST /write HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 50\r\n\r\nm v=1")
        check(s.recv(65536).startswith(b"HTTP/1.1 400 "))
        s.close()
        equal(d.get("/-/healthy").status, 200)


def test_deep_queries():
    """The deepest expressions the parser takes are evaluated; deeper ones are refused."""
    shapes = [("(", ")"), ("sum by (s) (", ")"), ("abs(", ")"), ("topk(5, ", ")"), ("absent(", ")"),
              ("histogram_quantile(0.5, ", ")"), ('count_values("x", ', ")"), ("-(", ")"),
              ("label_replace(", ', "a", "$1", "s", "(.*)")'), ("m_v * on (s) group_left (z) (", ")")]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    with Daemon() as d:
        now = int(time.time()) - 10
        d.write("\n".join("m,s=%d v=%d %d" % (i, i, now) for i in range(50)), precision="s")
        for head, tail in shapes:
            for depth in (100, 245, 100000):
                body = urllib.parse.urlencode({"query": head * depth + "m_v" + tail * depth, "time": now})
                status = d.post("/api/v1/query", body, form).status
                check(status in {100: [200], 245: [200, 400], 100000: [400, 413]}[depth], head, depth, status)


def test_many_idle_connections():
    with Daemon() as d:
        idle = []
        for _ in range(300):
            idle.append(dial(d))
        equal(d.get("/-/healthy").status, 200)
        for s in idle:
            s.close()


def test_garbage():
    with Daemon() as d:
        for junk in (b"\0" * 1000, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\r\n" * 100,
                     b"POST /write HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n"):
            s = dial(d)
            s.sendall(junk)
            s.close()
        equal(d.get("/-/healthy").status, 200)


if __name__ == "__main__":
    main(globals())
