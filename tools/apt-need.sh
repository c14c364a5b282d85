#!/usr/bin/env bash
# Installs Debian packages that are missing, and says which and what for.
# Usage: tools/apt-need.sh PURPOSE PACKAGE…
# Does nothing, not even an apt-get update, when all of them are there.
set -euo pipefail

purpose=$1
shift

if ! command -v dpkg-query >/dev/null; then
    echo "This is no Debian: for $purpose, see to it that there is what these packages hold: $*" >&2
    exit 0
fi

missing=()
for package in "$@"; do
    state=$(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $state == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0

as_root=(env DEBIAN_FRONTEND=noninteractive)
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        echo "Missing for $purpose: ${missing[*]}" >&2
        echo "Installing them takes root. As root, run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo "${as_root[@]}")
fi

echo "Installing Debian packages for $purpose: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get --quiet update &&
    "${as_root[@]}" apt-get --quiet --yes --no-install-recommends install "${missing[@]}"; } \
    >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    echo "apt-get could not install: ${missing[*]}" >&2
    exit 1
fi
