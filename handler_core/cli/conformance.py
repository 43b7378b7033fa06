"""Running the quick part of the conformance suite. Runs in the child process of one model."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from handler_core.cli.failure import JobError
from handler_core.handler._handler import Handler

__all__ = ["ALL", "LONG_LINES", "Conformance", "run_quick_part"]

#: Lines whose tests start processes and servers of their own, or make handlers by the thousand.
LONG_LINES = (4, 5, 6, 18)

#: What is reported when all has run: percent.
ALL = 100

_INSTALL = 'pip install "handler-core[testing]"'

# By these the user has pytest do something else, in other runs.
_VARIABLES_OF_PYTEST = (
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
)


class Conformance(NamedTuple):
    """What the suite has found.

    Attributes:
        passed: how many tests of each line have passed, by the line's number as text.
        failed: the tests that have failed, in the same way, each with the reason.
        ended_by: what ended the run before its time; empty if nothing did.
    """

    passed: dict[str, int]
    failed: dict[str, list[str]]
    ended_by: str


def run_quick_part(handler: Handler, report: Callable[[int], object]) -> Conformance:
    """Run all tests of the suite that need neither a process of their own nor a server.

    One that hangs is the last one: the others would take as long.

    Raises:
        JobError: the suite cannot run here.
    """
    try:
        import pytest
    except ModuleNotFoundError as error:
        raise JobError(f"the suite needs the package {error.name}: {_INSTALL}") from None
    for variable in _VARIABLES_OF_PYTEST:
        os.environ.pop(variable, None)

    passed: dict[str, int] = {}
    failed: dict[str, list[str]] = {}
    hanging: list[str] = []
    seen: set[int] = set()
    told: set[str] = set()

    # It imports of the suite what it needs when pytest has imported that: asserts that pytest has
    # not rewritten tell nothing.
    class Collector:
        done = total = 0

        def pytest_collection_finish(self, session: pytest.Session) -> None:
            self.total = len(session.items)

        def pytest_exception_interact(self, node: pytest.Item, call: Any) -> None:
            if call.excinfo.typename == "Overdue" and not hanging:
                hanging.append(node.name)
                node.session.shouldfail = f"{node.name} hangs"

        def pytest_runtest_logreport(self, report: Any) -> None:
            from handler_core.testing.contract import line_of

            name = report.nodeid.split("::", 2)[2]
            line = line_of(name)
            assert line is not None
            seen.add(line.number)
            key = str(line.number)
            if report.failed and report.nodeid not in told:
                told.add(report.nodeid)
                crash = getattr(report.longrepr, "reprcrash", None)
                reason = str(crash.message if crash else report.longrepr).partition("\n")[0]
                failed.setdefault(key, []).append(f"{name}: {reason}")
            elif report.passed and report.when == "call":
                passed[key] = passed.get(key, 0) + 1

        def pytest_runtest_logfinish(self) -> None:
            self.done += 1
            report(ALL * self.done // self.total)

    # What lies about where the command is called has no part in it.
    with tempfile.TemporaryDirectory() as folder:
        status = pytest.main(
            [
                *("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", folder),
                *("--noconftest", "--tb", "short"),
                *("-k", " and ".join(f"not test_c{number}_" for number in LONG_LINES)),
                *("--pyargs", "handler_core.testing", f"--handler={handler.name}"),
            ],
            plugins=[Collector()],
        )
    if not seen:
        raise JobError(
            f"pytest could not run the suite, and ended with status {int(status)}; "
            f"what it needs: {_INSTALL}",
            see_output=True,
        )
    ended_well = status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if not ended_well and not failed:
        raise JobError(f"pytest broke off, with status {int(status)}", see_output=True)
    from handler_core.testing.contract import CONTRACT

    missed = set(CONTRACT) - set(LONG_LINES) - seen
    if missed and ended_well and not hanging:
        raise JobError(f"the suite ran, and without its tests of {missed}", see_output=True)
    ended_by = "" if ended_well else "pytest broke off"
    if hanging:
        ended_by = f"{hanging[0]} hangs, and was the last one"
    return Conformance(passed, failed, ended_by)
