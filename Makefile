# Everything runs in .venv, which needs no activating. Say 'make' for what there is.

PYTHON ?= python3
PRESET ?= laptop
CORES ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
SET ?=
DATASET ?=
FROM ?=
IMAGES ?=
PROFILE ?=
MINUTES ?=
TORCH_INDEX ?=
REPOSITORY ?=
COMMIT ?=

BIN := .venv/bin
STAMP := .venv/.installed
OTHER_PYTHON = name one from 3.11 to 3.13: make $(or $(MAKECMDGOALS),env) PYTHON=...
IN_ENV := PATH="$$PWD/$(BIN):$$PATH"
# A file of tests is one worker's, which sets up once what they share; in the order of conftest.py.
SPREAD = -n $(CORES) --dist loadfile --no-loadscope-reorder
NOTEBOOKS = $$($(BIN)/python -c 'from drlcore.paper.experiments import EXPERIMENTS as all; print(*(f"notebooks/{name}.ipynb" for name in all))')

# A backend chosen outside would take the figures out of the notebooks.
unexport MPLBACKEND

.DEFAULT_GOAL := help
.PHONY: help env reproduce data dial test coverage lint lab copies site publish clean

help:  ## this list
	@echo "make TARGET [NAME=VALUE ...]"
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo "  PYTHON=$(PYTHON)   the Python, 3.11 to 3.13, that .venv is made with"
	@echo "  TORCH_INDEX=     for env: the package index to take torch from, such as PyTorch's CPU one"
	@echo "  PRESET=$(PRESET)    smoke (minutes), laptop, overnight or paper (a GPU)"
	@echo "  CORES=$(CORES)          jobs at a time"
	@echo "  PROFILE=         for reproduce: slurm, on a cluster"
	@echo "  MINUTES=         for reproduce: stop after so many; the same command goes on there"
	@echo "  DATASET=         for data and reproduce: cifar10, cifar100, fashion-mnist, ..."
	@echo "  FROM=            for data: what you have of it, a folder or archive; nothing is downloaded"
	@echo "  IMAGES=          for dial: a folder of pictures, an .npz or .npy, or a known data set"
	@echo "  REPOSITORY=      for site: owner/name on GitHub, for its links"
	@echo "  SET=\"$(SET)\"           more settings of the notebooks: SET=\"n_levels=4 steps=50\""

env: $(STAMP)  ## make .venv with the versions of constraints.txt; instant once done

# Bytecode comes with the first import: to compile all of it takes as long as all else here.
$(STAMP): pyproject.toml constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
		command -v "$(PYTHON)" >/dev/null || { echo 'make: there is no $(PYTHON); $(OTHER_PYTHON)' >&2; exit 1; }; \
		"$(PYTHON)" -c 'import sys; v = sys.version.split()[0]; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "make: $(PYTHON) is Python " + v + "; $(OTHER_PYTHON)")' || exit 1; \
		"$(PYTHON)" -m venv .venv; }
	@$(if $(TORCH_INDEX),PIP_INDEX_URL="$(TORCH_INDEX)" $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt torch)
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check -c constraints.txt -e '.[all]'
	@touch $@

# One thread a job: results do not depend on CORES, and jobs do not fight over cores.
reproduce: env  ## train, evaluate and run every notebook; what is there already is kept
	@$(IN_ENV) OMP_NUM_THREADS=1 DRLCORE_MINUTES="$(MINUTES)" python -m drlcore.paper.batch $(if $(PROFILE),--profile "$(PROFILE)",--cores $(CORES)) --config preset=$(PRESET) $(if $(DATASET),dataset="$(DATASET)") $(SET)

data: env  ## fetch a data set, or take it FROM=path: make data DATASET=cifar10; without DATASET, list them
	@$(IN_ENV) python -m drlcore data $(DATASET) $(if $(FROM),--from "$(FROM)")

dial: env  ## the noise dial of your images: make dial IMAGES=photos/
	@$(IN_ENV) python -m drlcore dial "$(IMAGES)" --preset $(PRESET)

# The notebooks see no runs of this machine, only what is committed. Yours are not tested. One thread
# a process: as many processes as cores would otherwise fight over them.
test: env  ## every test, then the committed notebooks against their outputs
	@status=0; output=$$(mktemp -d); trap 'rm -rf "$$output"' EXIT; export OMP_NUM_THREADS=1; \
	$(IN_ENV) python -m pytest tests $(SPREAD) || status=1; \
	$(IN_ENV) DRLCORE_OUTPUT="$$output" python -m pytest --nbval $(NOTEBOOKS) --nbval-current-env \
		--nbval-cell-timeout=600 --nbval-sanitize-with tests/nbval_sanitize.cfg \
		$(SPREAD) || status=1; \
	exit $$status

coverage: env  ## which lines the tests run; fails below the share in pyproject.toml
	@$(IN_ENV) OMP_NUM_THREADS=1 python -m pytest tests $(SPREAD) --cov=drlcore --cov-report=term

lint: env  ## ruff, mypy, and which wing may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy drlcore
	$(BIN)/lint-imports

lab: env copies  ## open copies of the notebooks, in notebooks/mine, in JupyterLab
	@$(IN_ENV) python -m jupyterlab notebooks/mine/00_start_here.ipynb

# What a user saves is not what is committed; a copy that is deleted comes back fresh.
copies:
	@mkdir -p notebooks/mine
	@for notebook in notebooks/*.ipynb; do \
		[ -e "notebooks/mine/$${notebook##*/}" ] || cp "$$notebook" notebooks/mine/; done

# From scratch, so that no page outlives its notebook; any warning, such as a broken link, is an error.
site: env  ## this project as pages, in site/html, from the committed notebooks; runs none
	@rm -rf site
	@$(IN_ENV) REPOSITORY="$(REPOSITORY)" COMMIT="$(COMMIT)" OMP_NUM_THREADS=1 \
		python -m sphinx -q -E -W --keep-going -d site/doctrees docs site/html
	@echo "open site/html/index.html"

publish: env  ## maintainers: refresh committed notebooks and artefacts from the last laptop run
	@$(IN_ENV) python -m drlcore publish

clean:  ## remove runs, and results of preset smoke or other parameters; committed ones stay
	rm -rf data/runs data/artefacts.staged data/results/smoke figures/smoke data/results/mine figures/mine .snakemake
