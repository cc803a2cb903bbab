#!/bin/bash
# Tests against real foreign servers and a browser. packaging/deps.sh peers has installed them; each
# test starts what it needs on loopback ports and ends it by pid.
cd "$(dirname "$0")/.." || exit 1
export BUILD=${BUILD:-build}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for t in tests/peers/*.py tests/peers/*.sh; do
    [ -x "$t" ] || continue
    if timeout 300 "$t" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      ${t#tests/}"
    else
        failed=$((failed + 1))
        echo "FAILED  ${t#tests/}"
        tail -n 100 "$log" | sed 's/^/        /'
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
