"""Running the quick part of the conformance suite. Runs in the child process of one model."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from handler_core.cli.failure import JobError
from handler_core.handler import Handler

__all__ = ["Conformance", "run_quick_part"]

# Lines whose tests start processes and servers of their own, or make handlers by the thousand.
_LONG = ("c4", "c5", "c6", "c18")


class Conformance(NamedTuple):
    """What the suite has found.

    Attributes:
        passed: how many tests of each line have passed, by the line's number as text.
        failed: the tests that have failed, in the same way.
    """

    passed: dict[str, int]
    failed: dict[str, list[str]]


def run_quick_part(handler: Handler, report: Callable[[int], object]) -> Conformance:
    """Run all tests of the suite that need neither a process of their own nor a server.

    Raises:
        JobError: the suite cannot run here.
    """
    try:
        import pytest

        from handler_core.testing.contract import line_of
    except ModuleNotFoundError as error:
        raise JobError(
            f"the conformance suite needs the package {error.name}, which is not installed: "
            'pip install "handler-core[testing]"'
        ) from None
    found = Conformance({}, {})

    class Collector:
        def pytest_runtest_logreport(self, report: Any) -> None:
            name = report.nodeid.split("::", 2)[2]
            line = line_of(name)
            assert line is not None
            key = str(line.number)
            if report.failed:
                failed = found.failed.setdefault(key, [])
                if name not in failed:
                    failed.append(name)
            elif report.passed and report.when == "call":
                found.passed[key] = found.passed.get(key, 0) + 1

        def pytest_runtest_logfinish(self) -> None:
            done[0] += 1
            report(done[0])

    done = [0]
    # What lies about where the command is called has no part in it.
    status = pytest.main(
        [
            *("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", "."),
            "--noconftest",
            *("-k", " and ".join(f"not test_{line}_" for line in _LONG)),
            *("--pyargs", "handler_core.testing", "--handler", handler.name),
        ],
        plugins=[Collector()],
    )
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        raise JobError(f"pytest could not run the suite: it ended with status {int(status)}")
    return found
