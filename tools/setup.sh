#!/usr/bin/env bash
# Makes .venv with every locked package and the project itself, editable.
# A stamp keyed on whatever decides its contents makes a second run a matter of milliseconds.
# PYTHON names the interpreter to build on; without it, python3.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}

if ! command -v "$python" >/dev/null; then
    tools/apt-need.sh "the virtual environment" python3 python3-venv
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Posthouse needs Python 3.11 or newer; $python is $("$python" -V)." >&2
    echo "Name another one with: make setup PYTHON=…" >&2
    exit 1
fi

mkdir -p .cache
exec 9>.cache/setup.lock
flock 9 # two makes at once must not build the same .venv

# The interpreter itself, also when a shim or an activated .venv stands in front of it.
python=$("$python" -c 'import os, sys; print(os.path.realpath(sys._base_executable))')
version=$("$python" -c 'import sys; print(sys.version, sys.executable)')
wanted=$({
    echo "$PWD $version"
    cat requirements-dev.lock pyproject.toml tools/setup.sh
} | sha256sum)
stamp=.venv/.made-from
if [[ -x .venv/bin/posthouse && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

# Debian keeps ensurepip in a package of its own.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    tools/apt-need.sh "the virtual environment" python3-venv
fi

# A .venv of another Python or of another folder is of no use: its scripts name both.
origin=.venv/.made-with
if [[ ! -f $origin || $(<"$origin") != "$PWD $version" ]]; then
    echo "Making .venv with $("$python" -V)"
    rm -rf .venv
    "$python" -m venv .venv
    echo "$PWD $version" >"$origin"
fi

echo "Installing the packages of requirements-dev.lock into .venv"
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
# Twice --quiet: errors only. Wheels only: a source build would run code that no hash covers.
.venv/bin/pip install --quiet --quiet --only-binary :all: --require-hashes \
    --requirement requirements-dev.lock
.venv/bin/pip install --quiet --quiet --no-deps --no-build-isolation --editable .
echo "$wanted" >"$stamp"
