#!/usr/bin/env bash
# Builds what a host is provisioned with. The same sources make the same octets, whenever and wherever.
#   tools/wheel.sh        dist/posthouse-VERSION-py3-none-any.whl, with the front end and the translations
#   tools/wheel.sh house  dist/wheelhouse/, the wheels of requirements.lock, for hosts that reach no package index
# The wheels are for this machine's Python, or for others: WHEELHOUSE_PYTHON="3.11 3.13", and
# WHEELHOUSE_MACHINE=aarch64. Stamps keyed on whatever decides the result make a second run quick.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
mkdir -p .cache dist
exec 7>.cache/wheel.lock
flock 7 # two makes at once must not build the same folder
made=
trap 'rm -rf "$made"' EXIT

build_wheel() {
    # Not the time of a commit: sources that did not change make the wheel that is installed already.
    export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1580601600}
    local wanted stamp=dist/.wheel.made-from
    wanted=$({
        echo "$SOURCE_DATE_EPOCH"
        find appliance httpmail webadmin -name node_modules -prune -o -type f ! -name '*.py[co]' -print0 |
            LC_ALL=C sort -z | xargs -0 sha256sum
        sha256sum pyproject.toml LICENSE README.md requirements-dev.lock tools/build_hook.py tools/wheel.sh
    } | sha256sum)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]] && compgen -G 'dist/posthouse-*.whl' >/dev/null; then
        return
    fi
    made=$(mktemp -d .cache/wheel.XXXXXX)
    .venv/bin/pip wheel --quiet --quiet --no-deps --no-build-isolation --wheel-dir "$made" .
    rm -f dist/posthouse-*.whl # the roles take the one there is
    mv "$made"/posthouse-*.whl dist/
    echo "$wanted" >"$stamp"
    sha256sum dist/posthouse-*.whl
}

# The names by which wheels say on which Linux they run: that of Debian 12 (glibc 2.36) or an older one.
platforms() {
    local minor
    for minor in $(seq 36 -1 5); do
        echo "--platform=manylinux_2_${minor}_$1"
    done
    printf -- '--platform=%s_%s\n' manylinux2014 "$1" manylinux2010 "$1" manylinux1 "$1"
}

fill_wheelhouse() {
    local here wanted stamp=dist/wheelhouse/.made-from
    here=$(.venv/bin/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    local pythons=${WHEELHOUSE_PYTHON:-$here} machine=${WHEELHOUSE_MACHINE:-$(uname -m)}
    wanted=$({
        echo "$pythons $machine"
        cat requirements.lock tools/wheel.sh
    } | sha256sum)
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
        return
    fi
    local python
    made=$(mktemp -d .cache/wheelhouse.XXXXXX)
    for python in $pythons; do
        echo "Fetching the wheels for Python $python on $machine"
        # shellcheck disable=SC2046 # one word a platform
        .venv/bin/pip download --quiet --quiet --no-deps --only-binary :all: --require-hashes \
            --requirement requirements.lock --dest "$made" --python-version "$python" \
            --implementation cp $(platforms "$machine")
    done
    echo "$wanted" >"$made/.made-from"
    rm -rf dist/wheelhouse
    chmod 755 "$made"
    mv "$made" dist/wheelhouse
}

case ${1:-} in
"") build_wheel ;;
house) fill_wheelhouse ;;
*)
    sed -n '2,6p' "$0" >&2
    exit 2
    ;;
esac
