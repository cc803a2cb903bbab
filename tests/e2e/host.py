#!/usr/bin/env python3
"""The host collectors through the whole daemon, over a tree of /proc and /sys of our own."""
import os
import re
import shutil
import signal

from daemon import ROOT, Daemon, check, equal, main, wait_until

FIXTURES = os.path.join(ROOT, "tests/fixtures/host/plain")


def config(d, **changes):
    """Ten cycles a second over the daemon's own copy of the tree."""
    options = {"interval": "100ms", "slow_interval": "300ms", "job": "node", "host": "{}"}
    options.update(changes)
    lines = "".join(f"  {key}: {value}\n" for key, value in options.items())
    return (f"node: {{name: box, labels: {{rack: r1}}}}\ncollectors:\n{lines}"
            f"  proc_path: {d.dir}/tree/proc\n  sys_path: {d.dir}/tree/sys\n"
            "rules: {builtin: []}\n")


def start(**changes):
    d = Daemon(start=False)
    shutil.copytree(FIXTURES, f"{d.dir}/tree")
    d.write_config(config(d, **changes))
    d.start()
    return d


def put(d, path, text):
    with open(f"{d.dir}/tree/{path}", "w") as f:
        f.write(text)


def test_samples_of_the_tree_are_stored():
    with start() as d:
        wait_until(lambda: d.value("node_load1") == 0.1)
        metric = d.query("node_load1")[0]["metric"]
        equal(metric, {"__name__": "node_load1", "instance": "box", "job": "node", "rack": "r1"})
        equal(d.value('node_cpu_seconds_total{cpu="3",mode="idle"}'), 500.0)
        equal(d.value('node_network_receive_bytes_total{device="lan0"}'), 101.0)
        wait_until(lambda: d.value('node_network_up{device="lan0"}') == 1)  # slow, helper thread
        put(d, "proc/loadavg", "7.5 1 1 1/1 1\n")
        wait_until(lambda: d.value("node_load1") == 7.5)


def test_metrics_page_shows_the_latest_without_job_and_instance():
    with start() as d:
        wait_until(lambda: d.value("node_load1"))
        page = d.get("/metrics").body.decode()
        check("\nnode_load1 0.1\n" in page, page[:500])
        check("# TYPE node_cpu_seconds_total counter\n" in page)
        check('job="' not in page and 'instance="' not in page)


def test_unreadable_and_vanished_sources_harm_no_other():
    with start() as d:
        success = lambda name: d.value('node_scrape_collector_success{collector="%s"}' % name)
        wait_until(lambda: success("loadavg") == 1)
        os.remove(f"{d.dir}/tree/proc/loadavg")
        put(d, "proc/net/sockstat", "no such thing\n")
        os.remove(f"{d.dir}/tree/proc/meminfo")
        os.mkdir(f"{d.dir}/tree/proc/meminfo")
        wait_until(lambda: success("loadavg") == 0, 20)  # descriptors are renewed every 60 cycles
        wait_until(lambda: success("meminfo") == 0)
        wait_until(lambda: success("sockstat") == 0)
        equal(d.query("node_load1"), [])  # ended by a staleness marker
        equal(success("cpu"), 1.0)
        put(d, "proc/loadavg", "3 2 1 1/1 1\n")
        wait_until(lambda: d.value("node_load1") == 3)


def test_reload_turns_collectors_off_and_renames():
    with start() as d:
        wait_until(lambda: d.value("node_load1"))
        d.write_config(config(d, job="node-exporter", host="{vmstat: false}"))
        d.process.send_signal(signal.SIGHUP)
        wait_until(lambda: d.query('node_load1{job="node-exporter"}'))
        equal(d.query('node_load1{job="node"}'), [])
        equal(d.query("node_vmstat_pgfault"), [])
        check(d.query("node_netstat_Tcp_CurrEstab"))


def test_no_slot_is_left_out():
    with start() as d:
        wait_until(lambda: (d.value("tocsin_collector_slots_total") or 0) > 20)
        equal(d.value("tocsin_collector_slots_lost_total"), 0.0)
        skipped = d.value("tocsin_collector_slots_skipped_total")
        used = d.value("tocsin_collector_slots_total")
        check(skipped <= used / 4, skipped, used)  # a busy machine may be late


def test_own_metrics_are_named_by_the_rules():
    with start() as d:
        wait_until(lambda: d.value("node_load1"))
        page = d.get("/metrics").body.decode()
        types = dict(re.findall(r"^# TYPE (tocsin_\S+) (\S+)$", page, re.M))
        helps = dict(re.findall(r"^# HELP (tocsin_\S+) (.*)$", page, re.M))
        check(len(types) > 30, types)
        for name, kind in types.items():
            check(re.fullmatch("[a-z0-9_]+", name), name)
            equal((name, kind == "counter"), (name, name.endswith("_total")))
            check(re.fullmatch(r"[A-Z].*\.", helps.get(name, "")), name, helps.get(name))


def test_helper_sources_keep_the_pace():
    """File systems are looked at by a helper thread, each slot all the same."""
    with Daemon(config="collectors: {interval: 500ms}\nrules: {builtin: []}\n") as d:
        wait_until(lambda: (d.value("max(count_over_time(node_filesystem_readonly[5s]))") or 0) >= 8, 20)
        wait_until(lambda: (d.value("count_over_time(node_uname_info[5s])") or 0) >= 8, 20)


if __name__ == "__main__":
    main(globals())
