# One target for each thing to do. Every target makes the virtual environment that it needs.
#   make check     judge the memory store and a real Redis
#   make test      run the tests;   make test PYTEST_ARGS='-k states -x'
#   make lowest    judge with the lowest versions of what pyproject.toml depends on
#   make patients  judge backends with many defects, by the seed;   make patients PATIENTS=40
#   make benchmark compare the speed of our stores with others;   make benchmark BENCHMARK_ARGS='--rounds 100'
#   make docs      make the documentation site in site/, and check its links;   make serve-docs   read it in a browser
#   make pictures  draw docs/architecture.md again, after a change of an import or a state machine
#   make all       everything that CI runs, and the whole self-test

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
# processes: half of the time of the tests is spent in waits
PYTEST_JOBS ?= 4
BENCHMARK_ARGS ?=
PATIENTS ?= 12

BIN := $(abspath $(VENV))/bin
LOWEST := $(abspath $(VENV))-lowest
NODE_DRIVER := drivers/node
export PATH := $(BIN):$(PATH)
# the tests start hundreds of processes: each of them would compile all modules again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: all venv node lint types test check lowest selftest patients benchmark pictures docs serve-docs clean

all: lint types docs selftest check lowest test

venv: $(VENV)/.made-for-resultspec

$(VENV)/.made-for-resultspec: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is not Python 3.11 or newer; name one that is: make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make virtual environments; on Debian, as root: apt-get install $(notdir $(PYTHON))-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[all]' --group dev
	touch $@

# the environment carries a Node of its own, so a machine without one can run the driver too
node: $(NODE_DRIVER)/node_modules/.package-lock.json

$(NODE_DRIVER)/node_modules/.package-lock.json: $(NODE_DRIVER)/package-lock.json | venv
	cd $(NODE_DRIVER) && npm ci --no-audit --no-fund --loglevel=error
	touch $@

lint: venv
	ruff check .
	python -m resultspec.lint

types: venv
	mypy

test: venv node
	python -m pytest --numprocesses $(PYTEST_JOBS) --dist worksteal $(PYTEST_ARGS)

check: venv
	resultspec check memory://
	resultspec check redis

# Wheels only, since a bare machine has no compiler. Examples are few: an old version that does not do lacks a name.
# SQLite is left out, which waits for the disk: PostgreSQL shows the same SQLAlchemy, and psycopg.
lowest: venv
	$(PYTHON) -m venv --clear $(LOWEST)
	python .ci/lowest.py redis sql servers >$(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(LOWEST)/bin/python -m pip install --quiet --only-binary :all: --constraint $(LOWEST)/constraints.txt \
	  --editable '.[redis,sql,servers]'
	$(LOWEST)/bin/resultspec check memory:// --examples 5
	$(LOWEST)/bin/resultspec check redis --examples 5
	$(LOWEST)/bin/resultspec check postgresql --class core --class waiting --class sql-wire --examples 5

selftest: venv
	resultspec selftest

patients: venv
	resultspec selftest --combined $(PATIENTS)

benchmark: venv
	python -m benchmarks $(BENCHMARK_ARGS)

$(VENV)/.made-for-docs: pyproject.toml | venv
	$(BIN)/python -m pip install --quiet --group docs
	touch $@

docs/node_modules/.package-lock.json: docs/package-lock.json | venv
	cd docs && npm ci --no-audit --no-fund --loglevel=error
	touch $@

# The theme prints an announcement of its own into every build, which would hide warnings.
docs: $(VENV)/.made-for-docs docs/node_modules/.package-lock.json
	python -m docs.generate build/docs
	cp docs/node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js build/docs/assets/
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
	python -m docs.check_links site

# the pictures of docs/architecture.md, made from the imports and the tables
pictures: venv
	python -m docs.generate.architecture.page

serve-docs: docs
	python -m http.server --directory site --bind 127.0.0.1 8000

clean:
	rm -rf $(VENV) $(LOWEST) $(NODE_DRIVER)/node_modules docs/node_modules build site dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
