# `make` lists the targets. Every target makes a virtual environment and installs what it needs.
# Another interpreter gets an environment of its own: make test PYTHON=python3.12

PYTHON ?= python3
VENV ?= .venv$(if $(filter-out python3,$(PYTHON)),-$(notdir $(PYTHON)))
BIN := $(VENV)/bin

# How many parts of the tests run at a time. They wait more than they compute.
JOBS ?= $(shell expr $$(nproc) + 1)

# HANDLER_CORE_PURE=1 tests the Python source of the hot modules, without a compiler. Without it, the
# compiled build is made and tested. The tests fail at once if the other one runs.
export HANDLER_CORE_TEST_BUILD := $(if $(filter-out 0,$(HANDLER_CORE_PURE)),Python source,compiled)
READY = $(VENV)/.dev $(if $(filter-out 0,$(HANDLER_CORE_PURE)),,$(VENV)/.compiled)
COMPILED_FROM := hatch_build.py handler_core/execution/_compiled.py \
	$(wildcard handler_core/*/*.pxd handler_core/*/*.pyx) $(patsubst %.pxd,%.py,$(wildcard handler_core/*/*.pxd))

PLUGINS := $(sort $(wildcard plugins/*))
PROJECTS := pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
EDITABLE := $(PLUGINS:%=-e ./%)
INSTALL := PIP_CONSTRAINT=constraints.txt $(BIN)/python -m pip install --quiet --disable-pip-version-check
PYTEST := $(BIN)/pytest
# Coverage keeps objects for each thread, so tests that count objects are left out. So is one that is
# too slow when measured, and one that waits for an exception of a signal handler: coverage's tracer
# may drop it.
MEASURED := COVERAGE_FILE=$(CURDIR)/.coverage $(BIN)/coverage run -m pytest \
	-k "not test_c6_a_stopped_handler_leaves and not test_thousands_of_handlers \
		and not test_an_interrupted_wait_for_the_lock"

# Runs targets side by side. The output of each comes in one piece when it ends, and one that fails
# does not stop the others. A number of jobs that make was given counts: make -j4 test
SIDE_BY_SIDE = +@$(MAKE) --no-print-directory --keep-going --output-sync=target \
	$(if $(filter -j%,$(MAKEFLAGS)),,--jobs=$(JOBS))

# The models that have tests across models, and the settings other than a plain process in which a
# client of ZooKeeper is tested on them.
MODELS := threading gevent eventlet asyncio trio
WITHIN := gevent-in-gevent threading-in-gevent eventlet-in-eventlet asyncio-in-asyncio asyncio-in-uvloop \
	trio-in-trio

# The settings in which the clients of other servers are tested: on a loop, they are in it.
CLIENTS_ON := threading gevent eventlet asyncio-in-asyncio asyncio-in-uvloop trio-in-trio

# pytest in a process that a model has patched before anything else, or in a greenlet of a loop.
IN_gevent := $(BIN)/python -m gevent.monkey --module pytest
IN_eventlet := $(BIN)/python plugins/handler-core-eventlet/tests/patched_pytest.py
IN_asyncio := $(BIN)/python plugins/handler-core-asyncio/tests/in_loop.py asyncio -m pytest
IN_uvloop := $(BIN)/python plugins/handler-core-asyncio/tests/in_loop.py uvloop -m pytest
IN_trio := $(BIN)/python plugins/handler-core-trio/tests/in_loop.py -m pytest

WRAPPERS := prometheus opentelemetry

# What has modules for libraries of others is tested with these libraries, and with their servers.
PLUGIN_TESTS := $(filter-out test-clients,$(PLUGINS:plugins/handler-core-%=test-%))
CONNECTION_TESTS := $(patsubst %,test-connection-%,$(filter-out threading,$(MODELS)))
ZOOKEEPER_TESTS := $(MODELS:%=test-zookeeper-%)
WITHIN_TESTS := $(WITHIN:%=test-zookeeper-%)
CLIENT_TESTS := $(CLIENTS_ON:%=test-clients-%)
PATCHED_TESTS := test-gevent-patched test-eventlet-patched
IN_LOOP_TESTS := test-asyncio-in-loop test-trio-in-loop
EXAMPLES := tests/zookeeper/test_examples.py

# As on macOS: without epoll.
WITHOUT_EPOLL_TESTS := $(patsubst %,test-without-epoll-%,$(filter-out threading,$(MODELS)))

# Each model and each patching has a process of its own: they cannot share one. The longest parts
# come first, so that no long one is left over at the end.
MODEL_PARTS := test-core $(ZOOKEEPER_TESTS) $(PLUGIN_TESTS) $(CONNECTION_TESTS)
PARTS := test-cli test-check $(CLIENT_TESTS) lint $(MODEL_PARTS)
WITHIN_PARTS := $(PATCHED_TESTS) $(IN_LOOP_TESTS) $(WITHIN_TESTS) test-examples
MORE := test-dist test-suite test-readme $(WITHIN_PARTS) $(WITHOUT_EPOLL_TESTS) audit

# The tests start hundreds of interpreters. Each would compile the whole package without this.
unexport PYTHONDONTWRITEBYTECODE

BENCH_RESULTS := tests/benchmarks/results

.PHONY: help dev demo test test-all test-more test-models test-contract test-within test-without-epoll \
	coverage docs picture bench bench-docs clean zookeeper servers graphviz compiler \
	sources wheels version release-check $(PARTS) $(MORE)

help: ## list the targets
	@echo "The times are those of a machine with two cores; the first target also installs, for two minutes."
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1	\2/p' Makefile | while IFS='	' read -r target text; do \
		printf 'make %-18s %s\n' "$$target" "$$text"; done
	@echo
	@echo "With another Python: make test PYTHON=python3.12"
	@echo "One part of the tests: make with one of"
	@echo $(sort $(filter-out lint,$(PARTS) $(MORE))) | fmt -w 98 | sed 's/^/  /'

dev: $(READY) zookeeper servers ## install all that tests, lint, docs and benchmarks need: two minutes

lint: $(VENV)/.dev ## check style, types, spelling, workflows, and which module may import which: 40 seconds
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --cache-dir $(VENV)/mypy
	$(BIN)/python tests/pages.py docs/_build/programs
	$(BIN)/mypy --cache-dir $(VENV)/mypy --disable-error-code import-untyped docs/_build/programs docs/examples tests/typed
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.readthedocs .readthedocs.yaml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/[!c]*.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema -q --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --offline --quiet .github

test: ## lint, and test every part once, with a real ZooKeeper: 20 minutes
	$(SIDE_BY_SIDE) $(PARTS)

test-all: ## make test, and all that takes longer: 50 minutes
	$(SIDE_BY_SIDE) $(PARTS) $(MORE)

test-more: ## what make test-all does besides make test: 30 minutes
	$(SIDE_BY_SIDE) $(MORE)

test-models: ## of make test the core, the models and ZooKeeper: 12 minutes
	$(SIDE_BY_SIDE) $(MODEL_PARTS)

test-contract: ## of make test the core and the models, with no server: 8 minutes
	$(SIDE_BY_SIDE) test-core $(filter-out $(WRAPPERS:%=test-%),$(PLUGIN_TESTS))

test-within: ## of make test-more the models in patched processes, in loops and in programs: 12 minutes
	$(SIDE_BY_SIDE) $(WITHIN_PARTS)

test-without-epoll: ## of make test-more the models without epoll, as on macOS: 3 minutes
	$(SIDE_BY_SIDE) $(WITHOUT_EPOLL_TESTS)

coverage: $(VENV)/.dev zookeeper servers ## what make test and the tests in patched processes run of the code: longer than make test
	rm -f .coverage .coverage.*
	$(SIDE_BY_SIDE) $(filter-out lint,$(PARTS)) $(PATCHED_TESTS) PYTEST='$(MEASURED)' PYTEST_TIMEOUT=600 HANDLER_CORE_PURE=1
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

demo: $(VENV)/.demo ## run a small client on every installed model: half a minute
	$(BIN)/handler-core demo

docs: $(VENV)/.dev graphviz ## build the documentation into docs/_build/html: half a minute
	$(BIN)/sphinx-build -W --keep-going -q docs docs/_build/html
	$(BIN)/codespell

picture: $(READY) zookeeper ## draw make demo for the README and the site: half a minute
	$(BIN)/python tools/picture.py

bench: $(READY) servers ## measure everything beside kazoo's handlers, on an idle machine: 15 minutes
	PYTHONPATH=tests $(BIN)/python -m benchmarks --results $(BENCH_RESULTS)

bench-docs: ## put what make bench measured last into the documentation: at once
	cp $(addprefix $(BENCH_RESULTS)/,benchmarks.md benchmarks.svg bounds.md) docs/explanation/

sources: $(BIN)/python ## build into dist what needs no compiler: sdists, and wheels for any platform: half a minute
	rm -rf dist
	$(INSTALL) --group wheels
	for project in . $(PLUGINS); do $(BIN)/python -m build --outdir dist $$project || exit 1; done

wheels: sources compiler ## build what is released into dist: make sources, and a compiled wheel for this Python: a minute
	rm -rf build/wheels
	HATCH_BUILD_HOOK_ENABLE_CUSTOM=true $(BIN)/python -m build --wheel --outdir build/wheels .
	PATH="$(BIN):$$PATH" $(BIN)/auditwheel repair --wheel-dir dist build/wheels/*.whl
	ls -l dist

version: $(if $(wildcard $(VENV)/.dev),,$(VENV)/.dev) ## give all distributions one version: make version V=0.2.0
	$(BIN)/python tools/release.py version "$(V)"

release-check: $(READY) ## say what is missing for a release: 15 minutes
	$(BIN)/python tools/release.py check

clean: ## remove all that the other targets made: at once
	rm -rf .venv* .coverage* docs/_build $(BENCH_RESULTS) dist build .mypy_cache .ruff_cache .pytest_cache

test-core: $(READY) servers
	$(PYTEST) tests --ignore tests/cli --ignore tests/zookeeper --ignore tests/clients \
		--ignore tests/conformance --ignore tests/distributions

test-cli: $(READY) zookeeper
	$(PYTEST) tests/cli --ignore tests/cli/test_check.py

# The command that checks a plugin. It runs the conformance suite each time.
test-check: $(READY)
	$(PYTEST) tests/cli/test_check.py

# A plugin's own tests, with the conformance suite, in a plain process.
$(PLUGIN_TESTS): test-%: $(READY)
	$(PYTEST) plugins/handler-core-$*/tests --ignore-glob '*/test_patched.py' --ignore-glob '*/test_in_loop.py'

# The same tests again in processes that the model has patched, and in loops.
$(PATCHED_TESTS): test-%-patched: $(READY)
	$(PYTEST) plugins/handler-core-$*/tests/test_patched.py

$(IN_LOOP_TESTS): test-%-in-loop: $(READY)
	$(PYTEST) plugins/handler-core-$*/tests/test_in_loop.py

$(CONNECTION_TESTS): test-connection-%: $(READY)
	HANDLER_CORE_TEST_HANDLER=$* $(PYTEST) tests/network/test_connection.py

# A setting is a model, and what it runs in if that is not a plain process: gevent-in-gevent.
$(ZOOKEEPER_TESTS) $(WITHIN_TESTS): test-zookeeper-%: $(READY) zookeeper
	HANDLER_CORE_TEST_HANDLER=$(firstword $(subst -in-, ,$*)) \
		$(or $(IN_$(word 2,$(subst -in-, ,$*))),$(PYTEST)) tests/zookeeper --ignore $(EXAMPLES)

# The conformance suite, connections and ZooKeeper where there is no epoll. trio itself needs one on
# Linux, so it is hidden from handler-core only.
$(WITHOUT_EPOLL_TESTS): test-without-epoll-%: $(READY) zookeeper
	HANDLER_CORE_TEST_HANDLER=$* PYTHONPATH=tests/without_epoll $(if $(filter trio,$*),HIDE_EPOLL=handler_core) \
		$(PYTEST) plugins/handler-core-$*/tests/test_conformance.py tests/network/test_connection.py \
		tests/zookeeper/test_client.py

# Libraries of others, and the servers that they are for.
$(CLIENT_TESTS): test-clients-%: $(READY) servers
	HANDLER_CORE_TEST_HANDLER=$(firstword $(subst -in-, ,$*)) \
		$(or $(IN_$(word 2,$(subst -in-, ,$*))),$(PYTEST)) tests/clients

# The documentation's programs in processes of their own, each with its own model.
test-examples: $(READY) zookeeper
	$(PYTEST) $(EXAMPLES)

# The conformance suite on handlers that are broken.
test-suite: $(READY)
	$(PYTEST) tests/conformance

# Whether the versions of constraints.txt are known to be vulnerable. With ALL=1 it fails where the index
# does not say. The program has an environment of its own, since tests run beside it.
audit: $(VENV)/audit/bin/pip-audit
	$(VENV)/audit/bin/python tools/audit.py $(if $(ALL),--all)

$(VENV)/audit/bin/pip-audit: $(PROJECTS) | $(BIN)/python
	$(PYTHON) -m venv $(VENV)/audit
	$(VENV)/audit/bin/python -m pip install --quiet --upgrade pip
	PIP_CONSTRAINT=constraints.txt $(VENV)/audit/bin/python -m pip install --quiet --group audit
	@touch $@

# All distributions, built and installed into empty environments. With DIST=dist, those in that folder.
test-dist: $(READY)
	$(if $(DIST),HANDLER_CORE_TEST_DIST="$(abspath $(DIST))") $(PYTEST) tests/distributions \
		--ignore tests/distributions/test_readme.py

# Each line of the README, typed in an empty environment.
test-readme: $(READY)
	$(PYTEST) tests/distributions/test_readme.py

zookeeper:
	@tools/install-debian /usr/share/java/zookeeper.jar "tests against a ZooKeeper server" \
		zookeeper default-jre-headless

# One after the other: two runs of apt-get would lock each other out.
servers: zookeeper
	@tools/install-debian "/usr/bin/redis-server /usr/bin/memcached /usr/lib/postgresql/*/bin/postgres \
		/usr/sbin/mariadbd /usr/sbin/mosquitto" "tests of clients against their servers" \
		redis-server memcached postgresql mariadb-server mosquitto

graphviz:
	@tools/install-debian /usr/bin/dot "the drawings of the documentation" graphviz fonts-dejavu-core

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { echo "on Debian: apt-get install python3-venv" >&2; exit 1; }
	$(INSTALL) --upgrade pip

$(VENV)/.demo: $(PROJECTS) | $(BIN)/python
	$(INSTALL) -e '.[cli]' $(EDITABLE)
	@touch $@

# Several versions of Python share the folder: the name of a compiled file says whose it is.
$(VENV)/.compiled: $(COMPILED_FROM) | $(VENV)/.dev compiler
	$(BIN)/python hatch_build.py
	@touch $@

compiler:
	@tools/install-debian /usr/bin/gcc "the compiled build" gcc libc6-dev

$(VENV)/.dev: $(PROJECTS) | $(BIN)/python
	$(INSTALL) -e '.[bench,cli,testing]' $(EDITABLE) -e './plugins/handler-core-clients[all]' \
		--group test --group lint --group docs --group compile
	@touch $@ $(VENV)/.demo
