"""The tests again, in a greenlet of trio, which runs while they wait."""

import subprocess
import sys
from pathlib import Path

import pytest
from trio_process import IN_LOOP, IN_TRIO

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(IN_TRIO, reason="this process is in a loop already")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["test_conformance", "own"])
def test_in_a_loop(name: str) -> None:
    conformance = HERE / "test_conformance.py"
    own = sorted({*HERE.glob("test_*.py")} - {conformance, Path(__file__)})
    files = own if name == "own" else [conformance]
    ended = subprocess.run(
        [sys.executable, IN_LOOP, "-m", "pytest", "-q", "--timeout", "120", *files],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert " passed" in ended.stdout
