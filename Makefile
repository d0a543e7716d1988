# Every command of the project. `make` prints them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Each process has its own engines and takes whole files, in the order of their names: the long ones come first.
SPREAD := -n 3 --dist loadfile --no-loadscope-reorder
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup run peers test sure bench pages fuzz chaos simulate doctor reset docs lock

help: ## print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything in it, the sendarix command included

$(STAMP): deploy/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Sendarix needs Python 3.11 or newer. Install one and run: make setup PYTHON=/path/to/python3.11"; exit 2; }
	@test -x $(BIN)/python || { echo "making $(VENV)"; $(PYTHON) -m venv $(VENV); }
	@echo "installing the locked dependencies"
	@$(BIN)/python -m pip install -q --require-hashes -r deploy/requirements.lock
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

run: setup ## start everything here; Ctrl-C stops it, the data stays
	@exec $(BIN)/python -m deploy.local

peers: ## fetch the npm clients that the tests compare with; without npm those tests are skipped
	@if command -v npm >/dev/null && [ ! tests/peers/node_modules/.package-lock.json -nt tests/peers/package-lock.json ]; then \
		(cd tests/peers && npm ci --no-audit --no-fund --silent --fetch-retries 1 --fetch-timeout 30000 \
			&& touch node_modules/.package-lock.json) || echo "without the packages of tests/peers"; fi

test: setup peers ## style, types, import contracts, then every test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest $(SPREAD)

sure: test ## what continuous integration runs

bench: setup ## measure throughput and latency; FULL=1 takes longer
	$(BIN)/python -m tests.bench $(if $(FULL),--full)

pages: setup ## time every page, list and search over a million messages; ROWS=n for fewer
	$(BIN)/python -m tests.bench.pages --rows $(or $(ROWS),1000000)

fuzz: setup ## 20,000 generated requests against the OpenAPI document; CASES=n for more
	SENDARIX_FUZZ_CASES=$(or $(CASES),20000) $(BIN)/python -m pytest tests/integration/test_conformance.py --timeout=7200

chaos: setup ## kill processes under load and count every message
	$(BIN)/python -m tests.chaos
	$(BIN)/python -m tests.chaos --webhooks --messages 5000 --kills 4 --guarantee at_least_once --drop 0 --drain 600 \
		--fault "kill:webhooks*20" --fault flushall

simulate: setup ## a million messages over twenty providers by a virtual clock; MESSAGES=n for fewer
	$(BIN)/python -m tests.simulation --messages $(or $(MESSAGES),1000000) $(if $(PICTURE),--picture $(PICTURE))

doctor: setup ## check versions, engines, ports, schema, invariants and lag
	@$(BIN)/python -m deploy.doctor

reset: setup ## delete all local data after a typed confirmation (FORCE=1 skips it)
	@$(BIN)/python -m deploy.reset $(if $(FORCE),--force)

docs: setup ## write the generated pages of docs/
	$(BIN)/python -m deploy.pages

lock: setup ## resolve deploy/requirements.lock again
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-emit-find-links --no-header --all-extras --group dev pyproject.toml -o deploy/requirements.lock
