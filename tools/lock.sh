#!/usr/bin/env bash
# Resolves pyproject.toml into the two lock files, with hashes, for every Python from 3.11 on.
# What is locked stays as it is where it still fits; tools/lock.sh --upgrade takes the newest.
# UV names a uv to use; without it, one is put into .cache/uv.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
uv=${UV:-.cache/uv/bin/uv}
if ! command -v "$uv" >/dev/null; then
    "${PYTHON:-python3}" -m venv .cache/uv
    .cache/uv/bin/pip install --quiet --quiet 'uv>=0.13,<0.14'
fi

# Wheels only, as setup.sh installs them. No header, no annotations, no index: a lock file says nothing of the machine that wrote it.
resolve=("$uv" pip compile pyproject.toml --quiet --universal --python-version 3.11
    --generate-hashes --only-binary :all: --no-emit-index-url --no-annotate --no-header "$@")
"${resolve[@]}" --output-file requirements.lock
"${resolve[@]}" --group dev --constraints requirements.lock --output-file requirements-dev.lock
