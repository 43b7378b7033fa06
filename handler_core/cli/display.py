"""Where a command shows things: a bar for each run while it runs, text, and a table."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

__all__ = ["output", "printable", "progress_on", "write"]

# Columns.
_NO_TERMINAL = 160


def progress_on(console: Console) -> Progress:
    """Return the bars. They go when all is done, and never come where there is no terminal."""
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
    """Return the console for the table, which is not to be squeezed where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=_NO_TERMINAL)


def write(console: Console, text: str, style: str | None = None, *, wrap: bool = True) -> None:
    """Write text as it is: no markup in it, and its lines broken for a terminal only.

    Args:
        console: where to.
        text: what.
        style: that of a rich console.
        wrap: False for what is to be copied, a path say, which is never broken.
    """
    console.print(
        printable(text),
        style=style,
        markup=False,
        highlight=False,
        soft_wrap=not (wrap and console.is_terminal),
    )


def printable(text: str) -> str:
    """Return a text that a terminal only shows: what a plugin says may have control characters."""
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in text
    )
