"""``handler-core list`` and ``handler-core info NAME``: what is installed here, and does it work?

To find that out a model must be imported, and so each is, in a process of its own: one that is
broken, in whatever way, breaks nothing else.
"""

from __future__ import annotations

import click
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.children import ChildError, run_in_child
from handler_core.cli.description import Description
from handler_core.cli.display import output, write
from handler_core.cli.jobs import DESCRIPTION
from handler_core.cli.runs import models_named
from handler_core.discovery import HandlerInfo, choice, list_handlers
from handler_core.exceptions import HandlerLoadError, HandlerNotFoundError, HandlerValidationError

__all__ = ["describe_model", "info", "list_models"]

# Seconds. An import may take its time on a busy machine.
_TIMEOUT = 60.0


@click.command("list")
def list_models() -> None:
    """List the installed models: what each is, where it comes from, and whether it works.

    And which one get_handler() chooses here. A broken model is shown with its error.
    """
    installed = [(each, describe_model(each.name)) for each in list_handlers()]
    console = output()
    if installed:
        console.print(_table(installed))
    for each, described in installed:
        if isinstance(described, ChildError):
            write(console, f"{each.name} of {each.distribution} is broken: {described}\n")
    write(console, _what_is_chosen())


@click.command()
@click.argument("name")
def info(name: str) -> None:
    """Tell all there is to tell of the model NAME.

    The exit status is 1 if it is not installed, or is broken.
    """
    models_named([name])
    described = describe_model(name)
    console = output()
    for each in list_handlers():
        if each.name != name:
            continue
        lines = [
            ("model", each.name),
            ("distribution", f"{each.distribution} {each.version}".strip()),
            ("entry point", each.value),
        ]
        if isinstance(described, Description):
            lines += [
                ("class", described.handler_class),
                ("file", described.file),
                ("library", described.library or "not known"),
                ("summary", described.summary),
            ]
        write(console, "\n".join(f"{title + ':':<14}{text}" for title, text in lines))
    if isinstance(described, ChildError):
        raise click.ClickException(f"{name} is broken: {described}")
    write(console, _what_is_chosen())


def describe_model(name: str) -> Description | ChildError:
    """Return what a model says of itself, or why it cannot."""
    try:
        described = run_in_child(
            DESCRIPTION, name, {}, total=1, unit="models", timeout=_TIMEOUT, report=int
        )
    except ChildError as error:
        return error
    return Description(**described)


def _table(installed: list[tuple[HandlerInfo, Description | ChildError]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("model", style="bold", overflow="fold")
    for heading in ("distribution", "version", "library", "state"):
        table.add_column(heading, overflow="fold")
    for each, described in installed:
        if isinstance(described, Description):
            library, state = described.library or "not known", Text("works", style="green")
        else:
            library, state = "", Text("broken", style="bold red")
        table.add_row(each.name, each.distribution, each.version, library, state)
    return table


def _what_is_chosen() -> str:
    try:
        name, reason = choice()
    except (HandlerNotFoundError, HandlerLoadError, HandlerValidationError) as error:
        return f"get_handler() fails here: {error}"
    return f"get_handler() takes {name} here: {reason}"
