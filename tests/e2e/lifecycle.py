#!/usr/bin/env python3
"""Start, reload, stop and what goes wrong in between."""
import os
import signal
import socket
import time

from daemon import QUIET, SLOW, Daemon, check, equal, main, tocsin, wait_until


def test_restart_keeps_data():
    with Daemon() as d:
        now = int(time.time())
        equal(d.write("kept v=42 %d" % now, precision="s").status, 204)
        status, seconds = d.stop()
        equal(status, 0)
        check(seconds < 5 * SLOW, seconds)
        d.start()
        equal(d.value("kept_v", time=now), 42)
        d.kill()
        d.start()
        equal(d.value("kept_v", time=now), 42)


def test_interrupt_ends_cleanly():
    with Daemon() as d:
        equal(d.stop(signal.SIGINT)[0], 0)


def test_acknowledged_writes_survive_kill():
    with Daemon() as d:
        now = int(time.time())
        for i in range(50):
            equal(d.write("k v=%d %d" % (i, now - 100 + i), precision="s").status, 204)
        d.kill()
        d.start()
        equal(d.value("count_over_time(k_v[2m])", time=now), 50)


def test_port_in_use():
    with Daemon() as d, Daemon(start=False) as other:
        run = tocsin("run", "--data", other.data, "--listen", "127.0.0.1:%d" % d.port, "--config",
                     other.file)
        equal(run.returncode, 1)
        check("Address already in use" in run.stderr and str(d.port) in run.stderr, run.stderr)


def test_data_directory_in_use():
    with Daemon() as d:
        run = tocsin("run", "--data", d.data, "--listen", "127.0.0.1:0", "--config", d.file)
        equal(run.returncode, 1)
        check(str(d.process.pid) in run.stderr, run.stderr)


def test_listener_beyond_loopback_is_refused():
    with Daemon(start=False) as d:
        run = tocsin("run", "--data", d.data, "--listen", "0.0.0.0:0", "--config", d.file)
        equal(run.returncode, 1)
        check("anonymous: [read]" in run.stderr, run.stderr)
        d.write_config("http: {listen: '0.0.0.0:0'}\n")
        check("tocsin.yaml:1:16" in tocsin("check", "config", d.file).stderr)
        d.write_config("http: {listen: '0.0.0.0:0', anonymous: [read, write]}\n")
        equal(tocsin("check", "config", d.file).returncode, 1)
        d.write_config("http: {listen: '0.0.0.0:0', anonymous: [read]}\n")
        equal(tocsin("check", "config", d.file).returncode, 0)


def test_bad_configuration_is_told_whole():
    bad = "storage:\n  durabilty: sync\nglobal: {scrape_interval: 5mm}\nforward: []\n"
    with Daemon(bad, start=False) as d:
        run = tocsin("run", "--config", d.file, "--data", d.data, "--listen", "127.0.0.1:0")
        equal(run.returncode, 1)
        for text in ("tocsin.yaml:2:3", 'did you mean "durability"?', "tocsin.yaml:3:27",
                     "not supported yet", "3 errors in 1 file"):
            check(text in run.stderr, text, run.stderr)
        d.write_config("a: [1,\n")
        run = tocsin("check", "config", d.file)
        equal(run.returncode, 1)
        check("tocsin.yaml:" in run.stderr, run.stderr)
        equal(tocsin("check", "config", os.path.join(d.dir, "absent.yaml")).returncode, 1)


def test_reload_good_and_bad():
    with Daemon(QUIET + "limits: {body_bytes: 2KiB}\n") as d:
        equal(d.post("/write", b"m v=1\n" * 1000).status, 413)
        d.write_config(QUIET + "limits: {body_bytes: 1MiB}\n")
        equal(d.post("/-/reload").status, 200)
        equal(d.post("/write", b"m v=1\n" * 1000).status, 204)
        d.write_config(QUIET + "limits: {body_bites: 2KiB}\n")
        a = d.post("/-/reload")
        equal(a.status, 400)
        check('did you mean "body_bytes"?' in a.json()["error"], a)
        equal(d.get("/api/v1/status/runtimeinfo").json()["data"]["reloadConfigSuccess"], False)
        equal(d.post("/write", b"m v=1\n" * 1000).status, 204)
        check("configuration not reloaded" in d.read_log())


def test_sighup_reloads():
    with Daemon(QUIET + "limits: {body_bytes: 2KiB}\n") as d:
        d.write_config(QUIET + "limits: {body_bytes: 1MiB}\n")
        d.process.send_signal(signal.SIGHUP)
        wait_until(lambda: d.post("/write", b"m v=1\n" * 1000).status == 204)


def test_service_manager_is_told():
    with Daemon(start=False) as d:
        path = os.path.join(d.dir, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(20 * SLOW)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                d.start()
            finally:
                del os.environ["NOTIFY_SOCKET"]
            equal(s.recv(100), b"READY=1")
            d.stop()
            equal(s.recv(100), b"STOPPING=1")


def test_memory_and_descriptors_do_not_grow_with_reloads():
    with Daemon() as d:
        def descriptors():
            return len(os.listdir("/proc/%d/fd" % d.process.pid))
        d.post("/-/reload")
        before = descriptors()
        for i in range(30):
            d.write_config(QUIET if i % 3 else "nonsense: 1\n")
            d.post("/-/reload")
        wait_until(lambda: descriptors() <= before + 1)


if __name__ == "__main__":
    main(globals())
