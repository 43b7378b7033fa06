"""``handler-core check NAME``: is this plugin fit to be published?

It looks at everything that can be seen in seconds: the entry point, whether the class can be
imported and has its hooks, what the distribution says of itself, and the quick part of the
conformance suite. The rest of the suite is for the plugin's own tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click
import importlib_metadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.binding import HOOKS_OF_A_HANDLER
from handler_core.cli.children import ChildError
from handler_core.cli.description import Description
from handler_core.cli.display import output, write
from handler_core.cli.installed import describe_model
from handler_core.cli.jobs import CONFORMANCE
from handler_core.cli.runs import Runs, models_named
from handler_core.cli.versions import compatible_range
from handler_core.discovery import HandlerInfo, list_handlers

__all__ = ["check"]

# The tests of the quick part, for the bar; seconds for all of them.
_TESTS = 110
_TIMEOUT = 600.0


class _Finding(NamedTuple):
    """One line of the report; ``passed`` is None where it is advice, and no fault."""

    subject: str
    passed: bool | None
    text: str


@click.command()
@click.argument("name")
def check(name: str) -> None:
    """Check whether the plugin of the model NAME is fit to be published.

    Its entry point, class, hooks and metadata, and the quick part of the conformance suite. The
    exit status is 1 if something is wrong.
    """
    models_named([name])
    findings = [*_plugin(name)]
    if all(finding.passed is not False for finding in findings):
        findings += _suite(name)
    console = output()
    console.print(_table(findings))
    faults = sum(finding.passed is False for finding in findings)
    if faults:
        raise click.ClickException(f"{faults} of these checks failed for {name}")
    write(
        console,
        f"{name} is in order. The whole suite: "
        f"pytest --pyargs handler_core.testing --handler {name}",
    )


def _plugin(name: str) -> Iterator[_Finding]:
    """Look at what can be seen without running it."""
    claims = [info for info in list_handlers() if info.name == name]
    yield _Finding(
        "entry point",
        len(claims) == 1,
        " and ".join(f"{info.value} of {info.distribution} {info.version}" for info in claims),
    )
    described = describe_model(name)
    if isinstance(described, ChildError):
        yield _Finding("class and hooks", False, str(described))
    else:
        yield _Finding(
            "class and hooks", True, f"{described.handler_class}: {', '.join(HOOKS_OF_A_HANDLER)}"
        )
        yield from _says_its_name(name, described)
    if len(claims) == 1:
        yield from _metadata(claims[0])


def _says_its_name(name: str, described: Description) -> Iterator[_Finding]:
    if described.name != name:
        yield _Finding(
            "name",
            False,
            f"its handlers call themselves {described.name!r}: write name = {name!r} in the class",
        )
    if not described.summary:
        yield _Finding("docstring", None, "the class says nothing of itself: give it a docstring")


def _metadata(info: HandlerInfo) -> Iterator[_Finding]:
    """Look at what an installer sees."""
    core = importlib_metadata.version("handler-core")
    try:
        distribution = importlib_metadata.distribution(info.distribution)
        requirements = [Requirement(text) for text in distribution.requires or ()]
    except (importlib_metadata.PackageNotFoundError, InvalidRequirement) as error:
        yield _Finding("metadata", False, f"it cannot be read; install it again: {error}")
        return
    ours = [
        each
        for each in requirements
        if canonicalize_name(each.name) == "handler-core"
        and (each.marker is None or each.marker.evaluate({"extra": ""}))
    ]
    if not ours:
        yield _Finding(
            "requirement", False, f'it does not require handler-core: add "{_range_of(core)}"'
        )
    for each in ours:
        fits = each.specifier.contains(core, prereleases=True)
        bounded = any(part.operator in ("<", "<=", "==", "~=") for part in each.specifier)
        if not fits:
            yield _Finding("requirement", False, f"{each}, which is not the {core} that is here")
        elif not bounded:
            yield _Finding("requirement", None, f'{each} has no upper bound: "{_range_of(core)}"')
        else:
            yield _Finding("requirement", True, str(each))
    metadata = distribution.metadata
    for key, advice in (
        ("Summary", "a description"),
        ("Requires-Python", "requires-python"),
        ("Description", "a readme"),
    ):
        if not metadata.get(key):
            yield _Finding("metadata", None, f"the distribution has no {key}: give it {advice}")
    if not (metadata.get("License-Expression") or metadata.get("License")):
        yield _Finding("metadata", None, "the distribution has no license: name one")


def _range_of(core: str) -> str:
    return f"handler-core{compatible_range(core)}"


def _suite(name: str) -> Iterator[_Finding]:
    """Run the quick part of the conformance suite."""
    from handler_core.testing.contract import CONTRACT

    runs = Runs(_TESTS, "tests", _TIMEOUT)
    with runs.progress:
        try:
            found = runs.run(CONFORMANCE, name, {})
        except ChildError as error:
            yield _Finding("conformance", False, str(error))
            return
    for number, line in CONTRACT.items():
        passed = found["passed"].get(str(number), 0)
        failed = found["failed"].get(str(number), [])
        if failed:
            yield _Finding(line.heading, False, "\n".join((*failed, line.promise, line.url)))
        elif passed:
            yield _Finding(line.heading, True, f"{passed} tests passed")


def _table(findings: list[_Finding]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column("subject", style="bold", overflow="fold")
    table.add_column("outcome")
    table.add_column("text", overflow="fold")
    outcomes = {
        True: Text("ok", style="green"),
        None: Text("advice", style="yellow"),
        False: Text("failed", style="bold red"),
    }
    for finding in findings:
        table.add_row(finding.subject, outcomes[finding.passed], Text(finding.text))
    return table
