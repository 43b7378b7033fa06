"""The tables that the commands show at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.costs import costs_of
from handler_core.cli.load import WINDOW, Measurement
from handler_core.cli.rounds import Figures

__all__ = ["bench_table", "demo_table"]

_FAILED = Text("failed", style="bold red")


def demo_table(results: Sequence[tuple[str, str, Measurement | None]], requests: int) -> Table:
    """Return the demo's table: one line a run.

    Args:
        results: of each run its model, its job and what was measured, None if it failed.
        requests: how many each run sent.
    """
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
            table.add_row(Text(model), job, _FAILED)
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


def bench_table(results: Mapping[str, Figures | None], rounds: int) -> Table:
    """Return the table of the bench: one line a row, one column a model.

    Args:
        results: of each model what it has shown, None if it failed.
        rounds: how many each model ran.
    """
    measured = {model: figures for model, figures in results.items() if figures is not None}
    compared = len(measured) > 1
    of_rounds = f"the best of {rounds:,} rounds" if rounds > 1 else "one round"
    table = Table(
        title="what one operation takes",
        caption=f"{of_rounds}; * is the best model" if compared else of_rounds,
        box=box.SIMPLE_HEAD,
    )
    table.add_column("", style="bold", overflow="fold")
    table.add_column("")
    for model in results:
        table.add_column(Text(model), justify="right", overflow="fold")
    for cost in costs_of(measured):
        shown = {model: cost.shown(value) for model, value in cost.of_models.items()}
        best = cost.shown(min(cost.of_models.values(), default=0))
        differ = len(set(shown.values())) > 1
        cells = []
        for model in results:
            if model not in shown:
                cells.append(_FAILED)
            elif differ and shown[model] == best:
                cells.append(Text(f"{best} *", style="bold green"))
            else:
                cells.append(Text(shown[model] + "  " * compared))
        table.add_row(cost.name, cost.unit, *cells)
    return table
