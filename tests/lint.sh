#!/bin/bash
# Static checks: include directions, unwelcome functions, format, clang-tidy, cppcheck; then, as a
# reminder, the ten most complex functions. Prints every finding and a closing count of checks.
cd "$(dirname "$0")/.." || exit 1
BUILD=${BUILD:-build}
mkdir -p "$BUILD"
passed=0
failed=0

check() {
    local name=$1 out
    shift
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
        echo "ok      $name"
    else
        failed=$((failed + 1))
        echo "FAILED  $name"
        printf '%s\n' "$out" | sed 's/^/        /' | head -n 200
    fi
}

sources() { git ls-files '*.c' "$@"; }

# Folder -> what its files may include (design/README.md, "Folders").
include_directions() {
    awk '
    BEGIN {
        may["core"] = "core"
        may["tsdb"] = "core tsdb"
        may["tsdb/promql"] = "core tsdb tsdb/promql"
        may["collector"] = "core tsdb tsdb/promql collector"
        may["rules"] = "core tsdb tsdb/promql rules"
        may["exporters"] = "core tsdb tsdb/promql exporters"
        may["agent"] = "core tsdb tsdb/promql collector rules exporters agent"
    }
    FNR == 1 { folder = FILENAME; sub("/[^/]*$", "", folder) }
    /^#[ ]*include "/ && folder in may {
        split($0, part, "\"")
        target = part[2]
        if (!sub("/[^/]*$", "", target)) target = "(no folder)"
        if (index(" " may[folder] " ", " " target " ") == 0) {
            print FILENAME ":" FNR ": " folder " may not include " part[2]
            bad = 1
        }
    }
    END { exit bad }' $(git ls-files '*.c' '*.h')
}

# A library behind one door: its header in one file only.
one_door() {
    local bad=0 header file found
    while read -r header file; do
        found=$(git grep -lE "#include <$header>" -- '*.c' '*.h' | grep -v "^$file" || true)
        [ -z "$found" ] || { echo "<$header> belongs to $file alone: $found"; bad=1; }
    done <<'DOORS'
lmdb.h tsdb/kv.c
microhttpd.h agent/http
curl/curl.h core/httpc.c
pcre2.h core/regex.c
yaml.h core/yaml.c
DOORS
    return $bad
}

unwelcome() {
    ! git grep -nwE '(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|gmtime|localtime|gets|alloca)\(' \
        -- '*.c' '*.h' ':!tests/lint.sh'
}

shell_syntax() {
    local bad=0 f
    for f in $(git ls-files '*.sh' .ci/run); do
        bash -n "$f" || bad=1
    done
    return $bad
}

# One pass of clang-tidy serves the check and the reminder: it is the slow part.
checks='-*,clang-analyzer-*,portability-*,bugprone-*,readability-function-cognitive-complexity'
# swappable parameters: pointer, then length is our calling style; narrowing and widening: the
# compilers' -Wconversion says it better; buffer handling: it dislikes memcpy and snprintf.
# macro parentheses: rows of tables are no expressions; padding: rows are few; not-null-terminated:
# our slices are not meant to be.
# valist: clang-tidy 14 reports every va_start in a second file of one run; sizeof: it takes
# sizeof(struct x *) of arrays of pointers for a slip.
for off in clang-analyzer-valist.Uninitialized bugprone-sizeof-expression bugprone-macro-parentheses bugprone-not-null-terminated-result clang-analyzer-optin.performance.Padding bugprone-easily-swappable-parameters bugprone-narrowing-conversions \
    bugprone-implicit-widening-of-multiplication-result bugprone-reserved-identifier \
    clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling; do
    checks="$checks,-$off"
done

tidy() {
    sources ':!tests' | xargs -P "$(nproc)" -n 4 sh -c '
        config=$1; build=$2; shift 2
        clang-tidy --quiet --config="$config" "$@" -- \
            -std=gnu17 -D_GNU_SOURCE -I. "-I$build" "-DTOCSIN_VERSION=\"0\"" || true' sh \
        "{Checks: '$checks', CheckOptions: [{key: readability-function-cognitive-complexity.Threshold, value: 10}]}" \
        "$BUILD" > "$BUILD/tidy.txt" 2>&1
    grep -E '^[^ ]+:[0-9]+:[0-9]+: (warning|error):' "$BUILD/tidy.txt" | grep -v 'cognitive complexity' | sort -u > "$BUILD/tidy-found.txt"
    cat "$BUILD/tidy-found.txt"
    [ ! -s "$BUILD/tidy-found.txt" ]
}

cppcheck_clean() {
    cppcheck --quiet --std=c11 --language=c -I. --enable=warning --inline-suppr \
        --suppress=missingIncludeSystem --suppress=internalAstError --error-exitcode=1 \
        -j "$(nproc)" $(sources ':!tests')
}

complexity() {
    sed -n "s/^\(.*\):[0-9]*:[0-9]*: warning: function '\(.*\)' has cognitive complexity of \([0-9]*\).*/\3 \2 \1/p" \
        "$BUILD/tidy.txt" | sort -rn | head -n 10
}

check "includes point downwards" include_directions
check "each library behind its one door" one_door
check "no unwelcome functions" unwelcome
check "formatted" tests/format.sh check
check "shell scripts parse" shell_syntax
check "clang-tidy" tidy
check "cppcheck" cppcheck_clean

echo "the ten most complex functions (cognitive complexity):"
complexity | sed "s|$PWD/||; s/^/    /"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
