"""How a command shows things: progress bars, plain text, tables and JSON."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

__all__ = [
    "FAILED_CELL",
    "json_option",
    "output",
    "printable",
    "progress_on",
    "show_table",
    "write",
    "write_json",
]

#: The cell of a table that stands for a run that failed.
FAILED_CELL = Text("failed", style="bold red")

# Columns.
_WIDTH_WITHOUT_TERMINAL = 160

#: The option of the commands that can write their result as JSON.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Write the result as JSON, for programs."
)


def progress_on(console: Console) -> Progress:
    """Return progress bars for a console.

    They vanish at the end. Where the console is not a terminal, they never appear.
    """
    return Progress(
        TextColumn("{task.fields[model]}", style="bold"),
        TextColumn("{task.fields[job]}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


def output() -> Console:
    """Return the console for tables.

    It is as wide as the terminal, or as ``COLUMNS`` says. Where there is neither, it is wide enough
    for all tables.
    """
    console = Console()
    if console.is_terminal or os.environ.get("COLUMNS", "").isdecimal():
        return console
    return Console(width=_WIDTH_WITHOUT_TERMINAL)


def show_table(console: Console, table: Table, droppable: Sequence[str] = ()) -> None:
    """Show a table. Where it is too wide, it has fewer columns.

    Args:
        console: where to show it.
        table: the table. Columns that have to be whole have ``no_wrap``.
        droppable: headings of the columns to leave out, the least important first. If that is not
            enough, the text in the others is folded.
    """
    unlimited = console.options.update_width(10_000)
    for heading in droppable:
        if console.measure(table, options=unlimited).maximum <= console.width:
            break
        table.columns = [column for column in table.columns if column.header != heading]
    if console.is_terminal:
        console.print(table)
        return
    with console.capture() as captured:
        console.print(table)
    # A table is a rectangle. In a file, blanks at the end of a line are in the way.
    lines = [line.rstrip() for line in captured.get().splitlines()]
    console.out("\n".join(lines), highlight=False)


def write_json(value: Mapping[str, object]) -> None:
    """Write a value as JSON on standard output."""
    click.echo(json.dumps(value, indent=2))


def write(console: Console, text: str, style: str | None = None, *, wrap: bool = True) -> None:
    """Write text without interpreting markup in it. Lines are wrapped on a terminal only.

    Args:
        console: where to write.
        text: what to write.
        style: a style of rich.
        wrap: False for text that users copy, such as a path. It is never wrapped.
    """
    console.print(
        printable(text),
        style=style,
        markup=False,
        highlight=False,
        soft_wrap=not (wrap and console.is_terminal),
    )


def printable(text: str) -> str:
    """Return the text with its control characters escaped.

    The text of a plugin may contain some, and a terminal would obey them.
    """
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
