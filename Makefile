# `make demo` and `make test` need python3.11 (with venv) and make, and nothing else.
PYTHON ?= python3.11
BIN := .venv/bin
DEMO ?= demo

.PHONY: demo test check faults clean

demo: .venv/.made
	$(BIN)/cubestore demo $(DEMO)

test: check
	$(BIN)/pytest -n 2 --dist loadscope

check: .venv/.made
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

faults: .venv/.made
	$(BIN)/python -m tests.faults

clean:
	rm -rf .venv demo

.venv/.made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
