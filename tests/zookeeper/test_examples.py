"""The documentation's example programs, run as a reader would run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handler_core import list_handlers
from handler_core.testing import ZooKeeperServer

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

# The whole output of each program: a pattern for each line. Tasks print in any order.
OUTPUT = {
    "threading_handler": [
        r"Connection state changed: CONNECTED",
        r"Created path: /threading-test",
        r"Data: b'test data', Exists: True",
        r"Connection state changed: LOST",
    ],
    "gevent_handler": [
        *(rf"Worker {number} completed" for number in range(5)),
        r"Created paths: \[('worker-\d'(, )?){5}\]",
    ],
    "eventlet_handler": [
        *(rf"Created /eventlet-test/item-\d{{10}}: data-{number}" for number in range(10)),
        r"Successfully created 10 paths",
    ],
    "asyncio_handler": [
        *(rf"Worker {number} completed" for number in range(5)),
        r"Counter: 5",
    ],
    "trio_handler": [
        *(rf"Worker {number} completed" for number in range(5)),
        r"Counter: 5",
    ],
    "custom_handler": [
        r"State changed to: CONNECTED",
        r"Created with custom handler: /custom-handler-test",
        r"State changed to: LOST",
    ],
    "async_results": [
        r"Callback received result: /async-test",
        r"Background thread got result: /async-test",
        r"Main thread continuing\.\.\.",
        r"Result is ready: True",
    ],
}


def example(name: str, model: str) -> object:
    missing = model not in {handler.name for handler in list_handlers()}
    reason = f"plugin handler-core-{model} is not installed"
    return pytest.param(name, id=name, marks=pytest.mark.skipif(missing, reason=reason))


def test_every_example_is_run() -> None:
    assert {file.stem for file in EXAMPLES.glob("*.py")} == set(OUTPUT)


@pytest.mark.parametrize(
    "name",
    [
        "threading_handler",
        example("gevent_handler", "gevent"),
        example("eventlet_handler", "eventlet"),
        example("asyncio_handler", "asyncio"),
        example("trio_handler", "trio"),
        "custom_handler",
        "async_results",
    ],
)
def test_example(name: str, server: ZooKeeperServer) -> None:
    for _ in range(2):  # the second run finds what the first one left
        program = subprocess.run(
            [sys.executable, EXAMPLES / f"{name}.py"],
            env=os.environ | {"ZOOKEEPER_HOSTS": server.hosts},
            capture_output=True,
            text=True,
            timeout=50,
        )
        assert program.returncode == 0, program.stderr
        assert "Traceback" not in program.stderr
        # Two threads that print at once may share a line.
        rest = program.stdout
        for pattern in OUTPUT[name]:
            rest, found = re.subn(pattern, "", rest, count=1)
            assert found, f"{pattern} is not in {program.stdout}"
        assert rest.split() == []


@pytest.mark.parametrize(
    "model", [example(model, model) for model in ("eventlet", "threading", "asyncio")]
)
def test_the_program_that_leaves_eventlet(model: str, server: ZooKeeperServer) -> None:
    program = subprocess.run(
        [sys.executable, "-W", "ignore", EXAMPLES / "leave_eventlet" / "worker.py", model],
        env=os.environ | {"ZOOKEEPER_HOSTS": server.hosts},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (program.returncode, program.stdout) == (0, f"{model}: created 10 paths\n"), (
        program.stderr
    )
    page = (EXAMPLES.parent / "howto" / "leave-eventlet.md").read_text()
    assert f"$ python worker.py {model}\n{program.stdout}" in page
