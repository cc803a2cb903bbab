#!/bin/sh
# The page's pure modules. Node reads ES modules from .js files here by the package.json below.
cd "$(dirname "$0")/../.." || exit 1
exec node --test tests/ui/
