# `make demo` and `make test` need python3.11 (with venv) and make, and nothing else.
PYTHON ?= python3.11
BIN := .venv/bin
DEMO ?= demo

.PHONY: demo test check page faults contestants clean

demo: .venv/.made
	$(BIN)/cubestore demo $(DEMO)

# Three processes on two cores, for they wait a part of the time; in the order of the folders, which
# does not leave the longest modules for the end.
test: check
	$(BIN)/pytest -n 3 --dist loadscope --no-loadscope-reorder

check: .venv/.made
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The built page is committed; only who changes its source needs node.
page:
	cd catalog/cubestore_catalog/site/source && npm ci --no-audit --no-fund && npm run check && npm run build

faults: .venv/.made
	$(BIN)/python -m tests.faults

# What the benchmark of batches is run beside, and needs a torchvision that matches its torch.
contestants:
	$(PYTHON) -m venv .contestants
	.contestants/bin/python -m pip install --quiet litdata==0.2.76 psutil torchgeo==0.8.1

clean:
	rm -rf .venv .contestants demo

.venv/.made: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
