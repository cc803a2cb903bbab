#!/bin/sh
# Installs exactly what is missing of a list of Debian packages; does nothing, and asks nobody, when
# all is there. As root, or through sudo. Services of installed packages are not started.
#   deps.sh build|lint|peers
set -eu

build="gcc make pkg-config libmicrohttpd-dev liblmdb-dev libcurl4-gnutls-dev libpcre2-dev zlib1g-dev
 libzstd-dev libsnappy-dev libyaml-dev libjansson-dev libxxhash-dev libcrypt-dev libgnutls28-dev
 libcmocka-dev libjs-dygraphs python3"
lint="clang clang-format clang-tidy libclang-rt-14-dev cppcheck"
peers="prometheus prometheus-node-exporter victoria-metrics chromium chromium-driver curl"

case "${1:-}" in
build) wanted=$build ;;
lint) wanted=$lint ;;
peers) wanted=$peers ;;
*) echo "usage: deps.sh build|lint|peers" >&2; exit 2 ;;
esac

installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

missing=
for p in $wanted; do
    installed "$p" || missing="$missing $p"
done
# Node may come from elsewhere than Debian: test for the command, not the package.
if [ "$1" = peers ]; then
    command -v node >/dev/null || missing="$missing nodejs"
    command -v npm >/dev/null || missing="$missing npm"
fi
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "missing packages:$missing" >&2
        echo "install them as root: apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
command -v apt-get >/dev/null || {
    echo "tocsin builds on Debian 12; these packages are missing:$missing" >&2
    exit 1
}
echo "installing:$missing"

# invoke-rc.d asks this policy whether a package's service may start: 101 means no.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
    $as_root chmod 755 $policy
    made_policy=1
fi
trap '[ -z "$made_policy" ] || $as_root rm -f $policy' EXIT
trap 'exit 1' INT TERM

log=$(mktemp)
apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -y --no-install-recommends "$@" >>"$log" 2>&1
}
# shellcheck disable=SC2086
apt install $missing || { apt update && apt install $missing; } || {
    cat "$log" >&2
    rm -f "$log"
    exit 1
}
rm -f "$log"
