# make demo   run a small network client on every installed concurrency model
# make test   check style and types, run all tests, and try what would be distributed
# make docs   build the documentation into docs/_build/html
# make bench  measure everything beside kazoo's handlers, on a machine that does nothing else
#
# With `make -j2 -O test` two parts of the tests run at a time, each with its output in one piece.
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

# The models that have tests across models, and in what else than a plain process a client of
# ZooKeeper is tested on them.
MODELS := threading gevent eventlet asyncio
WITHIN := gevent-in-gevent threading-in-gevent eventlet-in-eventlet asyncio-in-asyncio asyncio-in-uvloop

# pytest in a process that a model has patched before anything else, or in a greenlet of a loop.
IN_gevent := $(BIN)/python -m gevent.monkey --module pytest
IN_eventlet := $(BIN)/python plugins/handler-core-eventlet/tests/patched_pytest.py
IN_asyncio := $(BIN)/python plugins/handler-core-asyncio/tests/in_loop.py asyncio -m pytest
IN_uvloop := $(BIN)/python plugins/handler-core-asyncio/tests/in_loop.py uvloop -m pytest

PLUGIN_TESTS := $(PLUGINS:plugins/%=test-%)
CONNECTION_TESTS := $(patsubst %,test-connection-%,$(filter-out threading,$(MODELS)))
ZOOKEEPER_TESTS := $(patsubst %,test-zookeeper-%,$(MODELS) $(WITHIN))
EXAMPLES := tests/zookeeper/test_examples.py

BENCH_RESULTS := tests/benchmarks/results

.PHONY: demo test lint tests test-core test-examples test-suite test-dist docs bench bench-docs \
	zookeeper graphviz clean $(PLUGIN_TESTS) $(CONNECTION_TESTS) $(ZOOKEEPER_TESTS)

demo: $(VENV)/.demo
	$(BIN)/handler-core demo

test: lint tests test-suite test-dist

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Each model and each patching in a process of its own: they do not live in one together.
tests: test-core test-examples $(PLUGIN_TESTS) $(CONNECTION_TESTS) $(ZOOKEEPER_TESTS)

test-core: $(VENV)/.dev zookeeper
	$(BIN)/pytest tests --ignore tests/zookeeper \
		--ignore tests/conformance --ignore tests/distributions

# Programs in processes of their own, each with its own model.
test-examples: $(VENV)/.dev zookeeper
	$(BIN)/pytest $(EXAMPLES)

$(PLUGIN_TESTS): test-%: $(VENV)/.dev
	$(BIN)/pytest plugins/$*/tests

$(CONNECTION_TESTS): test-connection-%: $(VENV)/.dev
	HANDLER_CORE_TEST_HANDLER=$* $(BIN)/pytest tests/network/test_connection.py

# A setting is a model, and what it runs in if that is not a plain process: gevent-in-gevent.
$(ZOOKEEPER_TESTS): test-zookeeper-%: $(VENV)/.dev zookeeper
	HANDLER_CORE_TEST_HANDLER=$(firstword $(subst -in-, ,$*)) \
		$(or $(IN_$(word 2,$(subst -in-, ,$*))),$(BIN)/pytest) tests/zookeeper \
		--ignore $(EXAMPLES)

# The conformance suite on handlers that are broken.
test-suite: $(VENV)/.dev
	$(BIN)/pytest tests/conformance

# All distributions, built and installed into empty environments.
test-dist: $(VENV)/.dev
	$(BIN)/pytest tests/distributions

docs: $(VENV)/.dev graphviz
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html

# Ends with an error if something is outside its bound.
bench: $(VENV)/.bench zookeeper
	PYTHONPATH=tests $(BIN)/python -m benchmarks --results $(BENCH_RESULTS)

# Put what was measured last into the documentation.
bench-docs:
	cp $(BENCH_RESULTS)/benchmarks.md $(BENCH_RESULTS)/benchmarks.svg docs/explanation/

zookeeper:
	@tools/install-debian /usr/share/java/zookeeper.jar "tests against a ZooKeeper server" \
		zookeeper default-jre-headless

graphviz:
	@tools/install-debian /usr/bin/dot "the drawings of the documentation" graphviz fonts-dejavu-core

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
