#!/bin/sh
# Prints C source that holds every page of this folder, gzipped, as the table agent/assets.h
# declares. dygraphs comes from Debian's libjs-dygraphs and is never copied into the repository.
#   embed.sh SCRATCH-DIR > assets.c
set -eu
scratch=$1
mkdir -p "$scratch"
here=$(dirname "$0")
dygraphs=/usr/share/javascript/dygraphs

type_of() {
    case "$1" in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.svg) echo image/svg+xml ;;
    *.json) echo application/json ;;
    *) echo application/octet-stream ;;
    esac
}

# path on the server, file
list() {
    for f in "$here"/*.html "$here"/*.js "$here"/*.css "$here"/*.svg; do
        [ -f "$f" ] || continue
        name=${f##*/}
        case $name in
        *.test.js) continue ;;
        index.html) echo "/ $f" ;;
        *) echo "/ui/$name $f" ;;
        esac
    done
    for f in dygraph.min.js dygraph.min.css; do
        [ -f "$dygraphs/$f" ] && echo "/ui/vendor/$f $dygraphs/$f"
    done
    true
}

echo '/* made by dashboards/embed.sh */'
echo '#include "agent/assets.h"'
list | {
    n=0
    rows=
    while read -r path file; do
        gz=$scratch/$n.gz
        gzip -9 -n -c "$file" > "$gz"
        etag=$(sha256sum "$file" | cut -c1-16)
        cat <<ASM
__asm__(".section .rodata\n.balign 16\nasset_${n}_start:\n.incbin \"$gz\"\n"
        "asset_${n}_end:\n.byte 0\n.previous\n");
ASM
        echo "extern const unsigned char asset_${n}_start[], asset_${n}_end[];"
        rows="$rows    {\"$path\", \"$(type_of "$file")\", \"\\\"$etag\\\"\", asset_${n}_start, asset_${n}_end},
"
        n=$((n + 1))
    done
    echo 'const struct asset assets[] = {'
    printf '%s' "$rows"
    echo '};'
    echo "const size_t asset_count = $n;"
}
