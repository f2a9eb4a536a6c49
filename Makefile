# Everything starts here: `make` lists the targets. Python 3.11 or later and make are all that is needed.

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# Tests wait for processes more than they compute; more than two at a time get in each other's way on a small machine.
TESTERS ?= 2

# Options of `make stack`, such as "--seconds 60"; `python -m deploy.stack --help` lists them.
STACK ?=

# Options of `make bench-peers`: "--quick", "--save".
BENCH ?=

# Options of `make soak`, such as "--minutes 20 --database postgres".
SOAK ?=

.DEFAULT_GOAL := help
.PHONY: help demo stack test install test-fast lint format types imports docs docs-site check bench bench-peers soak constraints build clean

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: install ## Serve the demo agents on http://127.0.0.1:7777 with the offline model; no API key needed
	@$(BIN)/offpath demo

stack: install ## Run PostgreSQL, demo, worker, Prometheus and dashboards under traffic; needs prometheus, not Docker
	@$(BIN)/python -m deploy.stack $(STACK)

test: install ## Run all tests
	@$(BIN)/pytest -q -n $(TESTERS) --dist loadfile

install: $(STAMP) ## Create .venv with the pinned versions

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"offpath needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.12 ...")'
	@echo "Installing offpath into $(VENV) (once; half a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --group dev --editable ".[notify,postgres,sql]"
	@touch $(STAMP)

test-fast: install ## Run the unit tests only
	@$(BIN)/pytest tests/unit

lint: install ## Check style
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: install ## Mend style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: install ## Check types, strictly
	@$(BIN)/mypy

imports: install ## Check that imports go down only
	@$(BIN)/lint-imports --no-cache

docs: install ## Write the generated reference pages anew
	@$(BIN)/python -m offpath.reference all --write

docs-site: install ## Build the documentation into build/site; it opens without a server
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo build/site/index.html

check: lint types imports ## Check style, types, imports and the generated pages
	@$(BIN)/python -m offpath.reference all --check

bench: install ## Measure; results go to benchmarks/results
	@$(BIN)/python -m benchmarks

bench-peers: install ## Compare with what one would pick instead (11 minutes; BENCH=--quick: 4)
	@$(BIN)/python -m benchmarks peers $(BENCH)

soak: install ## Traffic with every kind of fault, then the account of all runs, jobs, sums and memory
	@$(BIN)/python -m benchmarks.soak $(SOAK)

constraints: install ## Pin the versions that are installed now
	@$(BIN)/python -m pip freeze --exclude-editable | LC_ALL=C sort -f > constraints.txt

build: install ## Build the wheel and the sdist into dist/
	@$(BIN)/python -m pip wheel --quiet --no-deps --wheel-dir dist .

clean: ## Remove .venv, caches and build results
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
