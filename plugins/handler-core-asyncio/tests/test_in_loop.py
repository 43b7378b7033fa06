"""The tests again, in a greenlet of a loop, which runs while they wait.

They run in asyncio's own loop, in uvloop's, and in asyncio's in a process that a library has
patched.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from asyncio_process import IN_LOOP, LOOP

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(LOOP is not None, reason="this process is in a loop already")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "gevent", "eventlet"])
@pytest.mark.parametrize("name", ["test_conformance", "own"])
def test_in_a_loop(loop: str, name: str) -> None:
    conformance = HERE / "test_conformance.py"
    own = sorted({*HERE.glob("test_*.py")} - {conformance, Path(__file__)})
    files = own if name == "own" else [conformance]
    pytest_in_loop = [sys.executable, IN_LOOP, loop, "-m", "pytest"]
    if loop == "eventlet":  # these two plugins import modules that cannot be imported there
        pytest_in_loop += ["-p", "no:anyio", "-p", "no:trio"]
        # eventlet's resolver calls a method of dnspython that is deprecated.
        pytest_in_loop += ["-W", "ignore:please use dns.resolver:DeprecationWarning"]
    ended = subprocess.run(
        [*pytest_in_loop, "-q", "--timeout", "120", *files],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert " passed" in ended.stdout
