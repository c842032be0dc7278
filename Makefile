# What to type: `make serve` runs a demo project, `make test` proves the server, `make check` looks over the source.
# Everything is installed into .venv, from the lock files, by uv (which is fetched with pip where it is missing).
# Certificates are those of the system, so that it works behind a company proxy.

PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
export UV_SYSTEM_CERTS ?= 1
BIN := .venv/bin
INSTALL = @"$$(command -v uv || echo $(BIN)/uv)" pip install --quiet --python $(BIN)/python --compile-bytecode
COMPILE = "$$(command -v uv || echo $(BIN)/uv)" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock"

.PHONY: serve test check bench format lock clean

serve: .venv/runtime ## A chat project on port 8055, kept in data/
	@$(BIN)/tidegate demo

test: .venv/dev ## The whole suite; says at the end which engines it covered
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

check: .venv/dev ## Format, lint, types, layers, documentation: seconds
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_layers.py tests/test_docs.py

bench: .venv/dev ## One server process on PostgreSQL against the bare ceiling: minutes
	$(BIN)/python -m benchmarks.run

format: .venv/dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: .venv/uv ## Newest versions that pyproject.toml allows, with their hashes
	$(COMPILE) --upgrade --group build pyproject.toml -o requirements.lock
	$(COMPILE) --upgrade --group build --group dev -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:
	rm -rf .venv

.venv/uv:
	@test -n "$(PYTHON)" || { echo "Tidegate needs Python 3.11 or newer, and none was found." >&2; exit 1; }
	@echo "Installing into .venv"
	@$(PYTHON) -m venv .venv
	@command -v uv >/dev/null || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@touch $@

.venv/runtime: .venv/uv requirements.lock pyproject.toml
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@

.venv/dev: .venv/uv requirements-dev.lock pyproject.toml
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --no-build-isolation --no-deps -e .
	@touch $@ .venv/runtime
