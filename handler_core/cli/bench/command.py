"""``handler-core bench``: show what single operations cost on every installed model."""

from __future__ import annotations

import contextlib
import os.path
from collections.abc import Callable, Iterator, Mapping, Sequence

import click

from handler_core.cli.bench.output_file import check_writable, write_whole
from handler_core.cli.bench.rounds import SINGLE_OPERATIONS, Figures, runs_in
from handler_core.cli.bench.table import bench_table
from handler_core.cli.child.runs import Runs, complete_model, models_named
from handler_core.cli.display import output, show_table
from handler_core.lookup._install_lines import install_line

__all__ = ["bench"]

# The seconds that a model may take, far more than it needs: a round takes some tenths of a second.
_TIMEOUT = 60.0
_TIMEOUT_OF_A_ROUND = 10.0

_Render = Callable[[Mapping[str, Figures]], str]


def _writable(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None:
        try:
            check_writable(value)
        except OSError as error:
            raise click.BadParameter(f"{value!r}: {error.strerror}.") from None
    return value


def _svg(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not value.lower().endswith(".svg"):
        raise click.BadParameter(f"{value!r} does not end in '.svg'.")
    return _writable(ctx, parameter, value)


@click.command(epilog="Example: handler-core bench threading gevent --plot costs.svg")
@click.argument("names", metavar="[NAME]...", nargs=-1, shell_complete=complete_model)
@click.option(
    "--rounds",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many times each operation is measured. The best round counts.",
)
@click.option(
    "--json",
    "json_file",
    metavar="FILE",
    callback=_writable,
    help="Write all figures, with the machine and the versions, to a file that pyperf reads.",
)
@click.option(
    "--plot",
    "svg_file",
    metavar="FILE.svg",
    callback=_svg,
    help="Draw the table as a bar chart.",
)
def bench(names: Sequence[str], rounds: int, json_file: str | None, svg_file: str | None) -> None:
    """Measure single operations on all models, or on those NAMEd.

    The table shows which model suits this machine. Each model runs in a process of its own, one
    after the other. Leave the machine idle meanwhile.
    """
    files = list(_files(json_file, svg_file))
    models = models_named(names)
    runs = Runs(runs_in(rounds), "runs", _TIMEOUT + rounds * _TIMEOUT_OF_A_ROUND)
    results: dict[str, Figures | None] = {}
    with runs.progress:
        for model in models:
            shown = runs.measure(SINGLE_OPERATIONS, model, {"rounds": rounds})
            results[model] = None if shown is None else Figures(**shown)
    show_table(output(), bench_table(results, rounds))
    measured = {model: figures for model, figures in results.items() if figures is not None}
    if measured:
        for path, text in [(path, render(measured)) for path, render in files]:
            try:
                write_whole(path, text)
            except OSError as error:
                raise click.ClickException(f"{path}: {error.strerror}") from None
    if runs.failed:
        raise click.exceptions.Exit(1)


def _files(json_file: str | None, svg_file: str | None) -> Iterator[tuple[str, _Render]]:
    """Yield the path of each file to write, with the function that makes its text."""
    paths = [os.path.realpath(path) for path in (json_file, svg_file) if path is not None]
    if len(paths) != len(set(paths)):
        raise click.UsageError("--json and --plot name the same file.")
    if json_file is not None:
        with _needed_for("--json"):
            from handler_core.cli.bench.pyperf_file import pyperf_json
        yield json_file, pyperf_json
    if svg_file is not None:
        with _needed_for("--plot"):
            from handler_core.cli.bench.chart import svg_chart
        yield svg_file, svg_chart


@contextlib.contextmanager
def _needed_for(option: str) -> Iterator[None]:
    """Tell the user what to install if an import in the block fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"{option} needs the package {error.name}, which is not installed; "
            f"to install what it needs: {install_line('bench')}"
        ) from None
