# Everything runs in .venv, which these targets make and keep up to date.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check format bench docs clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/runtime ## Run the whole pipeline over the sample clip, and report on it
	$(BIN)/affectline up --config configs/demo.yaml

test: .venv/dev ## Run every test, two at a time
	$(BIN)/pytest --numprocesses 2 --dist loadfile

check: .venv/dev ## Format, lint, types, import walls
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/dev ## Bring the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev ## Measure, and write docs/benchmarks.md (needs ../shared/data)
	$(BIN)/python -m tests.benchmarks

docs: .venv/runtime ## Write the generated parts of docs/ again
	$(BIN)/python -m affectline.common.wire.asyncapi docs
	$(BIN)/python -m affectline.services.cli.reference docs

clean: ## Remove the environment and the caches
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# The stamps are newer than pyproject.toml when what it asks for is installed.
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
