"""The conformance suite, or its quick part. It runs in the child process."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from handler_core.cli.child.job import Job, JobError, get_handler_without_wrappers
from handler_core.lookup._install_lines import install_line

__all__ = ["ALL", "LONG_LINES", "SUITE", "Conformance"]

#: The tests of these lines start processes and servers, or make thousands of handlers.
LONG_LINES = (4, 5, 6, 18)

#: The job reports percents. This is the report when all tests have run.
ALL = 100

# A user sets these variables for other runs of pytest. They would change this run.
_VARIABLES_OF_PYTEST = (
    "PYTEST_ADDOPTS",
    "PYTEST_PLUGINS",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",
)


class Conformance(NamedTuple):
    """The result of the suite.

    Attributes:
        passed: how many tests of each line passed, by the number of the line as text.
        failed: the tests of each line that failed, by the same key, each with the reason.
        ended_by: what ended the run early, or an empty string if it ran to its end.
    """

    passed: dict[str, int]
    failed: dict[str, list[str]]
    ended_by: str


def _run_suite(model: str, report: Callable[[int], object], left_out: list[int]) -> Conformance:
    """Run the tests of the suite, except those of the lines ``left_out``.

    A test that hangs ends the run, because the tests after it would take as long.

    Raises:
        JobError: the suite cannot run here.
    """
    handler = get_handler_without_wrappers(model)
    try:
        import pytest
    except ModuleNotFoundError as error:
        raise JobError(
            f"the suite needs {error.name}: {install_line('testing')}", needs=True
        ) from None
    for variable in _VARIABLES_OF_PYTEST:
        os.environ.pop(variable, None)

    passed: dict[str, int] = {}
    failed: dict[str, list[str]] = {}
    hanging: list[str] = []
    seen: set[int] = set()
    told: set[str] = set()

    # This class imports modules of the suite only after pytest has imported them. Otherwise pytest
    # would not rewrite their asserts, and a failed assert would have no message.
    class Collector:
        done = total = 0

        def pytest_collection_finish(self, session: pytest.Session) -> None:
            self.total = len(session.items)

        def pytest_exception_interact(self, node: pytest.Item, call: Any) -> None:
            if call.excinfo.typename == "Overdue" and not hanging:
                hanging.append(node.name)
                node.session.shouldfail = f"{node.name} hangs"

        def pytest_runtest_logreport(self, report: Any) -> None:
            from handler_core.testing._contract_texts import line_of

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

    # The run takes place in an empty folder: files of the current folder must not change it.
    with tempfile.TemporaryDirectory() as folder:
        status = pytest.main(
            [
                *("-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", folder),
                *("--noconftest", "--tb", "short"),
                *("-k", " and ".join(f"not test_c{number}_" for number in left_out)),
                *("--pyargs", "handler_core.testing", f"--handler={handler.name}"),
            ],
            plugins=[Collector()],
        )
    if not seen:
        raise JobError(
            f"pytest could not run the suite, and ended with status {int(status)}; "
            f"to install what the suite needs: {install_line('testing')}",
            see_output=True,
        )
    ended_well = status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    if not ended_well and not failed:
        raise JobError(f"pytest stopped early, with status {int(status)}", see_output=True)
    from handler_core.testing._contract_texts import CONTRACT

    missed = set(CONTRACT) - set(left_out) - seen
    if missed and ended_well and not hanging:
        lines = ", ".join(f"C{number}" for number in sorted(missed))
        raise JobError(f"the suite ran without the tests of {lines}", see_output=True)
    ended_by = "" if ended_well else "pytest stopped early"
    if hanging:
        ended_by = f"{hanging[0]} hangs; the tests after it did not run"
    return Conformance(passed, failed, ended_by)


SUITE = Job("conformance", _run_suite)
