"""The tests again, in greenlets of a loop: every wait of theirs is a turn of it."""

import subprocess
import sys
from pathlib import Path

import pytest
from asyncio_process import IN_LOOP, LOOP

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(LOOP is not None, reason="this process is in a loop already")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("name", ["test_conformance", "test_asyncio"])
def test_in_a_loop(loop: str, name: str) -> None:
    pytest_in_loop = [sys.executable, IN_LOOP, loop, "-m", "pytest"]
    ended = subprocess.run(
        [*pytest_in_loop, "-q", "--timeout", "120", HERE / f"{name}.py"],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert " passed" in ended.stdout
