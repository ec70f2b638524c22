# Two commands do all the set-up: `make lab` runs the workbench, `make test` passes the tests.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
NOTEBOOK := notebooks/01_search_your_papers.ipynb
# The notebook on Elasticsearch is run for the site where a server is named.
NOTEBOOKS := $(filter-out $(if $(WORKBENCH_ES_URL),,%elasticsearch.ipynb),$(wildcard notebooks/*.ipynb))
# The newest that Python 3.11.0 takes, and what it needs besides: Debian 12 has 3.11.2.
OLDEST := "pymdown-extensions<13" "soupsieve<3"
BEFORE_3_11_3 := async-timeout==5.0.1 ; python_full_version < "3.11.3"
LAB_FLAGS := $(if $(or $(DISPLAY),$(WAYLAND_DISPLAY),$(filter Darwin,$(shell uname))),,--no-browser) \
             $(if $(filter 0,$(shell id -u)),--allow-root)

.DEFAULT_GOAL := help
.PHONY: help setup lab test lint format docs bench screenshots lock clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY)  ## Create .venv from the lock file

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --no-compile -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps -e .
	@touch $@

lab: $(READY)  ## Set up, index the sample corpus, open JupyterLab
	$(BIN)/workbench info data/landmarks
	$(BIN)/jupyter lab $(LAB_FLAGS) --LabApp.default_url=/lab/tree/$(NOTEBOOK)

test: $(READY)  ## Set up, fetch what the tests need, run the whole suite, in WORKERS processes
	@bash tests/real_parts.sh
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: $(READY)  ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(NOTEBOOKS:%=build/%)  ## Run the notebooks, build the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

build/notebooks/%.ipynb: notebooks/%.ipynb $(shell find workbench -name '*.py') | $(READY)
	$(BIN)/jupyter nbconvert --log-level WARN --to notebook --execute --output-dir $(@D) $<

bench: $(READY)  ## Measure speed, memory and quality beside the alternatives
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.lock
	$(BIN)/python benchmarks/run.py

screenshots: $(READY)  ## Take the README's pictures anew
	@bash tests/real_parts.sh
	$(BIN)/python -m pytest -q tests/browser
	cd tests/browser/screenshots && cp ranking.png panel.png weights.png ../../../docs/

lock:  ## Write the lock files anew from pyproject.toml
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet ".[test,docs]" $(OLDEST)
	build/lock/bin/python -m pip freeze --exclude paper-search-workbench \
	  | sed 's/+cpu$$//; /^attrs==/i $(BEFORE_3_11_3)' > requirements.lock
	build/lock/bin/python -m pip install --quiet ".[test,docs,bench]" $(OLDEST)
	build/lock/bin/python -m pip freeze --exclude paper-search-workbench \
	  | sed 's/+cpu$$//; /^attrs==/i $(BEFORE_3_11_3)' > benchmarks/requirements.lock
	rm -rf build

clean:  ## Remove what was built here: .venv, indexes of the sample corpus, caches
	rm -rf $(VENV) data/*/index build .pytest_cache .mypy_cache .ruff_cache .hypothesis
