"""The pytest plugin of handler-core: the option ``--handler``, and explanations of failures.

It is a module beside the package on purpose. pytest imports its plugins before everything else, in
every project of an environment. This module imports handler-core only when a run needs it. So a
test program that patches its process still does so before handler-core is imported. (hypothesis
keeps its plugin outside of its package too.)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from handler_core.testing._suite import Suite

# A copy of the standard error of pytest itself, for stacks. During a test, pytest captures standard
# error.
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
    """Refuse a model that cannot be loaded, before pytest collects anything."""
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
    """Close the copy of standard error."""
    if _stderr in config.stash:
        os.close(config.stash[_stderr])
        del config.stash[_stderr]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set the model of ``--handler`` in each class of the suite that names none."""
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
        # A worker of xdist cannot refuse the run. There each test fails by itself.
        elif not hasattr(config, "workerinput"):
            from handler_core.testing._suite import names_no_model

            raise pytest.UsageError(names_no_model(cls))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """Add the broken line of the contract to the report of a failure."""
    report = yield
    if report.failed and _suite_of(item) is not None:
        from handler_core.testing._contract_texts import CONTRACT, line_of

        line = line_of(item.name)
        test: Suite = item.instance  # type: ignore[attr-defined]
        if report.when == "setup" or test.stopping:
            # The handler cannot be made, started or stopped, whatever line the test is about.
            line = CONTRACT[1]
        if report.when == "call":
            test.has_failed = True
        if line is not None:
            title = f"{line.heading}: this line of the contract is broken"
            report.sections.append((title, f"{line.promise}\n{line.url}\n"))
    return report


def _suite_of(item: pytest.Item) -> type[Suite] | None:
    """Return the class of a test if it is one of the suite, or else None."""
    suite = sys.modules.get("handler_core.testing._suite")
    cls = getattr(item, "cls", None)
    return cls if suite is not None and cls is not None and issubclass(cls, suite.Suite) else None
