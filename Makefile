# From a bare Debian or Ubuntu to the figures: `make run`. Any target may be repeated at any time.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := testbed topologies experiments benchmarks
# Made last, so that a set-up that was interrupted is taken up again.
READY := .venv/ready
RYU_READY := .venv-ryu/ready

SHELL := /bin/sh
.SHELLFLAGS := -euc
.ONESHELL:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help debian debian-tests setup setup-ryu kernel run reproduce test check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

# Shell functions about debian-packages.txt, which tells its columns.
define DEBIAN
# missing KIND: the packages that are not here, of those whose purpose begins with KIND ("tests:"), or else are "needed".
missing() {
	awk -v kind="$$1" '!/^#/ && NF && kind == ($$3 ~ /:$$/ ? $$3 : "needed") { print $$1, $$2 }' debian-packages.txt |
	while read -r package brings; do
		# Administration programs are not in the path of every ordinary user.
		case $$brings in
			/*) test -e "$$brings" ;;
			python3:*) "$(PYTHON)" -c "import $${brings#python3:}" 2>/dev/null ;;
			*) PATH="$$PATH:/usr/sbin:/sbin" command -v "$$brings" >/dev/null ;;
		esac || printf ' %s' "$$package"
	done
}
install_packages() {
	# SYSTEMD_OFFLINE and RUNLEVEL (systemd and sysvinit) keep the packages from starting their daemons,
	# NEEDRESTART_SUSPEND keeps apt from restarting others.
	export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 SYSTEMD_OFFLINE=1 NEEDRESTART_SUSPEND=1
	echo "Installing Debian packages: $$*"
	apt-get update --quiet
	apt-get install --quiet --yes --no-install-recommends "$$@"
}
endef

debian: debian-packages.txt
	@$(DEBIAN)
	packages=$$(missing needed)
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
	echo "The packages' daemons are not started now and are not used; Open vSwitch's may start at the next boot:"
	echo "systemctl disable openvswitch-switch prevents that."
	install_packages $$packages
	packages=$$(missing needed)
	if [ -n "$$packages" ]; then
		echo "Installed, but what they should bring is not found:$$packages" >&2
		echo "See debian-packages.txt; another Python than Debian's needs its own venv and ensurepip." >&2
		exit 3
	fi

# Where these cannot be installed, the tests that use them are skipped, and pytest says so: nothing stops here.
debian-tests: debian-packages.txt | debian
	@$(DEBIAN)
	packages=$$(missing tests:)
	if [ -n "$$packages" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		install_packages $$packages || true
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

# Ryu's build breaks with a newer setuptools; older pips read the first variable for builds, newer ones the second.
$(RYU_READY): setup.py | $(READY)
	@if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
		echo "Ryu 4.34 builds with Python up to 3.11 only; .venv has $$($(BIN)/python --version)." >&2
		echo "Type: make clean, then make setup-ryu PYTHON=python3.11 (if that is installed)" >&2
		exit 3
	fi
	echo "Installing Ryu in .venv-ryu; this takes a minute"
	$(BIN)/python -m venv --clear .venv-ryu
	echo 'setuptools<58' > .venv-ryu/constraints.txt
	$(BIN)/python -c 'import importlib.metadata as m; print(*(r.split(";")[0] for r in m.requires("testbed") if "ryu" in r.split(";")[-1]), sep="\n")' > .venv-ryu/requirements.txt
	export PIP_CONSTRAINT="$$PWD/.venv-ryu/constraints.txt" PIP_BUILD_CONSTRAINT="$$PWD/.venv-ryu/constraints.txt"
	.venv-ryu/bin/python -m pip install --quiet --requirement .venv-ryu/requirements.txt
	touch $@

setup-ryu: $(RYU_READY) ## install Ryu in .venv-ryu, for controller=ryu-example

kernel: setup ## build the guest kernel, once (minutes)
	@$(BIN)/testbed kernel build

run: kernel ## the two experiments, quick: figures and report
	$(BIN)/testbed run aggregation --quick
	$(BIN)/testbed run failover --quick --repetitions 5

reproduce: kernel ## the runs behind the README's figures again, compared with results/reference (QUICK=1: fewer)
	$(BIN)/testbed reproduce $(if $(QUICK),--quick)

check: setup ## style, types and the pure tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --strict $(SOURCES)
	$(BIN)/pytest --quiet -rs --numprocesses auto --ignore=tests/emulation

test: kernel debian-tests check ## everything, with the tests that boot guests and, as root, a browser
	@if $(BIN)/python -c 'import sys; sys.exit(sys.version_info >= (3, 12))'; then
		$(MAKE) setup-ryu
	else
		echo "Ryu 4.34 cannot be built with Python 3.12 or newer: its tests are skipped."
	fi
	$(BIN)/pytest --numprocesses auto --dist loadfile --durations 15 tests/emulation

clean: ## remove .venv, .venv-ryu and caches; results and the guest kernel stay
	rm -rf .venv .venv-ryu .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
	find $(SOURCES) tests -name __pycache__ -prune -exec rm -rf {} +
