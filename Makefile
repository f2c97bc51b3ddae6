# Verbs of this repository. Every one makes its environment first; `make PYTHON=python3.13 book` chooses the Python.
PYTHON ?= python3
PORT ?= 8000
PY := .venv/bin/python
# XLA would otherwise look for an accelerator, and numbers are compared as a CPU computes them.
export JAX_PLATFORMS := cpu

.DEFAULT_GOAL := help
.PHONY: help env book notebooks exercises frameworks test test-keys lint format serve lock clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "%-12s%s\n",$$1,$$2}' $(MAKEFILE_LIST)

env: ## make .venv from requirements.txt
	@$(PYTHON) tools/env.py

book: env ## execute the chapters and render the book into _build/html
	@$(PY) tools/book.py

notebooks: book ## write the executed chapters to notebooks/
	@$(PY) tools/notebooks.py write

exercises: env ## generate the student notebooks from their masters
	@$(PY) tools/exercises.py build

frameworks: env ## make .venv-frameworks: PyTorch (for the CPU) and TensorFlow Probability, optional
	@$(PY) tools/frameworks.py

test: env ## everything that must hold: lint, book, notebooks, exercises, tests
	@$(PY) tools/check.py

test-keys: env ## the stochastic tests, each under twenty keys
	@$(PY) tools/check.py keys

lint: env ## check style and formatting
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

format: env ## put the code into the house's format
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

serve: book ## show the book on http://localhost:$(PORT)
	@echo "serving on http://localhost:$(PORT), Ctrl-C ends it"
	@$(PY) -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

lock: env ## write both locks anew from pyproject.toml
	@$(PY) tools/lock.py

clean: ## remove what was built, environments excepted
	@rm -rf _build .pytest_cache .ruff_cache *.egg-info
