"""``handler-core list`` and ``handler-core info NAME``: show what is installed, and if it works."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import click
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core import (
    HandlerInfo,
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
    list_handlers,
)
from handler_core.cli.child.process import ChildError
from handler_core.cli.child.runs import models_named
from handler_core.cli.display import output, printable, write
from handler_core.cli.installed.description import Description
from handler_core.cli.installed.inspection import describe_model, describe_wrapper
from handler_core.cli.installed.libraries import libraries
from handler_core.execution._compiled import VARIABLE, build, reason
from handler_core.lookup._default_model import candidates, choose_model
from handler_core.lookup._find_wrappers import (
    WRAPPERS_VARIABLE,
    list_wrappers,
    wrappers_of_the_environment,
)

__all__ = ["info", "list_plugins"]

_Described = Sequence[tuple[HandlerInfo, Description | ChildError]]


@click.command("list")
def list_plugins() -> None:
    """List the installed models and wrappers: where each comes from, and whether it works.

    A plugin that is broken is shown with its error. The last line tells which model get_handler()
    takes here.
    """
    models = [(each, describe_model(each.name)) for each in list_handlers()]
    wrappers = [(each, describe_wrapper(each.name)) for each in list_wrappers()]
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
    write(console, _which_build())


@click.command()
@click.argument("name")
def info(name: str) -> None:
    """Show all that is known about the model or the wrapper NAME.

    The exit status is 1 if it is not installed or broken.
    """
    wrappers = [each for each in list_wrappers() if each.name == name]
    models = [each for each in list_handlers() if each.name == name]
    if not wrappers:
        models_named([name])
    found = []
    if models:
        found.append(describe_model(name))
        _show("model", models, found[-1])
        broken = {each for each in candidates() if isinstance(describe_model(each), ChildError)}
        write(output(), _what_is_chosen(broken))
        write(output(), _which_build())
    if wrappers:
        found.append(describe_wrapper(name))
        _show("wrapper", wrappers, found[-1])
    for error in found:
        if isinstance(error, ChildError):
            raise click.ClickException(printable(f"{name} is broken: {error}"))


def _show(kind: str, plugins: list[HandlerInfo], described: Description | ChildError) -> None:
    """Show the plugins of one name. Several distributions may claim the same name."""
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
    """Return a sentence that says which model ``get_handler()`` takes here.

    Broken models are not asked whether they are active, because they may do anything.
    """
    wrappers = wrappers_of_the_environment()
    missing = sorted(set(wrappers) - {each.name for each in list_wrappers()})
    if missing:
        return (
            f"get_handler() fails here: the variable {WRAPPERS_VARIABLE} names "
            f"{', '.join(missing)}, and there is no such wrapper"
        )
    try:
        name, reason = choose_model(broken)
    except (HandlerNotFoundError, HandlerLoadError, HandlerValidationError) as error:
        return f"get_handler() fails here: {error}"
    if name in broken:
        return f"get_handler() fails here: it takes {name} ({reason}), which is broken"
    around = f", with {', '.join(wrappers)} around it" if wrappers else ""
    return f"get_handler() takes {name} here{around}: {reason}"


def _which_build() -> str:
    """Return a sentence that says whether the core runs as compiled code here."""
    if build() == "compiled":
        return f"the core runs as compiled code ({VARIABLE}=1 takes its Python source)"
    return f"the core runs from its Python source: {reason()}"
