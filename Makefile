# The commands of this project. `make help` lists them.

PYTHON ?= python3
VENV ?= .venv
# Passed on: `make lab ARGS=--no-browser`, `make test ARGS="tests/transport -x"`.
ARGS ?=
# Another place to look for torch. The CPU build, much smaller on Linux:
#   make lab TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
WORKERS ?= 2
# Which of benchmarks/ to run.
BENCH ?= speed

BIN := $(VENV)/bin
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: help lab test fast lint format bench tables course gallery binder-check clean

help: ## this list
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*##/\t/' | expand -t 14

lab: $(VENV)/.lab ## open JupyterLab on the course
	$(BIN)/gca-playground $(ARGS)

test: $(VENV)/.test ## every test: units, laws, references, notebooks, browser
	$(PYTEST) $(ARGS)

fast: $(VENV)/.test ## the tests that need neither browser nor notebook
	$(PYTEST) -m "not browser and not slow" tests $(ARGS)

lint: $(VENV)/.test ## style, types, the floors, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell

format: $(VENV)/.test ## put the style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.bench ## speed beside POT, OTT and GeomLoss; others: make bench BENCH="growth slider gaussian"
	@set -e; for name in $(BENCH); do echo "== $$name"; $(BIN)/python benchmarks/$$name.py $(ARGS); done

tables: $(VENV)/.test ## the tables that the course shows, each cell trained anew unless it is kept (an hour)
	$(BIN)/python -m gca_playground.learning.experiments $(ARGS)

course: $(VENV)/.test ## run every notebook of the course and print what it takes and holds
	$(BIN)/python notebooks/course.py $(ARGS)

gallery: $(VENV)/.test ## draw the README's pictures anew (needs a Chromium)
	$(BIN)/python docs/gallery.py

binder-check: ## build in a clean environment what Binder builds, and run every notebook in it
	$(PYTHON) binder/check.py $(ARGS)

clean: ## remove the environment and everything made
	rm -rf $(VENV) build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# An environment is made once, and again when what it holds is declared anew.
$(VENV)/.python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; \
	sys.exit(None if v >= (3, 11) else "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.12 ..." % v[:2])'
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.lab: $(VENV)/.python pyproject.toml constraints.txt
	$(INSTALL) -e ".[app]"
	@touch $@

$(VENV)/.test: $(VENV)/.python pyproject.toml constraints.txt
	$(INSTALL) -e ".[test]"
	@touch $@

$(VENV)/.bench: $(VENV)/.test
	$(INSTALL) -e ".[bench]"
	@touch $@
