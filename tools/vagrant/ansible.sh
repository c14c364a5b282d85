#!/usr/bin/env bash
# Ansible alone, of all that requirements-dev.lock holds: what a machine needs that provisions itself.
#   tools/vagrant/ansible.sh pins          prints its pins, with their hashes
#   tools/vagrant/ansible.sh install VENV  makes a virtual environment of them, or sees that it is made
#   tools/vagrant/ansible.sh fetch         puts the wheels into dist/ansible-wheels, for a machine without an index
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
wheels=dist/ansible-wheels

# ansible-core and all that it needs; tests/appliance/test_vagrantfile.py compares.
packages=(ansible-core cffi cryptography jinja2 markupsafe packaging pycparser pyyaml resolvelib)
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

pins() {
    local names
    names=$(IFS='|' && echo "${packages[*]}")
    awk -v wanted="^($names)==" '/^[^ ]/ { taken = ($0 ~ wanted) } taken' requirements-dev.lock
}

# Whether the wheels are there, and are those of the pins as they are now.
are_fetched() {
    [[ -f $wheels/.made-from && $(<"$wheels/.made-from") == "$(pins | sha256sum)" ]]
}

install_into() {
    local venv=$1 wanted source=()
    wanted=$({
        python3 -V
        pins
    } | sha256sum)
    if [[ -f $venv/.made-from && $(<"$venv/.made-from") == "$wanted" ]]; then
        return
    fi
    if are_fetched; then
        source=(--no-index --find-links "$wheels")
    fi
    echo "Installing Ansible into $venv"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --quiet --no-compile --only-binary :all: --require-hashes \
        "${source[@]}" --requirement <(pins)
    echo "$wanted" >"$venv/.made-from"
}

fetch() {
    local made
    ! are_fetched || return 0
    mkdir -p dist
    made=$(mktemp -d dist/ansible-wheels.XXXXXX)
    .venv/bin/pip download --quiet --quiet --only-binary :all: --require-hashes --no-deps \
        --dest "$made" --requirement <(pins)
    pins | sha256sum >"$made/.made-from"
    chmod 755 "$made"
    rm -rf "$wheels"
    mv "$made" "$wheels"
}

case ${1:-} in
pins) pins ;;
install) install_into "${2:?"install: which folder?"}" ;;
fetch) fetch ;;
*)
    sed -n '2,5p' "$0" >&2
    exit 2
    ;;
esac
