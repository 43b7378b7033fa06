"""The table that the bench shows at its end."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.table import Table
from rich.text import Text

from handler_core.cli.bench.costs import costs_of
from handler_core.cli.bench.rounds import Figures
from handler_core.cli.display import FAILED_CELL

__all__ = ["bench_table"]


def bench_table(results: Mapping[str, Figures | None], rounds: int) -> Table:
    """Return a table with one row for each operation and one column for each model.

    Args:
        results: the figures of each model, or None if its run failed.
        rounds: how many rounds each model ran.
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
        table.add_column(Text(model), justify="right", no_wrap=True)
    for cost in costs_of(measured):
        shown = {model: cost.shown(value) for model, value in cost.of_models.items()}
        best = cost.shown(min(cost.of_models.values(), default=0))
        differ = len(set(shown.values())) > 1
        cells = []
        for model in results:
            if model not in shown:
                cells.append(FAILED_CELL)
            elif differ and shown[model] == best:
                cells.append(Text(f"{best} *", style="bold green"))
            else:
                cells.append(Text(shown[model] + "  " * compared))
        table.add_row(cost.name, cost.unit, *cells)
    return table
