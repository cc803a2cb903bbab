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
for t in "$BUILD"/tests/unit/test_*; do
    case $t in *.d) continue ;; esac
    [ -x "$t" ] && [ "$t" -nt /nonexistent ] && [ -f "tests/unit/${t##*/}.c" ] && run "unit/${t##*/}" "$t"
done
for t in "$BUILD"/tests/fuzz/fuzz_*; do
    case $t in *.d) continue ;; esac
    name=${t##*/}
    [ -x "$t" ] && [ -f "tests/fuzz/$name.c" ] && run "fuzz/$name" "$t" "tests/fuzz/corpus/${name#fuzz_}"
done
for f in tests/promql/*.test; do
    [ -f "$f" ] && run "$f" "$BUILD/tocsin" test promql "$f"
done
for t in tests/e2e/*.sh tests/e2e/*.py; do
    [ -f "$t" ] && [ -x "$t" ] && run "${t#tests/}" "$t"
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
