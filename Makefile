# The two commands that need nothing but git, make and Python 3.11+: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help demo test lint docs bench clean
help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || $(PYTHON) -m virtualenv $(VENV) || \
	  { echo "no venv module here: apt install python3-venv"; exit 1; }
	@echo "installing into $(VENV) (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $(STAMP)

demo: $(STAMP) ## a task goes in, a merged fix comes out
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/coordinator demo

test: $(STAMP) ## the whole suite: types, lint, architecture, real servers, real kills
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadgroup

lint: $(STAMP) ## ruff and mypy alone
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

docs: $(STAMP) ## write the parts of the pages that are made from the code
	@$(BIN)/python -m tests.docs

bench: $(STAMP) ## the figures of this machine
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m benchmarks decide startup store validate

clean: ## remove the environment
	rm -rf $(VENV)
