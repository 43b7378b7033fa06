"""The contract again, in a greenlet of trio, which runs while the tests wait."""

import subprocess
import sys
from pathlib import Path

import pytest
from trio_process import IN_LOOP, IN_TRIO

pytestmark = pytest.mark.skipif(IN_TRIO, reason="trio runs this process already")


@pytest.mark.timeout(900)
def test_in_trio() -> None:
    conformance = Path(__file__).parent / "test_conformance.py"
    ended = subprocess.run(
        [sys.executable, IN_LOOP, "-m", "pytest", "-q", "--timeout", "120", conformance],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert " passed" in ended.stdout
