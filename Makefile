# Everything a developer needs in one word each. PYTHON chooses the interpreter, VENV the environment.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
PALSY = $(BIN)/palsy
PYTEST_ARGS ?=

.PHONY: setup demo test lint format docs bench models clean

setup: $(PALSY)

# Installed anew only when the dependencies may have changed.
$(PALSY): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -e '.[dev]'
	@touch $(PALSY)

# A made-up patient of known truth, assessed.
demo: $(PALSY)
	@video=$$($(PALSY) simulate --out demo/patient --side left --grade 4 --seed 7) && \
	report=$$($(PALSY) assess "$$video" --out demo/report) && \
	echo "The patient: $$video" && \
	echo "The truth:   demo/patient/truth.json" && \
	echo "The report:  $$report"

# One process per core, each with one thread, slow files first; PYTEST_ARGS="-n 0" for a debugger.
test: $(PALSY)
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadscope --no-loadscope-reorder $(PYTEST_ARGS)

lint: $(PALSY)
	$(BIN)/python -m ruff check .
	$(BIN)/python -m mypy

format: $(PALSY)
	$(BIN)/python -m ruff check --fix .
	$(BIN)/python -m ruff format .

# The reference pages are made from the code; a test fails when they are out of date.
docs: $(PALSY)
	$(BIN)/python docs/make_reference.py

# Seconds per stage on the demo patient.
bench: $(PALSY)
	@video=$$($(PALSY) simulate --out demo/patient --side left --grade 4 --seed 7) && \
	$(PALSY) assess "$$video" --out demo/report > /dev/null && \
	$(BIN)/python -c "import json; print(json.dumps(json.load(open('demo/report/assessment.json'))['run'], indent=2))"

models: $(PALSY)
	$(PALSY) models verify

clean:
	rm -rf demo build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +
