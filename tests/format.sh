#!/bin/bash
# clang-format over every C file: `format.sh fix` rewrites, `format.sh check` names what would change.
# Debian 12's clang-format 14 crashes on AlignArrayOfStructures where rows of a table differ in
# length, or not, as memory lies: a file may also be formatted without that one setting.
cd "$(dirname "$0")/.." || exit 1
mode=${1:-check}
plain="{$(grep -v '^#\|^AlignArray' .clang-format | paste -sd, | sed 's/,$//'), AlignArrayOfStructures: None}"
rc=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for f in $(git ls-files '*.c' '*.h'); do
    { clang-format "$f" > "$out"; } 2>/dev/null && cmp -s "$f" "$out" && continue
    clang-format --style="$plain" "$f" | cmp -s "$f" - && continue
    if [ "$mode" = fix ]; then
        { clang-format "$f" > "$out"; } 2>/dev/null ||
            clang-format --style="$plain" "$f" > "$out" || exit 1
        cat "$out" > "$f"
    else
        echo "$f is not formatted: make format"
        rc=1
    fi
done
exit $rc
