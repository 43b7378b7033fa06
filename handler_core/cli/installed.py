"""``handler-core list`` and ``handler-core info NAME``: what is installed here, and does it work?

To find that out a plugin must be imported, and so each is, in a process of its own: one that is
broken, in whatever way, breaks nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.children import ChildError, run_in_child
from handler_core.cli.description import Description
from handler_core.cli.display import output, printable, write
from handler_core.cli.jobs import DESCRIPTION, WRAPPER_DESCRIPTION
from handler_core.cli.libraries import libraries
from handler_core.cli.runs import models_named
from handler_core.lookup._choice import candidates, choice
from handler_core.lookup._entry_points import HandlerInfo
from handler_core.lookup._exceptions import (
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
)
from handler_core.lookup._get_handler import list_handlers
from handler_core.lookup._wrappers import (
    WRAPPERS_VARIABLE,
    list_wrappers,
    wrappers_of_the_environment,
)

__all__ = ["describe_model", "info", "list_plugins"]

# Seconds. An import may take its time on a busy machine.
_TIMEOUT = 60.0

_Described = Sequence[tuple[HandlerInfo, Description | ChildError]]


@click.command("list")
def list_plugins() -> None:
    """List the installed models and wrappers: where each comes from, and whether it works.

    And which model get_handler() chooses here. What is broken is shown with its error.
    """
    models = [(each, describe_model(each.name)) for each in list_handlers()]
    wrappers = [(each, _describe_wrapper(each.name)) for each in list_wrappers()]
    console = output()
    for kind, described in (("model", models), ("wrapper", wrappers)):
        if described:
            console.print(_table(kind, described))
        for each, description in described:
            if isinstance(description, ChildError):
                of = each.distribution
                write(console, f"the {kind} {each.name} of {of} is broken: {description}\n")
    broken = {each.name for each, found in models if isinstance(found, ChildError)}
    write(console, _what_is_chosen(broken))


@click.command()
@click.argument("name")
def info(name: str) -> None:
    """Tell all there is to tell of the model, or the wrapper, NAME.

    The exit status is 1 if it is not installed, or is broken.
    """
    wrappers = [each for each in list_wrappers() if each.name == name]
    models = [each for each in list_handlers() if each.name == name]
    if not wrappers:
        models_named([name])
    found = []
    if models:
        found.append(describe_model(name))
        _tell("model", models, found[-1])
        broken = {each for each in candidates() if isinstance(describe_model(each), ChildError)}
        write(output(), _what_is_chosen(broken))
    if wrappers:
        found.append(_describe_wrapper(name))
        _tell("wrapper", wrappers, found[-1])
    for error in found:
        if isinstance(error, ChildError):
            raise click.ClickException(printable(f"{name} is broken: {error}"))


def _tell(kind: str, plugins: list[HandlerInfo], described: Description | ChildError) -> None:
    """Write what there is to tell of the plugins of one name, more than one if it is contested."""
    console = output()
    for each in plugins:
        lines = [
            (kind, each.name),
            ("distribution", f"{each.distribution} {each.version}".strip()),
            ("entry point", each.value),
            ("library", libraries(each)),
        ]
        if isinstance(described, Description):
            lines += [
                ("class", described.class_name),
                ("file", described.file),
                ("summary", described.summary),
            ]
        for title, text in lines:
            write(console, f"{title + ':':<14}{text}", wrap=False)


def describe_model(name: str) -> Description | ChildError:
    """Return what a model says of itself, or why it cannot."""
    return _describe(DESCRIPTION, name, "models")


def _describe_wrapper(name: str) -> Description | ChildError:
    return _describe(WRAPPER_DESCRIPTION, name, "wrappers")


def _describe(job: str, name: str, unit: str) -> Description | ChildError:
    try:
        described = run_in_child(
            job, name, {}, total=1, unit=unit, timeout=_TIMEOUT, report=lambda done: None
        )
    except ChildError as error:
        return error
    return Description(**described)


def _table(kind: str, plugins: _Described) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(kind, style="bold", overflow="fold")
    for heading in ("distribution", "version", "library", "state"):
        table.add_column(heading, overflow="fold")
    for each, described in plugins:
        state = Text("works", style="green")
        if isinstance(described, ChildError):
            state = Text("broken", style="bold red")
        texts = (each.name, each.distribution, each.version, libraries(each))
        table.add_row(*(Text(printable(text)) for text in texts), state)
    return table


def _what_is_chosen(broken: Collection[str]) -> str:
    """Say what ``get_handler()`` returns here. Broken models are not asked: they do anything."""
    wrappers = wrappers_of_the_environment()
    missing = sorted(set(wrappers) - {each.name for each in list_wrappers()})
    if missing:
        return (
            f"get_handler() fails here: the variable {WRAPPERS_VARIABLE} names "
            f"{', '.join(missing)}, and there is no such wrapper"
        )
    try:
        name, reason = choice(broken)
    except (HandlerNotFoundError, HandlerLoadError, HandlerValidationError) as error:
        return f"get_handler() fails here: {error}"
    if name in broken:
        return f"get_handler() fails here: it takes {name} ({reason}), which is broken"
    around = f", with {', '.join(wrappers)} around it" if wrappers else ""
    return f"get_handler() takes {name} here{around}: {reason}"
