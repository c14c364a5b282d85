#!/usr/bin/env bash
# Fetches what the pages use of others, as the lock file has it, and copies it into the ignored folder
# webadmin/static/vendor. A stamp keyed on whatever decides the result makes a second run quick.
# What it copies: tools/vendor.py. Node is needed here only; no server runs it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
frontend=webadmin/frontend
vendor=webadmin/static/vendor

mkdir -p .cache
exec 8>.cache/assets.lock
flock 8 # two makes at once must not build the same folder

wanted=$(cat "$frontend"/package.json "$frontend"/package-lock.json tools/assets.sh tools/vendor.py | sha256sum)
stamp=.cache/assets.made-from
if [[ -f $vendor/manifest.json && -d $frontend/node_modules && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    tools/apt-need.sh "the front end" nodejs npm
fi
if ! node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)'; then
    echo "The front end needs Node 18 or newer; this is $(node --version)." >&2
    exit 1
fi

echo "Fetching the front end's packages into $frontend/node_modules"
# The packages' own scripts never run.
npm --prefix "$frontend" ci --ignore-scripts --no-audit --no-fund --loglevel=error
"${PYTHON:-python3}" tools/vendor.py
echo "$wanted" >"$stamp"
