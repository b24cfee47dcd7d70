# Everything runs in .venv, which these targets create and keep up to date.

PYTHON ?= python3
BIN := .venv/bin

# Tests start hundreds of processes: without stored bytecode each would compile all it imports.
unexport PYTHONDONTWRITEBYTECODE

# Three at a time, because many tests wait; the tests of one file stay together.
SIDE_BY_SIDE := --numprocesses 3 --dist loadfile --no-loadscope-reorder

MEASURE := $(BIN)/pytest $(SIDE_BY_SIDE) --cov --cov-append --cov-report=
# Long tests that coverage includes: archives and the booth are run by no other.
MEASURED := tests/integration/test_archive.py tests/integration/test_keys.py tests/e2e/test_collect.py

.PHONY: help demo test test-long again test-unit coverage check format bench bench-quick chaos docs fuzz lock site sbom clean

help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/runtime ## Run the whole pipeline on the sample clip and write a report
	$(BIN)/affectline up --config configs/demo.yaml

test: .venv/dev ## Run all tests except the long ones: less than eight minutes
	$(BIN)/pytest $(SIDE_BY_SIDE) -m "not long"

test-long: .venv/dev ## Run the long tests, whole runs of many processes: twenty minutes
	$(BIN)/pytest $(SIDE_BY_SIDE) -m long

again: .venv/dev ## Rerun the tests that failed last, one at a time
	$(BIN)/pytest --last-failed --last-failed-no-failures none

test-unit: .venv/dev ## Run the fast unit tests: less than a minute
	$(BIN)/pytest tests/unit --numprocesses 2 -m "not slow"

coverage: .venv/dev ## Measure branch coverage of make test and a few long tests
	$(BIN)/coverage erase
	$(MEASURE) -m "not long" || test $$? = 1 # make test reports whether tests pass
	$(MEASURE) $(MEASURED) || test $$? = 1
	$(BIN)/coverage report --fail-under 90
	$(BIN)/coverage report --fail-under 90 --format total --include "common/*"
	$(BIN)/coverage report --fail-under 90 --format total --include "services/*"

check: .venv/dev ## Check format, lint, types and import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict >/dev/null

site: .venv/dev ## Build the documentation as a site that works offline, in build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

format: .venv/dev ## Format the code and fix what ruff can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv/dev ## Run the benchmarks and write docs/benchmarks.md: twelve minutes (needs ../shared/data)
	$(BIN)/python -m tests.benchmarks

bench-quick: .venv/dev ## Compare speed and memory with another commit: two minutes (BASE=HEAD~1)
	$(BIN)/python -m tests.benchmarks.quick $(BASE)

fuzz: .venv/dev ## Fuzz every decoder, a minute each
	-$(INSTALL) --requirement tests/fuzzing/requirements.txt # if this fails, fuzzing runs without it
	$(BIN)/python -m tests.fuzzing

chaos: .venv/dev ## Inject faults of every kind for half an hour, and write docs/reliability.md
	$(BIN)/python -m tests.chaos

docs: .venv/dev ## Generate schemas, tables and diagrams in docs/
	$(BIN)/python -m affectline.services.cli.reference docs
	$(BIN)/python -m tests.architecture docs
	$(BIN)/python -m tests.head_pose docs
	$(BIN)/python -m affectline.training.export.shipped_figures README.md docs/models.md
	$(BIN)/python -m tests.supply.licences docs
	$(BIN)/python -m tests.golden # adds new kinds of message, never changes existing ones

lock: .venv/dev ## Update the locked packages in requirements/ to the newest that fit
	$(BIN)/python -m tests.supply.lock
	$(INSTALL) --requirement requirements/dev.txt
	$(BIN)/python -m tests.supply.licences
	$(BIN)/python -m tests.supply.licences docs

sbom: .venv/dev ## Write the bill of materials (CycloneDX) to build/affectline.cdx.json
	$(BIN)/python -m tests.supply.sbom build/affectline.cdx.json

clean: ## Remove the environment and caches
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# A stamp that is newer than its locks and pyproject.toml means that their packages are installed.
# Every file is checked against a hash in requirements/; the project is installed from its folder.
INSTALL := $(BIN)/python -m pip install --quiet --require-hashes
DEMO := $(addprefix requirements/extras/,sample.txt report.txt dashboard.txt)

.venv/pip: requirements/build.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Python 3.11, 3.12 or 3.13 is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(INSTALL) --requirement requirements/build.txt
	@touch $@

.venv/runtime: .venv/pip pyproject.toml $(DEMO)
	$(INSTALL) $(addprefix --requirement ,$(DEMO))
	$(BIN)/python -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/runtime requirements/dev.txt
	$(INSTALL) --requirement requirements/dev.txt
	@touch $@
