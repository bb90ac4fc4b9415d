# make demo         the main job in some seconds, without a cluster and without root
# make test         everything that is checked: style, types, architecture, tests
# make images       build every image (podman, or BUILD='docker build'), each with its SBOM in dist/
# make test-images  build them, run them in containers and test them; needs root, podman and runc
# make bench        measure it beside other inits; needs root, gcc, and from Debian the inits themselves (20 minutes)
# make lock         renew the versions that the images pin
# make format       rewrite the sources in the project's style

PYTHON ?= python3
BIN := .venv/bin
# Most tests wait for processes: two at a time keep a core busy. A file's tests stay together, in order.
PYTEST_ARGS ?= -n 2 --dist loadfile
IMAGES_ARGS ?= -n 2 --dist loadfile

.PHONY: demo test lint format clean images test-images bench lock

demo: .venv/.run
	@$(BIN)/python tests/demo/demo.py

test: lint
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-images: .venv/.dev
	$(BIN)/python -m pytest -m images $(IMAGES_ARGS)

bench: .venv/.dev
	$(BIN)/python -m tests.bench --write

images: .venv/.dev
	SBOM=$(BIN)/python images/build.sh

# Left out is what only kubernetes/aio needs, which the images do not have, and tzdata, which nothing here reads.
UNUSED := aiohappyeyeballs aiohttp aiohttp-retry aiosignal attrs frozenlist multidict propcache tzdata yarl
LOCK := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make lock'

lock: .venv/.dev
	$(LOCK) $(UNUSED:%=--no-emit-package %) --output-file images/locks/runtime.txt pyproject.toml
	$(LOCK) --output-file images/locks/build.txt images/locks/build.in

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --strict images/sbom.py images/bundle
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Debian's python3 cannot make a virtual environment with pip until python3-venv is there.
.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "this needs Python 3.11 or newer; name one: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || sh tests/demo/install-venv.sh
	@echo "making a virtual environment in .venv"
	@$(PYTHON) -m venv --clear .venv

# `compat`: an import hook would cost each start of the program 20 ms.
.venv/.run: .venv/bin/pip pyproject.toml
	@echo "installing the supervisor and its requirements there (once, half a minute)"
	@$(BIN)/pip install --quiet --config-settings editable_mode=compat --editable .
	@touch $@

.venv/.dev: .venv/.run
	$(BIN)/pip install --quiet --config-settings editable_mode=compat --editable '.[dev]'
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist
