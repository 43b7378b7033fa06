"""The checks of a plugin. Each yields its findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import importlib_metadata
from packaging.requirements import InvalidRequirement
from packaging.utils import canonicalize_name

from handler_core import HandlerInfo, list_handlers
from handler_core.cli.check.conformance import ALL, LONG_LINES, SUITE, Conformance
from handler_core.cli.child.process import ChildError, MissingError
from handler_core.cli.child.runs import Runs
from handler_core.cli.installed.description import Description
from handler_core.cli.installed.inspection import describe_model
from handler_core.cli.installed.libraries import requirements
from handler_core.cli.versions import compatible_range
from handler_core.handler._hook_methods import HANDLER_HOOKS

__all__ = [
    "ADVICE",
    "FAILED",
    "NOT_POSSIBLE",
    "NOT_RUN",
    "OK",
    "Finding",
    "check_plugin",
    "run_suite",
]

#: The outcomes of a check.
OK, FAILED, ADVICE, NOT_RUN, NOT_POSSIBLE = "ok", "failed", "advice", "not run", "not possible"

# The seconds that the suite may take, without the long lines and with them.
_TIMEOUT = 600.0
_TIMEOUT_OF_ALL = 3600.0


class Finding(NamedTuple):
    """One row of the report."""

    subject: str
    outcome: str
    text: str


def check_plugin(name: str) -> Iterator[Finding]:
    """Check what can be seen without running the model."""
    claims = [info for info in list_handlers() if info.name == name]
    yield Finding(
        "entry point",
        OK if len(claims) == 1 else FAILED,
        " and ".join(f"{info.value} of {info.distribution} {info.version}" for info in claims),
    )
    described = describe_model(name)
    if isinstance(described, ChildError):
        yield Finding("class and hooks", FAILED, str(described))
    else:
        yield Finding("class and hooks", OK, f"{described.class_name}: {', '.join(HANDLER_HOOKS)}")
        yield from _check_description(name, described)
    if len(claims) == 1:
        yield from _check_metadata(claims[0])


def run_suite(name: str, *, whole: bool) -> Iterator[Finding]:
    """Run the conformance suite, or its quick part. There is a finding for each line of it.

    Args:
        name: the model.
        whole: whether the lines whose tests take minutes are tested too.
    """
    from handler_core.testing._contract_texts import CONTRACT

    runs = Runs(ALL, "percent of the tests", _TIMEOUT_OF_ALL if whole else _TIMEOUT)
    with runs.progress:
        try:
            left_out = [] if whole else list(LONG_LINES)
            found = Conformance(**runs.run(SUITE, name, {"left_out": left_out}))
        except MissingError as error:
            yield Finding("conformance", NOT_POSSIBLE, str(error))
            return
        except ChildError as error:
            yield Finding("conformance", FAILED, str(error))
            return
    for number, line in CONTRACT.items():
        passed = found.passed.get(str(number), 0)
        failed = found.failed.get(str(number), [])
        if failed:
            yield Finding(line.heading, FAILED, "\n".join((*failed, line.promise, line.url)))
        elif passed:
            yield Finding(line.heading, OK, f"{passed} test{'s' * (passed > 1)} passed")
        elif number in left_out:
            yield Finding(line.heading, NOT_RUN, "its tests take minutes: --all runs them")
        else:
            yield Finding(
                line.heading, NOT_RUN, found.ended_by or "no test applies to this model here"
            )


def _check_description(name: str, described: Description) -> Iterator[Finding]:
    if described.name != name:
        yield Finding(
            "name",
            FAILED,
            f"the name of its handlers is {described.name!r}: write name = {name!r} in the class",
        )
    if not described.summary:
        yield Finding("docstring", ADVICE, "the class has no docstring: add one")


def _check_metadata(info: HandlerInfo) -> Iterator[Finding]:
    """Check the metadata that an installer reads."""
    core = importlib_metadata.version("handler-core")
    try:
        required = requirements(info.distribution)
        metadata = importlib_metadata.metadata(info.distribution)
    except (importlib_metadata.PackageNotFoundError, InvalidRequirement, ValueError) as error:
        yield Finding(
            "metadata", FAILED, f"it cannot be read: {error}; install the distribution again"
        )
        return
    ours = [each for each in required if canonicalize_name(each.name) == "handler-core"]
    wanted = f"handler-core{compatible_range(core)}"
    if not ours:
        yield Finding("requirement", FAILED, f'it does not require handler-core: add "{wanted}"')
    for each in ours:
        fits = each.specifier.contains(core, prereleases=True)
        bounded = any(part.operator in ("<", "<=", "==", "~=") for part in each.specifier)
        if not fits:
            yield Finding(
                "requirement", FAILED, f"{each} excludes the installed handler-core {core}"
            )
        elif not bounded:
            yield Finding("requirement", ADVICE, f'{each} has no upper bound: write "{wanted}"')
        else:
            yield Finding("requirement", OK, str(each))
    for key, addition in (
        ("Summary", "a description"),
        ("Requires-Python", "requires-python"),
        ("Description", "a readme"),
    ):
        if not metadata.get(key):
            yield Finding("metadata", ADVICE, f"the distribution has no {key}: add {addition}")
    classifiers = metadata.get_all("Classifier") or []
    if not any(metadata.get(key) for key in ("License-Expression", "License", "License-File")) and (
        not any(each.startswith("License ::") for each in classifiers)
    ):
        yield Finding("metadata", ADVICE, "the distribution has no license: name one")
