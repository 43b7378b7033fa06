"""``handler-core check NAME``: is this plugin fit to be published?

It looks at everything that can be seen in seconds: the entry point, whether the class can be
imported and has its hooks, what the distribution says of itself, and the quick part of the
conformance suite. The rest of the suite is for the plugin's own tests, and the report says what
that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click
import importlib_metadata
from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.children import ChildError
from handler_core.cli.conformance import ALL, LONG_LINES, Conformance
from handler_core.cli.description import Description
from handler_core.cli.display import output, printable, write
from handler_core.cli.installed import describe_model
from handler_core.cli.jobs import CONFORMANCE
from handler_core.cli.libraries import requirements
from handler_core.cli.runs import Runs, models_named
from handler_core.cli.versions import compatible_range
from handler_core.handler._hook_methods import HOOKS_OF_A_HANDLER
from handler_core.lookup._entry_points import HandlerInfo
from handler_core.lookup._get_handler import list_handlers

__all__ = ["check"]

# Seconds, for the quick part of the suite.
_TIMEOUT = 600.0

_OK, _FAILED, _ADVICE, _NOT_RUN = "ok", "failed", "advice", "not run"
_STYLES = {_OK: "green", _FAILED: "bold red", _ADVICE: "yellow", _NOT_RUN: "dim"}


class _Finding(NamedTuple):
    """One line of the report."""

    subject: str
    outcome: str
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
    if not _faults(findings):
        findings += _suite(name)
    console = output()
    console.print(_table(findings))
    faults = _faults(findings)
    if faults:
        raise click.ClickException(f"{faults} of these checks failed for {name}")
    write(
        console,
        f"{name} is in order, as far as it was looked at. The whole suite: "
        f"pytest --pyargs handler_core.testing --handler {name}",
    )


def _faults(findings: list[_Finding]) -> int:
    return sum(finding.outcome == _FAILED for finding in findings)


def _plugin(name: str) -> Iterator[_Finding]:
    """Look at what can be seen without running it."""
    claims = [info for info in list_handlers() if info.name == name]
    yield _Finding(
        "entry point",
        _OK if len(claims) == 1 else _FAILED,
        " and ".join(f"{info.value} of {info.distribution} {info.version}" for info in claims),
    )
    described = describe_model(name)
    if isinstance(described, ChildError):
        yield _Finding("class and hooks", _FAILED, str(described))
    else:
        yield _Finding(
            "class and hooks", _OK, f"{described.class_name}: {', '.join(HOOKS_OF_A_HANDLER)}"
        )
        yield from _says_its_name(name, described)
    if len(claims) == 1:
        yield from _metadata(claims[0])


def _says_its_name(name: str, described: Description) -> Iterator[_Finding]:
    if described.name != name:
        yield _Finding(
            "name",
            _FAILED,
            f"its handlers call themselves {described.name!r}: write name = {name!r} in the class",
        )
    if not described.summary:
        yield _Finding(
            "docstring", _ADVICE, "the class says nothing of itself: give it a docstring"
        )


def _metadata(info: HandlerInfo) -> Iterator[_Finding]:
    """Look at what an installer sees."""
    core = importlib_metadata.version("handler-core")
    try:
        required = requirements(info.distribution)
        metadata = importlib_metadata.metadata(info.distribution)
    except (importlib_metadata.PackageNotFoundError, InvalidRequirement, ValueError) as error:
        yield _Finding("metadata", _FAILED, f"it cannot be read; install it again: {error}")
        return
    ours = [each for each in required if canonicalize_name(each.name) == "handler-core"]
    if not ours:
        yield _Finding(
            "requirement", _FAILED, f'it does not require handler-core: add "{_range_of(core)}"'
        )
    for each in ours:
        fits = each.specifier.contains(core, prereleases=True)
        bounded = any(part.operator in ("<", "<=", "==", "~=") for part in each.specifier)
        if not fits:
            yield _Finding("requirement", _FAILED, f"{each}, which is not the {core} that is here")
        elif not bounded:
            yield _Finding(
                "requirement", _ADVICE, f'{each} has no upper bound: "{_range_of(core)}"'
            )
        else:
            yield _Finding("requirement", _OK, str(each))
    for key, advice in (
        ("Summary", "a description"),
        ("Requires-Python", "requires-python"),
        ("Description", "a readme"),
    ):
        if not metadata.get(key):
            yield _Finding("metadata", _ADVICE, f"the distribution has no {key}: give it {advice}")
    classifiers = metadata.get_all("Classifier") or []
    if not any(metadata.get(key) for key in ("License-Expression", "License", "License-File")) and (
        not any(each.startswith("License ::") for each in classifiers)
    ):
        yield _Finding("metadata", _ADVICE, "the distribution has no license: name one")


def _range_of(core: str) -> str:
    return f"handler-core{compatible_range(core)}"


def _suite(name: str) -> Iterator[_Finding]:
    """Run the quick part of the conformance suite."""
    from handler_core.testing.contract import CONTRACT

    runs = Runs(ALL, "percent of the tests", _TIMEOUT)
    with runs.progress:
        try:
            found = Conformance(**runs.run(CONFORMANCE, name, {}))
        except ChildError as error:
            yield _Finding("conformance", _FAILED, str(error))
            return
    for number, line in CONTRACT.items():
        passed = found.passed.get(str(number), 0)
        failed = found.failed.get(str(number), [])
        if failed:
            yield _Finding(line.heading, _FAILED, "\n".join((*failed, line.promise, line.url)))
        elif passed:
            yield _Finding(line.heading, _OK, f"{passed} test{'s' * (passed > 1)} passed")
        elif number in LONG_LINES:
            yield _Finding(line.heading, _NOT_RUN, "it takes long: the whole suite has its tests")
        else:
            yield _Finding(
                line.heading, _NOT_RUN, found.ended_by or "there is nothing to test here"
            )


def _table(findings: list[_Finding]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False)
    table.add_column("subject", style="bold", overflow="fold")
    table.add_column("outcome", no_wrap=True)
    table.add_column("text", overflow="fold")
    for subject, outcome, text in findings:
        table.add_row(subject, Text(outcome, style=_STYLES[outcome]), Text(printable(text)))
    return table
