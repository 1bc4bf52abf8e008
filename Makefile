# demo, test, test-oldest, calibration, mutants, lint, bench, docs, reference: each works from a fresh clone.
VENV := .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
RUST_SOURCES := $(shell find crates -name '*.rs' -o -name Cargo.toml) Cargo.toml Cargo.lock

.PHONY: demo test test-oldest calibration mutants lint format bench docs reference clean

$(PY):
	python3 -m venv $(VENV)

$(STAMP): $(PY) pyproject.toml $(RUST_SOURCES)
	$(PY) -m pip install --quiet --upgrade pip "maturin>=1.7,<2"
	$(PY) -m pip install --quiet --editable ".[test,lint]"
	touch $(STAMP)

demo: $(STAMP)
	$(VENV)/bin/mixwell demo

test: $(STAMP)
	cargo test --release --workspace
	$(PY) -m pytest

# The same tests with the oldest versions that pyproject.toml declares, in an environment of their own.
OLDEST := .venv-oldest
test-oldest:
	python3 -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip "uv>=0.5" "maturin>=1.7,<2"
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --requirements pyproject.toml --extra test
	$(OLDEST)/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(OLDEST)/bin/python -m pytest

# Simulation studies: coverage of intervals, size of tests, power against closed forms. Ten minutes.
calibration: $(STAMP)
	$(PY) -m pytest -m slow

# Breaks the product one line at a time (tests/mutants/breakages.toml) and reports what no test notices. An hour.
mutants: $(STAMP)
	$(PY) tests/mutants/run.py

lint: $(STAMP)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets -- -D warnings

format: $(STAMP)
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	cargo fmt --all

bench: $(STAMP)
	$(PY) -m pip install --quiet --editable ".[bench]"
	$(PY) -m benchmarks

# Runs the code of the pages, then refuses broken links. Pages whose output has changed: docs/run.py --update
docs: $(STAMP)
	$(PY) -m pip install --quiet --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet

reference:
	cd tests/reference/scripts && for s in 0[0-8]*.R 1*.R 09_checksums.R; do Rscript $$s || exit 1; done

clean:
	rm -rf $(VENV) $(OLDEST) target
