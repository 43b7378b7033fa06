"""``handler-core list`` and ``handler-core info NAME``: show what is installed, and if it works."""

from __future__ import annotations

import click
from rich import box
from rich.table import Table
from rich.text import Text

from handler_core import list_handlers
from handler_core.cli.child.process import ChildError
from handler_core.cli.child.runs import complete_model, models_named
from handler_core.cli.display import (
    json_option,
    output,
    printable,
    show_table,
    write,
    write_json,
)
from handler_core.cli.installed.choice import choice
from handler_core.cli.installed.description import Description
from handler_core.cli.installed.inspection import describe_model, describe_wrapper
from handler_core.cli.installed.libraries import libraries
from handler_core.cli.installed.result import Described, result
from handler_core.execution._compiled import VARIABLE, build, reason
from handler_core.lookup._default_model import candidates
from handler_core.lookup._find_wrappers import list_wrappers

__all__ = ["info", "list_plugins"]


@click.command("list", epilog="Example: handler-core list --json")
@json_option
def list_plugins(as_json: bool) -> None:
    """List the installed models and wrappers, and say what works.

    A plugin that is broken is shown with its error. The last lines tell which model get_handler()
    takes here, and which build of the core runs.
    """
    models = [(each, describe_model(each.name)) for each in list_handlers()]
    wrappers = [(each, describe_wrapper(each.name)) for each in list_wrappers()]
    broken = {each.name for each, found in models if isinstance(found, ChildError)}
    if as_json:
        write_json(result(models, wrappers, broken))
        return
    console = output()
    for kind, described in (("model", models), ("wrapper", wrappers)):
        if described:
            show_table(console, _table(kind, described), ("version", "distribution", "library"))
        for each, description in described:
            if isinstance(description, ChildError):
                of = each.distribution
                write(console, f"the {kind} {each.name} of {of} is broken: {description}\n")
    write(console, choice(broken).sentence)
    write(console, _which_build())


@click.command(epilog="Example: handler-core info gevent")
@click.argument("name", shell_complete=complete_model)
@json_option
def info(name: str, as_json: bool) -> None:
    """Show all that is known about the model or the wrapper NAME.

    The exit status is 1 if it is not installed or broken.
    """
    wrappers = [each for each in list_wrappers() if each.name == name]
    models = [each for each in list_handlers() if each.name == name]
    if not wrappers:
        models_named([name])
    described_models = [(each, describe_model(name)) for each in models]
    described_wrappers = [(each, describe_wrapper(name)) for each in wrappers]
    broken: set[str] = set()
    if models or as_json:  # the choice is shown
        broken = {each for each in candidates() if isinstance(describe_model(each), ChildError)}
    if as_json:
        write_json(result(described_models, described_wrappers, broken))
    else:
        _show("model", described_models)
        if models:
            write(output(), choice(broken).sentence)
            write(output(), _which_build())
        _show("wrapper", described_wrappers)
    for _, error in (*described_models, *described_wrappers):
        if isinstance(error, ChildError):
            raise click.ClickException(printable(f"{name} is broken: {error}"))


def _show(kind: str, plugins: Described) -> None:
    """Show the plugins of one name. Several distributions may claim the same name."""
    console = output()
    for each, described in plugins:
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


def _table(kind: str, plugins: Described) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(kind, style="bold", no_wrap=True)
    for heading in ("distribution", "version", "library"):
        table.add_column(heading, overflow="fold")
    table.add_column("state", no_wrap=True)
    for each, described in plugins:
        state = Text("works", style="green")
        if isinstance(described, ChildError):
            state = Text("broken", style="bold red")
        texts = (each.name, each.distribution, each.version, libraries(each))
        table.add_row(*(Text(printable(text)) for text in texts), state)
    return table


def _which_build() -> str:
    """Return a sentence that says whether the core runs as compiled code here."""
    if build() == "compiled":
        return f"the core runs as compiled code ({VARIABLE}=1 takes its Python source)"
    return f"the core runs from its Python source: {reason()}"
