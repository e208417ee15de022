# What a person types. Needs Python 3.11 or newer with pip and venv, and make; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
INTEROP := tests/interop/.venv
CAPTURES := tests/interop/.captures
CAPTURES_AS_SDIST := apmodel,django-activitypub-toolkit,muck-out
CODE := activitypub node web migrations tests benchmarks

.PHONY: help setup interop run test test-interop test-long check lock bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

setup: $(READY)  ## make .venv from the locked requirements

$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed; name it: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(READY)

interop: $(INTEROP)/.ready $(CAPTURES)/.ready  ## install other people's servers, and documents they sent (locked; Python and npm packages)

$(INTEROP)/.ready: tests/interop/requirements.txt tests/interop/fedify/package-lock.json
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/python -m pip install --quiet --require-hashes -r tests/interop/requirements.txt
	cd tests/interop/fedify && PATH="$(CURDIR)/$(INTEROP)/bin:$$PATH" npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# Only downloaded and unpacked. Of an sdist pip reads the metadata with the build backend in that .venv, which is locked.
$(CAPTURES)/.ready: tests/interop/captures.txt $(INTEROP)/.ready
	rm -rf $(CAPTURES)
	$(INTEROP)/bin/python -m pip download --quiet --no-deps --no-build-isolation --require-hashes --only-binary :all: \
		--no-binary $(CAPTURES_AS_SDIST) --dest $(CAPTURES) --requirement tests/interop/captures.txt
	for one in $(CAPTURES)/*.tar.gz; do tar -xzf "$$one" -C $(CAPTURES); done
	for one in $(CAPTURES)/*.whl; do $(INTEROP)/bin/python -m zipfile -e "$$one" $(CAPTURES); done
	rm $(CAPTURES)/*.tar.gz $(CAPTURES)/*.whl
	@touch $@

run: $(READY)  ## start the demo company: three departments on this machine
	@$(BIN)/corridor demo $(ARGS)

test: $(READY)  ## all tests this machine can run; says what it skipped
	$(BIN)/python -m pytest -m "not long and not interop" $(ARGS)

test-interop: $(READY)  ## conversations with other people's servers (after `make interop`)
	$(BIN)/python -m pytest -m interop $(ARGS)

test-long: $(READY)  ## long tests: fuzzing, soaks, big companies
	-$(BIN)/python -m pip install --quiet --require-hashes -r tests/fuzz/requirements.txt
	$(BIN)/python -m pytest -m long $(ARGS)

check: $(READY)  ## the gate: format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lock: $(READY)  ## resolve the requirements anew, with hashes
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links pyproject.toml --output-file requirements/run.txt
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links --extra dev pyproject.toml --output-file requirements/dev.txt
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --universal --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links tests/interop/requirements.in --output-file tests/interop/requirements.txt
	$(BIN)/uv pip compile --quiet --upgrade --generate-hashes --no-deps --python-version 3.11 --no-header \
		--no-emit-index-url --no-emit-find-links tests/interop/captures.in --output-file tests/interop/captures.txt

bench: $(READY)  ## measure, with floors in the same run (see benchmarks/README.md)
	$(BIN)/python -m benchmarks $(ARGS)

clean:  ## remove .venv and caches
	rm -rf .venv $(INTEROP) $(CAPTURES) tests/interop/fedify/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
