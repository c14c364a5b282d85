#!/usr/bin/env bash
# Lints the playbooks, inventories, roles and modules' YAML; nothing is fetched and no host is asked.
# A stamp keyed on whatever decides the verdict makes a second run quick.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# ansible-lint calls its neighbours by name, and would look for them among the system's own.
export PATH="$PWD/.venv/bin:$PATH"
export ANSIBLE_CONFIG="$PWD/ansible/ansible.cfg" ANSIBLE_HOME="$PWD/.cache/ansible"

wanted=$({
    find ansible roles systemd -name __pycache__ -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
    sha256sum .ansible-lint .yamllint requirements-dev.lock tools/lint_ansible.sh
} | sha256sum)
stamp=.cache/lint_ansible.passed
if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then
    exit 0
fi
yamllint --strict .ansible-lint .yamllint ansible roles
ansible-lint -q --nocolor --offline --profile production ansible roles
echo "$wanted" >"$stamp"
