# Every target makes what it needs: .venv first, from pinned and hashed requirements.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
PROTOS := $(shell find protos -name '*.proto' | sort)
# A core is idle while a test waits for a disk or a peer: one worker more than there are cores.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help demo up test check prove mutate bench protos image clean

help:  ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 20

demo: .venv/run  ## the whole story in the terminal, under a minute
	@$(BIN)/python -m gateway.demo

up: .venv/dev  ## a development gateway that keeps running
	@$(BIN)/scoregate up

test: .venv/dev  ## every test; starts whatever servers it needs
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not alone"
	@$(BIN)/python -m pytest -m alone

check: .venv/dev  ## the one gate: lint, types, contracts, stubs, migrations
	@tools/check

prove: .venv/dev  ## the laws at full size, beside arms that must fail; ONLY=name for one
	@$(BIN)/python -m tests.prove $(if $(ONLY),--only $(ONLY))

mutate: .venv/dev  ## how much of a wrong program the tests notice; ONLY=name for one group, AGAIN=1 for what was missed
	@$(BIN)/python -m tests.mutate $(if $(ONLY),--only $(ONLY)) $(if $(AGAIN),--again)

bench: .venv/dev  ## what a score costs, beside an empty echo and a usual service; ONLY=name, AGAINST=commit
	@$(BIN)/python -m tests.bench $(if $(ONLY),--only $(ONLY)) $(if $(AGAINST),--against $(AGAINST))

protos: .venv/dev  ## write the stubs again from protos/
	@tools/stubs scoregate

image: .venv/dev  ## replace the contract's image; only at a release
	@$(BIN)/buf build -o protos/contract.binpb --exclude-source-info

clean:  ## remove what was built; .scoregate is kept
	@rm -rf .venv build dist

# What breaks off a first installation takes .venv along: half of one would only mislead the next make.
.venv/run: requirements/run.txt pyproject.toml
	@set -e; if ! $(PIP) --version >/dev/null 2>&1; then \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	    { echo '$(PYTHON) is not Python 3.11 or newer. Name one that is: make PYTHON=python3.11' >&2; exit 1; }; \
	  $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	    { echo '$(PYTHON) lacks venv or pip. Install them (Debian: python3-venv), or name another PYTHON=…' >&2; exit 1; }; \
	  trap 'rm -rf .venv' EXIT; $(PYTHON) -m venv --clear .venv; \
	fi; \
	echo "installing requirements/run.txt …"; \
	$(PIP) install --require-hashes -r requirements/run.txt; \
	$(PIP) install --no-deps --no-build-isolation -e .; \
	touch $@; trap - EXIT

.venv/dev: requirements/dev.txt .venv/run
	@echo "installing requirements/dev.txt …"
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@
