#!/bin/bash
# make bench: the benchmarks of this folder, and the host collectors side by side with Debian's
# node_exporter, started by hand on a loopback port with the same collectors. Figures and ratios are
# printed; nothing is asserted, since machines differ.
cd "$(dirname "$0")/../.." || exit 1
BUILD=${BUILD:-build}
CYCLES=${CYCLES:-30}
# What both have. tocsin's slow tier (filesystem, netclass, uname) runs every 15 s in the daemon;
# here node_exporter pays for it in every scrape, as it does in life.
collectors="cpu stat meminfo vmstat loadavg pressure diskstats netdev netstat sockstat softnet
 filesystem netclass uname"

say() {
    printf '\n== %s\n' "$*"
}

# CPU seconds of a process so far, from its stat file: user and system ticks.
cpu_ticks() {
    sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'
}

fetch() {
    python3 - "$1" <<'PYTHON'
import sys, urllib.request
sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1], timeout=10).read())
PYTHON
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# One process that scrapes as Prometheus does: one kept connection, a scrape a second.
scrape_each_second() {
    python3 - "$1" "$2" <<'PYTHON'
import http.client, sys, time
c = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=10)
samples = 0
for _ in range(int(sys.argv[2])):
    c.request("GET", "/metrics")
    body = c.getresponse().read()
    samples = sum(1 for line in body.splitlines() if line and not line.startswith(b"#"))
    time.sleep(1)
print(samples)
PYTHON
}

node_exporter_cost() {
    local port flags=() ticks before after samples
    port=$(free_port)
    for c in $collectors; do flags+=("--collector.$c"); done
    # Debian leaves out lo and tmpfs by default; here both sides read the same.
    prometheus-node-exporter --collector.disable-defaults "${flags[@]}" \
        '--collector.netdev.device-exclude=^$' \
        '--collector.filesystem.fs-types-exclude=^(autofs|bpf|cgroup2?|debugfs|devpts|devtmpfs|mqueue|nsfs|overlay|proc|securityfs|sysfs|tracefs)$' \
        --web.listen-address="127.0.0.1:$port" >/dev/null 2>&1 &
    local pid=$!
    for _ in $(seq 50); do
        fetch "http://127.0.0.1:$port/metrics" >/dev/null 2>&1 && break
        sleep 0.1
    done
    ticks=$(getconf CLK_TCK)
    before=$(cpu_ticks $pid)
    samples=$(scrape_each_second "$port" "$CYCLES")
    after=$(cpu_ticks $pid)
    kill $pid
    wait $pid 2>/dev/null
    awk -v t="$((after - before))" -v hz="$ticks" -v n="$CYCLES" -v s="$samples" \
        'BEGIN { printf "%.0f %d\n", t / hz / n * 1e6, s }'
}

for b in "$BUILD"/tests/bench/bench_*; do
    [ -x "$b" ] && [ -f "tests/bench/${b##*/}.c" ] || continue
    case ${b##*/} in bench_collect) continue ;; esac
    say "${b##*/}"
    "$b"
done

say "one second's collection of the host set ($CYCLES cycles a second apart)"
# shellcheck disable=SC2086
ours=$("$BUILD/tests/bench/bench_collect" "$CYCLES" 1000 $collectors) || exit 1
echo "$ours"
us=$(echo "$ours" | sed -n 's/.*cycle_cpu_us=\([0-9.]*\).*/\1/p')

command -v prometheus-node-exporter >/dev/null || packaging/deps.sh peers || true
if command -v prometheus-node-exporter >/dev/null; then
    read -r theirs samples < <(node_exporter_cost)
    echo "node_exporter: scrape_cpu_us=$theirs samples=$samples ($(prometheus-node-exporter --version 2>&1 |
        sed -n 's/.*version \([^ ]*\).*/\1/p' | head -n 1))"
    awk -v a="$us" -v b="$theirs" 'BEGIN {
        if (b > 0) printf "ratio: %.3f of node_exporter (goal: at most 0.1)\n", a / b }'
else
    echo "node_exporter: not installed, no comparison"
fi
