# From a bare Debian or Ubuntu to the figures: `make run`. Any target may be repeated at any time.

PYTHON ?= python3
BIN := .venv/bin
SOURCES := testbed topologies experiments benchmarks
INSTALL := PYTHON="$(PYTHON)" scripts/setup.sh

.DEFAULT_GOAL := help
.PHONY: help debian debian-tests setup setup-ryu setup-services ryu-tests kernel run reproduce test check clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

debian:
	@$(INSTALL) debian

debian-tests: debian
	@$(INSTALL) debian-tests

setup: debian ## install what is needed: Debian packages (as root), Python parts in .venv
	@$(INSTALL) python

setup-ryu: setup ## install Ryu in .venv-ryu, for controller=ryu-example
	@$(INSTALL) ryu

setup-services: setup ## install the daemons of services (BIRD, keepalived, HAProxy ...), for ecmp_detect, gateway_pair, balancer_pair
	@$(INSTALL) debian-services

ryu-tests: setup
	@$(INSTALL) ryu-tests

kernel: setup ## build the guest kernel, once (minutes)
	@$(BIN)/testbed kernel build

run: kernel ## the two experiments, quick: figures and report
	$(BIN)/testbed run aggregation --quick
	$(BIN)/testbed run failover --quick --repetitions 5

reproduce: kernel ## repeat the runs behind figures and numbers, compare with results/reference (QUICK=1: fewer)
	$(BIN)/testbed reproduce $(if $(QUICK),--quick)

check: setup ## style, types, import contracts and the quick tests, in a minute or two
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy --strict $(SOURCES)
	$(BIN)/lint-imports --no-cache
	$(BIN)/pytest --quiet -rs --numprocesses auto --ignore=tests/emulation -m "not slow"

test: kernel debian-tests check ryu-tests ## everything, with slow tests, those that boot guests and, as root, a browser
	$(BIN)/pytest --quiet -rs --numprocesses auto --ignore=tests/emulation -m slow
	$(BIN)/pytest --numprocesses auto --dist loadfile --durations 15 tests/emulation

clean: ## remove .venv, .venv-ryu and caches; results and the guest kernel stay
	rm -rf .venv .venv-ryu .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build *.egg-info
	find $(SOURCES) tests -name __pycache__ -prune -exec rm -rf {} +
