# make demo    refine GFlash showers into Geant4 ones on the embedded sample; results in runs/demo
# make test    the test-suite
# make docs    the site of the documentation, in site/
# make commands    run every command of the documentation on tiny inputs
# All make .venv first, and install the package there when pyproject.toml is newer than the last installation.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# The workers of the tests share the cores: more threads than one each would wait for each other.
ONE_THREAD := NPROC=1 OMP_NUM_THREADS=1

.PHONY: demo docs commands test lint types bench notebooks clean

demo: $(VENV)/.core
	$(BIN)/hepjax demo --out runs/demo

test: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses auto --dist loadfile

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

commands: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python tests/scripts/run_documentation.py

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/basedpyright

bench: $(VENV)/.bench
	$(BIN)/python experiments/benchmarks/bridge_training.py
	$(BIN)/python experiments/benchmarks/flows.py
	$(BIN)/python experiments/benchmarks/omnifold.py
	$(BIN)/python experiments/benchmarks/calochallenge.py
	$(BIN)/python experiments/benchmarks/continuous_flow.py
	$(BIN)/python experiments/benchmarks/export.py
	$(BIN)/python experiments/benchmarks/scaling.py
	$(BIN)/python experiments/benchmarks/streaming.py
	$(BIN)/python experiments/benchmarks/startup.py
	$(BIN)/python experiments/benchmarks/floor.py

notebooks: $(VENV)/.dev
	$(ONE_THREAD) $(BIN)/python -m pytest --numprocesses auto --nbmake --nbmake-timeout=1200 notebooks

clean:
	rm -rf $(VENV) dist site .pytest_cache .ruff_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

# An extra of pyproject.toml on top of the core.
$(VENV)/.%: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[$*]'
	@touch $@
