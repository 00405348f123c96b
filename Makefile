# From a bare Debian or Ubuntu to the figures: `make run`. Any target may be repeated at any time.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := testbed topologies experiments
# Made last, so that a set-up that was interrupted is taken up again.
READY := .venv/ready

SHELL := /bin/sh
.SHELLFLAGS := -euc
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help debian setup kernel run test check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' Makefile

# Administration programs are not in the path of every ordinary user. SYSTEMD_OFFLINE and RUNLEVEL (systemd and
# sysvinit) keep the packages from starting their daemons, NEEDRESTART_SUSPEND keeps apt from restarting others.
debian: debian-packages.txt
	@missing() {
		awk '!/^#/ && NF && $$3 != "optional:" { print $$1, $$2 }' debian-packages.txt |
		while read -r package brings; do
			case $$brings in
				/*) test -e "$$brings" ;;
				python3:*) "$(PYTHON)" -c "import $${brings#python3:}" 2>/dev/null ;;
				*) PATH="$$PATH:/usr/sbin:/sbin" command -v "$$brings" >/dev/null ;;
			esac || printf ' %s' "$$package"
		done
	}
	packages=$$(missing)
	test -n "$$packages" || exit 0
	if ! command -v apt-get >/dev/null; then
		echo "Not found here:$$packages; wanted Debian or Ubuntu, whose packages these are." >&2
		exit 3
	fi
	if [ "$$(id -u)" != 0 ]; then
		echo "Debian packages that are missing:$$packages" >&2
		echo "Type: sudo apt-get install --no-install-recommends$$packages" >&2
		exit 3
	fi
	echo "Installing Debian packages:$$packages"
	echo "Their daemons are not started now and are not used; Open vSwitch's may start at the next boot:"
	echo "systemctl disable openvswitch-switch prevents that."
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 SYSTEMD_OFFLINE=1 NEEDRESTART_SUSPEND=1
	apt-get update --quiet
	apt-get install --quiet --yes --no-install-recommends $$packages
	packages=$$(missing)
	if [ -n "$$packages" ]; then
		echo "Installed, but what they should bring is not found:$$packages" >&2
		echo "See debian-packages.txt; another Python than Debian's needs its own venv and ensurepip." >&2
		exit 3
	fi

$(READY): setup.py | debian
	@if ! "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
		echo "$(PYTHON) is $$("$(PYTHON)" --version); wanted Python 3.11 or newer." >&2
		echo "Type: make setup PYTHON=python3.11 (or another that is installed)" >&2
		exit 3
	fi
	echo "Installing the Python parts in .venv; this takes a minute or two"
	"$(PYTHON)" -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

setup: $(READY) ## install what is needed: Debian packages (as root), Python parts in .venv

kernel: setup ## build the guest kernel, once (minutes)
	@$(BIN)/testbed kernel build

run: kernel ## the two experiments, quick: figures and report
	$(BIN)/testbed run aggregation --quick
	$(BIN)/testbed run failover --quick

check: setup ## style, types and the pure tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --strict $(SOURCES)
	$(BIN)/pytest --quiet --ignore=tests/emulation

test: kernel check ## everything, with the tests that boot guests
	$(BIN)/pytest tests/emulation

clean: ## remove .venv and caches; results and the guest kernel stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find $(SOURCES) tests -name __pycache__ -prune -exec rm -rf {} +
