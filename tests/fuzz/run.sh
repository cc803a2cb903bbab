#!/bin/bash
# Fuzzes every target (or $ONLY) for $SECONDS each with libFuzzer under address and undefined
# sanitizers, starting from its corpus. New inputs stay in build/fuzz/NAME; a crash is written
# there too and ends the run.
cd "$(dirname "$0")/../.." || exit 1
out=build/fuzz
mkdir -p "$out"
make -j"$(nproc)" CC=clang SANITIZE=address,undefined BUILD=$out/obj \
    CFLAGS='-g -fsanitize=fuzzer-no-link' $out/obj/libtocsin.a || exit 1
libs=$(sed -n '/^LDLIBS/,/[^\\]$/p' Makefile | tr -d '\\\n' | sed 's/^LDLIBS *:= *//')
rc=0
for f in tests/fuzz/fuzz_*.c; do
    name=$(basename "$f" .c)
    [ -z "$ONLY" ] || [ "$name" = "$ONLY" ] || [ "$name" = "fuzz_$ONLY" ] || continue
    mkdir -p "$out/${name#fuzz_}"
    # shellcheck disable=SC2086
    clang -std=gnu17 -D_GNU_SOURCE -I. -g -O1 -fsanitize=fuzzer,address,undefined \
        -o "$out/$name" "$f" $out/obj/libtocsin.a $libs || exit 1
    echo "== $name"
    "$out/$name" -max_total_time="${SECONDS_EACH:-30}" -timeout=10 -rss_limit_mb=4096 \
        -print_final_stats=1 -artifact_prefix="$out/${name#fuzz_}-" \
        "$out/${name#fuzz_}" "tests/fuzz/corpus/${name#fuzz_}" 2>&1 | tail -n 8
    [ "${PIPESTATUS[0]}" -eq 0 ] || rc=1
done
exit $rc
