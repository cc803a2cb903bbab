#!/bin/sh
# Runs every self-contained test of one build folder ($BUILD): unit programs, fuzz corpora, PromQL
# scripts, and the end-to-end scripts of tests/e2e. Prints one line a program, output of those that
# fail, and the closing count.
set -u
BUILD=${BUILD:-build}
passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

run() {
    name=$1
    shift
    if "$@" >"$log" 2>&1; then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        sed 's/^/        /' "$log"
    fi
}

export BUILD
# The sources are the list: a program that was not built is a failure, not a skip.
for source in tests/unit/test_*.c; do
    name=$(basename "$source" .c)
    run "unit/$name" "$BUILD/tests/unit/$name"
done
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    run "fuzz/$name" "$BUILD/tests/fuzz/$name" "tests/fuzz/corpus/${name#fuzz_}"
done
for f in tests/promql/*.test; do
    [ -f "$f" ] && run "$f" "$BUILD/tocsin" test promql "$f"
done
for t in tests/e2e/*.sh tests/e2e/*.py; do
    [ -f "$t" ] && [ -x "$t" ] && run "${t#tests/}" "$t"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
