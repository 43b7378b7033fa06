# make demo   run a small network client on every installed concurrency model
# make test   check style and types, run all tests, and try what would be distributed
# make docs   build the documentation into docs/_build/html
# make bench  measure everything beside kazoo's handlers, on a machine that does nothing else
#
# Each makes a virtual environment and installs into it what it needs. Another interpreter:
# make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin

PLUGINS := $(sort $(wildcard plugins/*))
PROJECTS := pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
EDITABLE := $(PLUGINS:%=-e ./%)
INSTALL := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The models that the tests against a real ZooKeeper run on.
MODELS := threading gevent eventlet asyncio

BENCH_RESULTS := tests/benchmarks/results

# pytest in a process that a model has patched before anything else.
PATCHED_BY_gevent := $(BIN)/python -m gevent.monkey --module pytest
PATCHED_BY_eventlet := $(BIN)/python plugins/handler-core-eventlet/tests/patched_pytest.py

# pytest in a greenlet of a loop, add the loop's name.
IN_LOOP := $(BIN)/python plugins/handler-core-asyncio/tests/in_loop.py

.PHONY: demo test lint tests test-suite test-dist docs bench bench-docs zookeeper clean

demo: $(VENV)/.demo
	$(BIN)/handler-core demo

test: lint tests test-suite test-dist

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Each model and each patching in a process of its own: they do not live in one together.
tests: $(VENV)/.dev zookeeper
	$(BIN)/pytest tests --ignore tests/zookeeper \
		--ignore tests/conformance --ignore tests/distributions
	set -e; for plugin in $(PLUGINS); do $(BIN)/pytest $$plugin/tests; done
	set -e; for model in $(filter-out threading,$(MODELS)); do \
		HANDLER_CORE_TEST_HANDLER=$$model $(BIN)/pytest tests/test_connection.py; done
	set -e; for model in $(MODELS); do \
		HANDLER_CORE_TEST_HANDLER=$$model $(BIN)/pytest tests/zookeeper; done
	HANDLER_CORE_TEST_HANDLER=gevent $(PATCHED_BY_gevent) tests/zookeeper
	HANDLER_CORE_TEST_HANDLER=threading $(PATCHED_BY_gevent) tests/zookeeper
	HANDLER_CORE_TEST_HANDLER=eventlet $(PATCHED_BY_eventlet) tests/zookeeper
	set -e; for loop in asyncio uvloop; do \
		HANDLER_CORE_TEST_HANDLER=asyncio $(IN_LOOP) $$loop -m pytest tests/zookeeper; done

# The conformance suite on handlers that are broken.
test-suite: $(VENV)/.dev
	$(BIN)/pytest tests/conformance

# All distributions, built and installed into empty environments.
test-dist: $(VENV)/.dev
	$(BIN)/pytest tests/distributions

docs: $(VENV)/.dev
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

# Ends with an error if something is outside its bound.
bench: $(VENV)/.bench zookeeper
	PYTHONPATH=tests $(BIN)/python -m benchmarks --results $(BENCH_RESULTS)

# Put what was measured last into the documentation.
bench-docs:
	cp $(BENCH_RESULTS)/benchmarks.md $(BENCH_RESULTS)/benchmarks.svg docs/explanation/

zookeeper:
	@tools/install-zookeeper

clean:
	rm -rf .venv* docs/_build $(BENCH_RESULTS) dist build .mypy_cache .ruff_cache .pytest_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(INSTALL) --upgrade pip

$(VENV)/.demo: $(PROJECTS) | $(BIN)/python
	$(INSTALL) -e '.[cli]' $(EDITABLE)
	@touch $@

$(VENV)/.bench: $(PROJECTS) | $(BIN)/python
	$(INSTALL) -e '.[bench]' $(EDITABLE) --group bench
	@touch $@ $(VENV)/.demo

$(VENV)/.dev: $(PROJECTS) | $(BIN)/python
	$(INSTALL) -e '.[bench,cli,testing]' $(EDITABLE) --group test --group lint --group docs
	@touch $@ $(VENV)/.demo $(VENV)/.bench
