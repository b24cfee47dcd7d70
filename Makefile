# Everything runs in .venv, which these targets create and keep up to date.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test test-unit coverage check format bench chaos docs clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/runtime ## Run the whole pipeline on the sample clip and write a report
	$(BIN)/affectline up --config configs/demo.yaml

test: .venv/dev ## Run all tests, three at a time: many of them wait
	$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

test-unit: .venv/dev ## Run the unit tests that take no time: less than a minute
	$(BIN)/pytest tests/unit --numprocesses 2 -m "not slow"

coverage: .venv/dev ## Measure branch coverage of all tests, child processes included
	$(BIN)/coverage erase
	-$(BIN)/pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --cov --cov-report=
	$(BIN)/coverage report --fail-under 90 # whether tests pass is what make test says
	$(BIN)/coverage report --fail-under 90 --format total --include "common/*"
	$(BIN)/coverage report --fail-under 90 --format total --include "services/*"

check: .venv/dev ## Check format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev ## Format the code and fix what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev ## Run the benchmarks and write docs/benchmarks.md (needs ../shared/data)
	$(BIN)/python -m tests.benchmarks

chaos: .venv/dev ## Have everything go wrong for half an hour, and write docs/reliability.md
	$(BIN)/python -m tests.chaos

docs: .venv/dev ## Generate schemas, tables and diagrams in docs/
	$(BIN)/python -m affectline.services.cli.reference docs
	$(BIN)/python -m tests.architecture docs
	$(BIN)/python -m tests.head_pose docs
	$(BIN)/python -m tests.golden # adds new kinds of message, changes none

clean: ## Remove the environment and caches
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# A stamp is newer than pyproject.toml when the dependencies that it names are installed.
.venv/pip:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

.venv/runtime: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[sample,report,dashboard]'
	@touch $@

.venv/dev: .venv/runtime pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[sample,sensors,signals,report,dashboard,tables,training,reproduce,validation]' --group dev
	@touch $@
