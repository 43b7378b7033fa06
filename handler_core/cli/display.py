"""How a command shows things: progress bars, plain text and tables."""

from __future__ import annotations

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

__all__ = ["FAILED_CELL", "output", "printable", "progress_on", "write"]

#: The cell of a table that stands for a run that failed.
FAILED_CELL = Text("failed", style="bold red")

# Columns.
_WIDTH_WITHOUT_TERMINAL = 160


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
    """Return the console for tables. Where it is not a terminal, it is wide enough for them."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_WITHOUT_TERMINAL)


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
