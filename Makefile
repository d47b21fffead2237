# Two commands do all the set-up on a fresh machine: `make demo` and `make test`.
# `make test BIN=/path/to/env/bin` uses an environment that is there already and installs nothing.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
WORKERS ?= auto

.PHONY: env demo test lint docs site clean

ifeq ($(origin BIN),command line)
env:
	@test -x $(BIN)/python || { echo "make: there is no $(BIN)/python; give BIN=… the bin folder of an environment" >&2; exit 2; }
else
env: $(STAMP)
endif

# torch first and by itself: asked for by a range, a resolver may bring a build with gigabytes of GPU libraries.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[all]' --group dev
	touch $(STAMP)

# The main job on the digits that come with scikit-learn: prune to a tenth, then show by retraining what it is worth.
demo: env
	$(BIN)/python examples/digits.py demo
	$(BIN)/datapare prune demo/digits.npz --keep 0.1 --out demo/digits.datapare
	$(BIN)/datapare compare demo/digits.datapare --keep 0.1 --test demo/digits-test.npz --seeds 5
	$(BIN)/datapare report demo/digits.datapare --keep 0.1
	@echo "the smaller dataset: demo/digits.datapare/keep-0.1/dataset"
	@echo "the report:          file://$(CURDIR)/demo/digits.datapare/keep-0.1/report.html"

lint: env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# One thread per test process: the processes share the cores.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

docs: env
	$(BIN)/python docs/make.py

site: docs
	$(BIN)/python -m sphinx -q -W -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:
	rm -rf .venv demo build dist docs/_build
