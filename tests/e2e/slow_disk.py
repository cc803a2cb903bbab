#!/usr/bin/env python3
"""With every sync slowed to 200 ms no collection slot is missed and no query waits.

The delay is put between the daemon and libc by a preloaded library, so that the whole program is
under test; the store's and the rules' own tests do the same through the seam (core/env.h).
"""
import os
import subprocess
import threading
import time

from daemon import BINARY, SLOW, Daemon, check, equal, main, wait_until

SHIM = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <time.h>
static void wait_200_ms(void)
{
    struct timespec t = {0, 200000000};
    nanosleep(&t, NULL);
}
#define SLOWED(name, params, ...)                                \\
    int name params                                              \\
    {                                                            \\
        int (*real) params = (int (*) params)dlsym(RTLD_NEXT, #name); \\
        wait_200_ms();                                           \\
        return real(__VA_ARGS__);                                \\
    }
SLOWED(fsync, (int fd), fd)
SLOWED(fdatasync, (int fd), fd)
SLOWED(msync, (void *p, size_t len, int flags), p, len, flags)
"""


class SlowDisk(Daemon):
    def command(self):
        source, library = os.path.join(self.dir, "slow.c"), os.path.join(self.dir, "slow.so")
        with open(source, "w") as f:
            f.write(SHIM)
        subprocess.run([os.environ.get("CC", "cc"), "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        return ["env", "LD_PRELOAD=" + library, *super().command()]


def metric(d, name):
    for line in d.get("/metrics").body.decode().splitlines():
        if line.startswith(name + " "):
            return float(line.split()[1])
    return None


def test_nothing_waits_for_the_disk():
    if SLOW != 1:
        print("skipped: a sanitizer's runtime wants to be loaded first")
        return
    with SlowDisk("rules: {builtin: []}\n") as d:
        wait_until(lambda: d.query("node_load1"))
        waited, on = [], [True]

        def write():
            while on[0]:
                began = time.monotonic()
                equal(d.write("slow v=%f" % began).status, 204)
                waited.append(time.monotonic() - began)

        writers = [threading.Thread(target=write) for _ in range(4)]
        for w in writers:
            w.start()
        slots, asked = metric(d, "tocsin_collector_slots_total"), []
        until = time.monotonic() + 6
        while time.monotonic() < until:
            began = time.monotonic()
            check(d.query("rate(node_cpu_seconds_total[3s])") is not None)
            asked.append(time.monotonic() - began)
            time.sleep(0.05)
        on[0] = False
        for w in writers:
            w.join()
        check(min(waited) >= 0.2, min(waited))  # the shim is there: an acknowledgement is a sync
        asked.sort()
        check(asked[len(asked) * 9 // 10] < 0.1, asked[-5:])
        wait_until(lambda: metric(d, "tocsin_collector_slots_total") >= slots + 6)
        equal(metric(d, "tocsin_collector_slots_skipped_total"), 0)
        equal(metric(d, "tocsin_collector_slots_lost_total"), 0)
        status, seconds = d.stop(timeout=10)
        equal(status, 0)
        check(seconds < 5, seconds)


if __name__ == "__main__":
    check(os.path.exists(BINARY), BINARY)
    main(globals())
