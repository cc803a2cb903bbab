#!/bin/sh
# make compliance COMPLIANCE=DIR: every conformance corpus found in DIR (tests/compliance.py).
exec python3 "$(dirname "$0")/compliance.py" "${BUILD:-build}" "${1:-}"
