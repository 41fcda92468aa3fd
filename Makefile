# labelhedge: `make demo` and `make test` need nothing but Python 3.11 or newer, and set up .venv themselves.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test lint clean
.DEFAULT_GOAL := demo

demo: $(READY)  ## train seven methods on the embedded corpus and draw runs/demo/report.html
	$(BIN)/labelhedge demo

test: $(READY)  ## all tests, in parallel; one thread each, as two pools on the same cores hinder each other
	@scripts/test-packages.sh
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto -q

lint: $(READY)  ## style, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --verbose

clean:  ## remove what the other targets made; runs/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "labelhedge needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[frozen,ray,datasets,review,verify,dev]'
	@touch $@
