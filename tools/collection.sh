#!/usr/bin/env bash
# Builds dist/posthouse-appliance-VERSION.tar.gz: the collection posthouse.appliance with its roles, modules and
# playbooks, and with the wheel that they provision hosts with. Names are the same as in the checkout, whose
# ansible/collections/ holds links. A stamp keyed on whatever decides the result makes a second run quick.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
tools/wheel.sh
exec 7>.cache/collection.lock
flock 7 # two makes at once must not build the same folder

version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' appliance/__init__.py)
links=ansible/collections/ansible_collections/posthouse/appliance
others=(ansible/README.md LICENSE CHANGELOG.md requirements.lock)
wanted=$({
    find -L "$links" -name __pycache__ -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    sha256sum "${others[@]}" ansible/galaxy.yml.in tools/collection.sh dist/.wheel.made-from
} | sha256sum)
stamp=dist/.collection.made-from
made=dist/posthouse-appliance-$version.tar.gz
if [[ -f $made && -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi

tree=$(mktemp -d .cache/collection.XXXXXX)
trap 'rm -rf "$tree"' EXIT
cp --recursive --dereference "$links"/. "${others[@]}" "$tree"
find "$tree" -name __pycache__ -prune -exec rm -rf {} +
mkdir "$tree/dist"
cp dist/posthouse-*.whl "$tree/dist"
sed "s/@VERSION@/$version/" ansible/galaxy.yml.in >"$tree/galaxy.yml"
rm -f dist/posthouse-appliance-*.tar.gz
ANSIBLE_HOME=.cache/ansible .venv/bin/ansible-galaxy collection build "$tree" --output-path dist >/dev/null
echo "$wanted" >"$stamp"
sha256sum "$made"
