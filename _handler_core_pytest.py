"""What pytest learns where handler-core is installed: ``--handler``, and to explain a failure.

A module beside the package, since pytest imports its plugins before all else, in every project of
an environment: here nothing of handler-core is imported before somebody asks for it. So a program
of tests that patches its process first still comes first. (hypothesis has its plugin outside of its
package too.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from handler_core.testing.suite import Suite

# Where pytest itself writes errors, for stacks: a test's standard error is pytest's.
_stderr = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--handler``."""
    group = parser.getgroup("handler-core")
    group.addoption(
        "--handler",
        metavar="NAME",
        help="the model to hold to the contract: "
        "pytest --pyargs handler_core.testing --handler NAME",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse a model that cannot be had, before anything is collected."""
    name = config.getoption("--handler")
    if name is None:
        return
    import handler_core

    try:
        handler_core.get_handler(name)
    except (
        handler_core.HandlerNotFoundError,
        handler_core.HandlerLoadError,
        handler_core.HandlerValidationError,
    ) as error:
        raise pytest.UsageError(str(error)) from None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what was opened."""
    if _stderr in config.stash:
        os.close(config.stash[_stderr])
        del config.stash[_stderr]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Have each class of the suite that names no model test that of ``--handler``."""
    for cls in {_suite_of(item) for item in items} - {None}:
        assert cls is not None
        if _stderr not in config.stash:
            config.stash[_stderr] = os.dup(2)
        cls.stderr = config.stash[_stderr]
        if hasattr(cls, "handler_name"):
            continue
        name = config.getoption("--handler")
        if name is not None:
            cls.handler_name = name
        elif not hasattr(config, "workerinput"):  # where xdist could not say it, each test does
            from handler_core.testing.suite import names_no_model

            raise pytest.UsageError(names_no_model(cls))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Say which line of the contract a failure breaks."""
    report = yield
    if report.failed and _suite_of(item) is not None:
        from handler_core.testing.contract import CONTRACT, line_of

        line = line_of(item.name)
        test: Suite = item.instance  # type: ignore[attr-defined]
        if report.when == "setup" or test.stopping:
            line = CONTRACT[1]  # whatever was to be tested: it cannot be made, started or stopped
        if report.when == "call":
            test.has_failed = True
        if line is not None:
            title = f"{line.heading}: this line of the contract is broken"
            report.sections.append((title, f"{line.promise}\n{line.url}\n"))
    return report


def _suite_of(item: pytest.Item) -> type[Suite] | None:
    """Return a test's class, if that is of the suite."""
    suite = sys.modules.get("handler_core.testing.suite")
    cls = getattr(item, "cls", None)
    return cls if suite is not None and cls is not None and issubclass(cls, suite.Suite) else None
