# `make` prints what there is. Every target sets up .venv from requirements.txt by itself.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready
RUN := PATH="$(CURDIR)/$(BIN):$$PATH"
COLAB := .venv-colab
COLAB_PYTHON ?= python3.12
NOTEBOOKS := $(filter-out notebooks/out.ipynb,$(wildcard notebooks/*.ipynb))
PARAMETERISED := $(addprefix notebooks/,train.ipynb table1.ipynb table2.ipynb when_it_helps.ipynb)
CHAPTERS := $(filter-out $(PARAMETERISED),$(NOTEBOOKS))

# Threads that wait asleep: on a machine that does other work too, spinning ones made a training step 6 times as long.
export OMP_WAIT_POLICY ?= PASSIVE

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test lint unit nbval notebooks address book landing check-book live print bench gpu colab clean

help: ## print this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(READY) ## set up .venv from requirements.txt

$(LOCKED): requirements.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(not (3, 11) <= v < (3, 14) and "Python %d.%d found, expected 3.11, 3.12 or 3.13: make PYTHON=python3.12 ..." % v[:2])'
	@echo "Setting up $(VENV) from requirements.txt: about 170 packages, 2 GB with the CPU build of PyTorch (5 GB with its CUDA"
	@echo "libraries, which PyPI's Linux wheel brings; requirements.txt says how to do without). This takes a few minutes."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --progress-bar on -r requirements.txt
	@touch $@

$(READY): $(LOCKED) pyproject.toml # the package itself: seconds
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

reproduce: $(READY) ## train CM-PIE, 40 epochs, on the embedded data (or on LLP where data/llp is packed)
	cd notebooks && PATH="$(CURDIR)/$(BIN):$$PATH" papermill train.ipynb out.ipynb -p epochs 40

test: $(READY) ## all checks, two at a time: style, types, floors, tests, every notebook's outputs
	@$(MAKE) --no-print-directory -j2 lint nbval unit

lint: $(READY) ## style, types, floors
	$(RUN) ruff check .
	$(RUN) ruff format --check .
	$(RUN) mypy
	$(RUN) lint-imports

unit: $(READY) ## the tests
	$(RUN) OMP_NUM_THREADS=1 python -m pytest -n 2 --dist worksteal

nbval: $(READY) ## run every chapter and compare its outputs with the committed ones
	$(RUN) OMP_NUM_THREADS=1 python -m pytest -n 2 --dist loadfile -p no:cacheprovider -o addopts="" -o filterwarnings=default \
		--nbval --nbval-sanitize-with tests/notebooks/sanitize.cfg $(CHAPTERS)

notebooks: $(READY) ## run every chapter again in place (a second run changes nothing)
	$(RUN) python -m book.tools.execute $(CHAPTERS)

address: $(READY) ## URL=https://github.com/OWNER/NAME: set the book's public address everywhere (URL= takes it away)
	$(RUN) python -m book.tools.address "$(URL)" $(if $(SITE),--site "$(SITE)")

book: $(READY) ## build the site into _build/html; warnings are errors
	$(RUN) jupyter-book build . -W -n --keep-going

landing: $(READY) ## draw and play the first page's clip again into book/_static/landing
	$(RUN) OMP_NUM_THREADS=1 python -m book.tools.make_landing

check-book: book ## open every page in headless Chromium and complain (needs Chromium, and npm for axe-core)
	$(RUN) python -m book.tools.check_site _build/html

live: $(READY) ## train the small CM-PIE of the page that runs it, and hold page and package together
	$(RUN) python -m book.tools.make_live
	$(RUN) python -m book.tools.check_live

print: $(READY) ## one PDF of the whole book, answers unfolded, into out/book.pdf; `make book` then offers it (needs Chromium)
	$(RUN) python -m book.tools.print

bench: $(READY) ## the benchmarks: ratios measured in one run
	$(RUN) python -m tests.benchmarks.bench_metrics
	$(RUN) python -m tests.benchmarks.bench_train
	$(RUN) python -m tests.benchmarks.bench_store --small

gpu: $(READY) ## everything that waits for a GPU, in the order of its worth: make gpu OUT=folder MINUTES=9
	$(RUN) python -m tests.benchmarks.gpu_run --out "$(or $(OUT),out/gpu_reports)" --minutes $(or $(MINUTES),9)

$(COLAB)/.ready:
	@echo "Setting up $(COLAB), about 2 GB: what Colab has that the notebooks use, with $(COLAB_PYTHON). This takes a few minutes."
	@$(COLAB_PYTHON) -m venv $(COLAB)
	@$(COLAB)/bin/python -m pip install --quiet $$(grep '^torch==' requirements.txt) numpy pandas matplotlib seaborn tqdm ipywidgets==7.7.1 ipykernel papermill \
		'dask[distributed]' cryptography
	@$(COLAB)/bin/python -m pip download --quiet --dest $(COLAB)/wheels jaxtyping safetensors av setuptools
	@touch $@

colab: $(READY) $(COLAB)/.ready ## run every notebook as on Colab: alone in an empty folder, installed by its first cell
	$(RUN) python -m tests.notebooks.colab --python $(COLAB)/bin/python --wheels $(COLAB)/wheels

clean: ## remove what the other targets made, .venv too
	rm -rf $(VENV) $(COLAB) _build out notebooks/out.ipynb .pytest_cache .mypy_cache .ruff_cache .hypothesis
