"""The table that the demo shows at its end."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.demo.load import WINDOW, Measurement
from handler_core.cli.display import FAILED_CELL

__all__ = ["DROPPABLE", "demo_table"]

#: The columns that a narrow terminal goes without, the least important first.
DROPPABLE = ("threads\nin use", "callbacks\nrun", "p50\nms")


def demo_table(results: Sequence[tuple[str, str, Measurement | None]], requests: int) -> Table:
    """Return a table with one row for each run.

    Args:
        results: for each run the model, the name of the job, and what was measured. The latter is
            None if the run failed.
        requests: how many requests each run sent.
    """
    in_loop = sorted({model for model, _, measured in results if measured and measured.in_loop})
    table = Table(
        title=f"{requests:,} requests each, up to {min(WINDOW, requests)} in flight",
        caption="ms: from a request to its callback"
        + (f"\ncalled by a coroutine, in its event loop: {', '.join(in_loop)}" if in_loop else ""),
        box=box.SIMPLE_HEAD,
    )
    table.add_column("model", style="bold", no_wrap=True)
    table.add_column("job", overflow="fold")
    # Headings of two lines make the table fit into a terminal of 80 columns.
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
            table.add_row(Text(model), job, FAILED_CELL)
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
