"""What the demo shows: a bar for each run while it runs, and the table at the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from handler_core.cli.load import WINDOW, Measurement

__all__ = ["output", "progress_on", "table_of", "write"]

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


def table_of(results: Sequence[tuple[str, str, Measurement | None]], requests: int) -> Table:
    """Return the table. A run is a model, a job and what was measured, None if it failed."""
    table = Table(
        title=f"{requests:,} requests each, up to {min(WINDOW, requests)} in flight",
        caption="ms: from a request to its callback",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", style="bold", overflow="fold")
    table.add_column("job", overflow="fold")
    # A heading in two lines leaves a terminal of 80 columns wide enough.
    for heading in (
        "requests\na second",
        "callbacks\nrun",
        "p50\nms",
        "p99\nms",
        "threads\nin use",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    previous = None
    for model, job, measured in results:
        if previous not in (None, job):
            table.add_section()
        previous = job
        if measured is None:
            table.add_row(model, job, Text("failed", style="bold red"))
        else:
            table.add_row(
                model,
                job,
                f"{measured.rate:,.0f}",
                f"{measured.linked + measured.dispatched:,}",
                f"{measured.p50:.1f}",
                f"{measured.p99:.1f}",
                str(measured.threads),
            )
    return table


def output() -> Console:
    """Return the console for the table, which is not to be squeezed where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=_NO_TERMINAL)


def write(console: Console, text: str, style: str | None = None) -> None:
    """Write text as it is: no markup in it, and its lines broken for a terminal only."""
    console.print(
        text, style=style, markup=False, highlight=False, soft_wrap=not console.is_terminal
    )
