"""The tests again, in processes that gevent has patched before anything else."""

import subprocess
import sys
from pathlib import Path

import pytest
from gevent_process import PATCHED

HERE = Path(__file__).parent

pytestmark = pytest.mark.skipif(PATCHED, reason="this process is patched already")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["test_conformance", "own", "threading_conformance"])
def test_in_a_patched_process(name: str, request: pytest.FixtureRequest) -> None:
    keyword = request.config.getoption("keyword")  # it selects among these tests too
    conformance = HERE / "test_conformance.py"
    own = sorted({*HERE.glob("test_*.py")} - {conformance, Path(__file__)})
    files = own if name == "own" else [HERE / f"{name}.py"]
    pytest_patched = [sys.executable, "-m", "gevent.monkey", "--module", "pytest"]
    ended = subprocess.run(
        [*pytest_patched, "-q", "--timeout", "120", "-k", keyword, *files],
        capture_output=True,
        text=True,
        timeout=850,
        check=False,
    )
    assert ended.returncode == 0, f"{ended.stdout}\n{ended.stderr}"
    assert " passed" in ended.stdout
