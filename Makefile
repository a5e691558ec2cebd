# make run    starts the engine on paper against the local MEXC venue
# make test   lint, types, all tests, against the installed package, and the kernels' instruction counts
# make setup  both call it first; it does nothing when nothing changed
# make counts the kernels' instructions, counted by valgrind, held to benchmarks/instructions.json
# make docs   the pages that are generated
# make peers  environments of their own for the engines that the benchmarks stand beside
# make contracts-setup  what the contracts and the local chain need from npm; make test calls it
# make contracts-test  forge build, all contract tests, the gas snapshots, and whether what is deployed is up to date
# make contracts-coverage, contracts-mutate  how far to trust those tests (docs/contracts.md)
# make fuzz   the parsers of outside bytes under libFuzzer and sanitizers: FUZZ_RUNS, FUZZ_SECONDS, FUZZ_TARGETS, FUZZ_FILES (docs/fuzzing.md)
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || echo python3)
VENV   := .venv
BIN    := $(CURDIR)/$(VENV)/bin
PENSTOCK_DATA ?= $(abspath $(CURDIR)/../shared/data)
export PENSTOCK_DATA

CODE    := engine native strategies adapters backtest
SOURCES := pyproject.toml setup.py $(shell find $(CODE) -name '*.py' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' -o -name '*.h' \
             -o -name '*.json' -o -name '*.sol' -o -name '*.hex')

.PHONY: run test setup lint types counts docs bench peers fuzz clean contracts-setup contracts-test contracts-coverage contracts-mutate

run: setup
	@$(BIN)/penstock run --config configs/demo.toml

setup: $(VENV)/installed

$(VENV)/python: pyproject.toml setup.py
	@command -v cc >/dev/null || command -v gcc >/dev/null || { \
	  echo "penstock: no C compiler found. Install one and run make again: apt-get install gcc libc6-dev"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	  echo "penstock: $(PYTHON) is not Python 3.11 to 3.13. Name another: make PYTHON=python3.12 setup"; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; \
	  sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || { \
	  echo "penstock: Python's headers are missing. Install them: apt-get install python3-dev"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { \
	  echo "penstock: no virtual environment can be made. Install what is missing: apt-get install python3-venv"; exit 1; }
	@rm -rf build/lib* build/temp*
	@echo "penstock: installing dependencies"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip 'setuptools>=77' 'cython==3.3.*'
	@$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
	  print(*p["dependencies"], *p["optional-dependencies"]["test"], sep="\n")' > $(VENV)/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
	@touch $@

# What is built in build/lib* is built again only where its sources changed; what has no source any more goes.
$(VENV)/installed: $(VENV)/python $(SOURCES)
	@echo "penstock: building the native code"
	@rm -rf build/bdist*
	@find build -path 'build/lib*' -type f ! -name '*.so' -delete 2>/dev/null || true
	@for so in $$(find build -path 'build/lib*' -name '*.so' ! -name '_cyutility*' 2>/dev/null); do \
	  name=$${so#build/lib*/}; test -f "$${name%%.*}.pyx" || rm -f "$$so"; done
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --force-reinstall .
	@touch $@

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

# The tests run from another folder, so that they see the installed package and never the source tree. The link lets
# the processes that tests start find the tests' own modules there.
test: lint types contracts-setup
	@mkdir -p build/tests
	@ln -sfn $(CURDIR)/tests build/tests/tests
	@cd build/tests && $(BIN)/python -m pytest -c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) $(CURDIR)/tests \
	  -n 2 --dist loadgroup --cov --cov-config $(CURDIR)/pyproject.toml --cov-fail-under 85 -q
	@$(MAKE) --no-print-directory counts
	@$(MAKE) --no-print-directory contracts-test

# Half a minute. A change that makes a kernel cheaper or dearer accepts it: benchmarks/callgrind.py --accept.
counts: setup
	@if command -v valgrind >/dev/null; then mkdir -p build/tests && cd build/tests && \
	  $(BIN)/python $(CURDIR)/benchmarks/callgrind.py --check; \
	else echo "penstock: NOT CHECKED: the kernels' instruction counts, for want of valgrind (apt-get install valgrind)"; fi

# The generated pages. From another folder, as the tests: the installed package writes them.
docs: setup
	@mkdir -p build/tests
	@cd build/tests && $(BIN)/python -m engine.core.risk.reasons > page && mv page $(CURDIR)/docs/risk-checks.md
	@cd build/tests && $(BIN)/python -m engine.config_reference > page && mv page $(CURDIR)/docs/configuration.md
	@cd build/tests && $(BIN)/python -m adapters.mexc.error_codes > page && mv page $(CURDIR)/docs/mexc-errors.md

bench: setup
	@$(BIN)/penstock bench

# Each peer has an environment of its own, and versions as they were measured; `penstock bench peers` runs them.
# NautilusTrader needs Python 3.12; on an older one pip would take a release of long ago.
PEERS := benchmarks/peers
PEER_PYTHON ?= $(shell for each in python3.13 python3.12 $$HOME/.pyenv/versions/3.13*/bin/python \
  $$HOME/.pyenv/versions/3.12*/bin/python; do \
  $$each -c pass 2>/dev/null && command -v $$each && break; done)
PEER_PIP := -m pip install --quiet --disable-pip-version-check

peers:
	@$(PYTHON) -m venv $(PEERS)/.venv-websockets
	@$(PEERS)/.venv-websockets/bin/python $(PEER_PIP) websockets uvloop protobuf
	@$(PYTHON) -m venv $(PEERS)/.venv-hftbacktest
	@$(PEERS)/.venv-hftbacktest/bin/python $(PEER_PIP) 'hftbacktest>=2.4.4,<3'
	@test -n "$(PEER_PYTHON)" || { echo "penstock: no Python 3.12 or later for NautilusTrader. Name one: make PEER_PYTHON=... peers"; exit 1; }
	@$(PEER_PYTHON) -m venv $(PEERS)/.venv-nautilus
	@$(PEERS)/.venv-nautilus/bin/python $(PEER_PIP) 'nautilus_trader>=1.231,<2' protobuf
	@$(PEER_PYTHON) -m venv $(PEERS)/.venv-nautilus2
	@$(PEERS)/.venv-nautilus2/bin/python $(PEER_PIP) 'nautilus_trader==2.0.0rc7'

fuzz: setup
	@$(BIN)/python -m tests.fuzz.run $(FUZZ_FILES)

# The contracts. Everything comes from npm once (tools, compiler, the protocols' bytecode); after that no network is used.
FORGE := node_modules/@foundry-rs/forge-linux-$(if $(filter aarch64 arm64,$(shell uname -m)),arm64,amd64)/bin/forge
export FOUNDRY_SOLC := $(CURDIR)/contracts/bin/solc

contracts-setup: contracts/node_modules/installed

contracts/node_modules/installed: contracts/package-lock.json
	@command -v node >/dev/null && command -v npm >/dev/null || { \
	  echo "penstock: the contracts need Node.js 18 or later and npm. Install them: apt-get install nodejs npm"; exit 1; }
	@test -x contracts/$(FORGE) && cmp -s $< contracts/node_modules/.installed-lock || { \
	  echo "penstock: installing the contracts' tools"; cd contracts && npm ci --silent --no-progress; }
	@cp $< contracts/node_modules/.installed-lock
	@touch $@

contracts-test: contracts/node_modules/installed
	@cd contracts && $(FORGE) build --quiet
	@$(PYTHON) contracts/script/export.py --check
	@cd contracts && $(FORGE) test --threads 1 --gas-snapshot-check true

contracts-coverage: contracts/node_modules/installed
	@cd contracts && $(PYTHON) script/coverage.py

contracts-mutate: contracts/node_modules/installed
	@cd contracts && $(PYTHON) script/mutate.py $(MUTATE)

clean:
	rm -rf contracts/out contracts/cache build $(VENV) $(PEERS)/.venv-* *.egg-info
