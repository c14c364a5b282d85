# The commands of this project. They install what they need and say so; `make` alone lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
HOME_DIR ?= ./var
PORT_BASE ?= 3000
N ?= 20
SEED ?= 1
SECONDS ?= 60
DATABASE ?= sqlite
ROW ?= all
PAIRS ?= 5
TARGET ?=
BREAK ?=
export PYTHON

BIN := .venv/bin

# What the tests use besides Python: real clients, and PostgreSQL for the contract tests.
# swaks and fetchmail speak TLS through libnet-ssleay-perl and OpenSSL; initdb refuses root, so the
# tests change users with setpriv (util-linux); procps looks at the processes that a test left.
# strace has calls of the kernel fail, faketime sets the clock of single processes. Chromium walks through the pages, litmus through HTTPMail's WebDAV. Vagrant reads the Vagrantfile.
# debootstrap and systemd-container make the hosts that tests/appliance provisions over ssh.
TEST_PACKAGES := chromium curl debootstrap faketime fetchmail iproute2 libnet-ssleay-perl litmus nbdkit openssh-client \
	postgresql procps qemu-system-common strace swaks systemd-container util-linux vagrant \
	vagrant-libvirt

# The layers that need no daemon run first; the others follow, in this order, a module of tests beside
# another, since a module's tests share servers. At the end hosts are provisioned.
FAST_LAYERS := $(wildcard tests/unit tests/property tests/dialogs tests/contract)
SLOW_LAYERS := $(wildcard tests/integration tests/browser)

SHELL_SCRIPTS = .ci/run $$(find . \( -path ./.venv -o -path ./.git -o -path ./.cache -o -path ./var \
	-o -name node_modules \) -prune -o -name '*.sh' -type f -print)

##@ Every day

.PHONY: setup
setup: ## make .venv with the locked packages, the posthouse command, the pages' fonts and scripts
	@tools/setup.sh
	@tools/assets.sh
	@tools/translations.sh compile

.PHONY: run
run: setup ## start a demo server; HOME_DIR=./var PORT_BASE=3000
	@exec $(BIN)/posthouse --home "$(HOME_DIR)" serve --demo --port-base "$(PORT_BASE)"

.PHONY: lint
lint: setup ## format, lint, types, arrows between floors, shell, Ansible, generated files
	@$(BIN)/ruff format --check --quiet . || { echo "Run: make format" >&2; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo --cache-dir .cache/import_linter
	@$(BIN)/shellcheck $(SHELL_SCRIPTS)
	@tools/lint_ansible.sh
	@$(BIN)/python tools/check_locks.py
	@$(BIN)/python tools/gen_settings.py --check
	@$(BIN)/python tests/performance/page.py --check

.PHONY: format
format: setup ## put the Python code into its format and mend what can be mended
	@$(BIN)/ruff check --quiet --fix-only .
	@$(BIN)/ruff format .

.PHONY: test
test: setup ## lint, then every layer of tests, the quick ones first
	@tools/apt-need.sh "the tests" $(TEST_PACKAGES)
	@$(MAKE) lint
	@$(if $(FAST_LAYERS),$(BIN)/pytest --numprocesses auto $(FAST_LAYERS))
	@$(if $(SLOW_LAYERS),for layer in $(SLOW_LAYERS); do \
		$(BIN)/pytest --numprocesses auto --dist loadfile "$$layer"; done)
	@$(BIN)/pytest --numprocesses auto --dist loadfile tests/appliance

##@ Now and then

# The services of an appliance run by this Python, too.
bench: PYTHON := /usr/bin/python3
.PHONY: bench
bench: setup ## measure against peers; ROW=list names the rows, ROW=name runs one
	@$(BIN)/python tests/performance/bench.py --row "$(ROW)" --pairs "$(PAIRS)"

bench-profile: PYTHON := /usr/bin/python3
.PHONY: bench-profile
bench-profile: setup ## look where the time of ROW=name goes, with perf and py-spy
	@tools/apt-need.sh "profiles" linux-perf
	@$(BIN)/python tests/performance/bench.py --row "$(ROW)" --profile

.PHONY: bench-page
bench-page: setup ## make docs/performance.md and its plots from bench/results and bench/notes
	@$(BIN)/python tests/performance/page.py

.PHONY: kills
kills: setup ## kill services N=20 times under load, by SEED=1, and count the mail; DATABASE=postgresql
	@tools/apt-need.sh "the databases" postgresql util-linux
	@$(BIN)/python tests/crashes/kills.py --n "$(N)" --seed "$(SEED)" --break "$(BREAK)" \
		--database "$(DATABASE)"

.PHONY: powercuts
powercuts: setup ## cut the power N=20 times under load, by SEED=1, and count the mail; needs root
	@tools/apt-need.sh "the logged disk" qemu-system-common
	@$(BIN)/python tests/crashes/powercuts.py --n "$(N)" --seed "$(SEED)" --break "$(BREAK)"

.PHONY: screenshots
screenshots: setup ## take every page at three widths, light and dark, into docs/screenshots
	@mkdir -p docs/screenshots
	@SCREENSHOTS=docs/screenshots $(BIN)/pytest tests/browser

.PHONY: fuzz
fuzz: setup ## fuzz a parser: TARGET=smtp_command SECONDS=60
	@[[ -f "tests/fuzz/fuzz_$(TARGET).py" ]] || { echo "TARGET is one of:" \
		$(patsubst tests/fuzz/fuzz_%.py,%,$(wildcard tests/fuzz/fuzz_*.py)) >&2; exit 2; }
	@mkdir -p ".cache/fuzz/$(TARGET)"
	@$(BIN)/python "tests/fuzz/fuzz_$(TARGET).py" -max_total_time="$(SECONDS)" \
		-artifact_prefix=".cache/fuzz/$(TARGET)-" ".cache/fuzz/$(TARGET)"

.PHONY: wheel
wheel: setup ## build dist/posthouse-VERSION.whl, what a host is provisioned with
	@tools/wheel.sh

.PHONY: wheelhouse
wheelhouse: setup ## fetch what it needs into dist/wheelhouse; WHEELHOUSE_PYTHON="3.11 3.13" for others
	@tools/wheel.sh house

.PHONY: collection
collection: setup ## build dist/posthouse-appliance-VERSION.tar.gz, the roles and modules for Ansible
	@tools/collection.sh

.PHONY: vagrant-test
vagrant-test: wheel wheelhouse ## start the machine of the Vagrantfile for real, and try it; as root
	@tools/vagrant/test.sh

.PHONY: lock
lock: ## resolve pyproject.toml into the lock files; UPGRADE=--upgrade takes the newest
	@tools/lock.sh $(UPGRADE)

.PHONY: clean
clean: ## remove what was made; ./var with its mail stays
	@rm -rf .venv .cache build dist webadmin/static/vendor webadmin/frontend/node_modules
	@find . -path ./var -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: help
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
