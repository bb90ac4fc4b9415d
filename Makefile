# The targets: make help

PYTHON ?= python3
BIN := .venv/bin
# Most tests wait: four at a time keep two cores half busy. A file's tests stay together,
# and the order of folders leaves the many short files of tests/unit for the end, when workers run dry.
PYTEST_ARGS ?= -n 4 --dist loadfile --no-loadscope-reorder
SLOW_ARGS ?= -n 3 --dist load
IMAGES_ARGS ?= -n 2 --dist loadfile
COVERAGE_ARGS ?= -q -n 2 --dist loadfile \
	$(addprefix --ignore=tests/,unit/test_house.py unit/test_signal_disposition.py process/test_footprint.py docs)

# Byte code of tests, which pytest rewrites, is half of their collection in each worker.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test test-slow test-endurance check lint format coverage clean images test-images bench lock

help:            ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
		printf 'make %-15s %s\n' "$$name" "$$text"; done

demo: .venv/.run  ## the main job in some seconds, without a cluster and without root
	@$(BIN)/python tests/demo/demo.py

test: lint         ## all checks and tests: style, types, architecture, behaviour
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: .venv/.dev  ## the tests with many processes, or of a minute: ten minutes at most
	$(BIN)/python -m pytest -m slow $(SLOW_ARGS)

test-endurance: .venv/.dev  ## ten thousand reloads and restarts without growth, before a release
	$(BIN)/python -m pytest -m endurance $(SLOW_ARGS)

test-images: .venv/.dev  ## build the images, run them in containers; needs root, podman and runc
	$(BIN)/python -m pytest -m images $(IMAGES_ARGS)

bench: .venv/.dev  ## measure beside other inits; needs root, gcc, and from Debian the inits themselves (20 minutes)
	$(BIN)/python -m tests.bench --write

images: .venv/.dev  ## build every image (podman, or BUILD='docker build'), each with its bill of materials in dist/
	SBOM=$(BIN)/python images/build.sh

# Left out is what only kubernetes/aio needs, which the images do not have, and tzdata, which nothing here reads.
UNUSED := aiohappyeyeballs aiohttp aiohttp-retry aiosignal attrs frozenlist multidict propcache tzdata yarl
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make lock'

lock: .venv/.dev  ## renew the versions that the images pin
	$(LOCK) $(UNUSED:%=--no-emit-package %) --output-file images/locks/runtime.txt pyproject.toml
	$(LOCK) --output-file images/locks/build.txt images/locks/build.in

check: lint        ## style, types, spelling, import contracts

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict images/sbom.py images/bundle
	$(BIN)/lint-imports
	$(BIN)/codespell

# Each supervisor that a test starts counts too. Left out: the cost and the imports of a start, and signals that a tracer holds up.
coverage: .venv/.dev  ## all tests but those of images, with coverage of each process: the figure, and htmlcov/
	$(BIN)/coverage erase
	-$(BIN)/coverage run -m pytest $(COVERAGE_ARGS)
	-$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report --skip-covered --sort=cover

format: .venv/.dev  ## rewrite the sources in the style of the project
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Debian's python3 cannot make a virtual environment with pip until python3-venv is there.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "this needs Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; exit 1; }
	@echo "preparing .venv with the supervisor and its requirements: once, half a minute"
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/demo/install-venv.sh
	@$(PYTHON) -m venv --clear .venv

# `compat`: an import hook would cost each start of the program 20 ms.
.venv/.run: .venv/bin/pip pyproject.toml
	@$(BIN)/pip install --quiet --config-settings editable_mode=compat --editable .
	@touch $@

.venv/.dev: .venv/.run
	$(BIN)/pip install --quiet --config-settings editable_mode=compat --editable '.[dev]'
	@touch $@

clean:           ## remove .venv and everything built
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache htmlcov .coverage*
