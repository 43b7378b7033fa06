"""What all tests start from, those of the plugins too."""

import importlib
import os
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent


def pytest_configure() -> None:
    """Have SIGINT raise ``KeyboardInterrupt``, and refuse to test another build than was asked for.

    The Makefile says which build of the hot modules it tests.
    """
    # A shell starts what runs in the background with SIGINT ignored, which children inherit, and
    # some tests are about Ctrl-C.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    wanted = os.environ.get("HANDLER_CORE_TEST_BUILD")
    if wanted is not None:
        from handler_core.execution._compiled import MODULES, build

        if build() != wanted:
            raise pytest.UsageError(
                f"this run tests the build {wanted!r} of the hot modules, and here is {build()!r}; "
                "write: make dev"
            )
        for name in MODULES if wanted == "compiled" else ():
            made = Path(importlib.import_module(name).__file__ or "")
            sources = ROOT.glob(name.replace(".", "/") + ".p*")
            if made.stat().st_mtime < max(map(_changed_at, sources)):
                raise pytest.UsageError(f"{made.name} is older than its source; write: make dev")


def _changed_at(path: Path) -> float:
    return path.stat().st_mtime
