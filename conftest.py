"""What all tests start from, those of the plugins too."""

import os
import signal

import pytest


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
        from handler_core.execution._compiled import build

        if build() != wanted:
            raise pytest.UsageError(
                f"this run tests the build {wanted!r} of the hot modules, and here is {build()!r}; "
                "write: make $(VENV)/.compiled"
            )
