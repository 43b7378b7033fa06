"""``handler-core bench``, run as a user runs it: its table, and models that fail."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyperf
import pytest
from bench_table import MEMORY, NAMES, cells_of, number
from odd_model import LINKS_TWICE, MODEL
from rich.console import Console

import handler_core
from handler_core.cli.bench.operations import ROWS
from handler_core.cli.bench.rounds import Figures
from handler_core.cli.bench.table import bench_table

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakePlugin = Callable[[str, str], Path]


def test_shows_each_installed_model(run: Run) -> None:
    done = run("bench", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    headings, rows = cells_of(done.stdout)
    assert headings == [info.name for info in handler_core.list_handlers()]
    assert list(rows) == NAMES
    assert [cells[0] for cells in rows.values()] == ["ns"] * 3 + ["µs"] * 4 + ["bytes"]
    for cells in rows.values():
        assert len(cells) == 1 + len(headings)
        assert all(number(cell) > 0 for cell in cells[1:])
    assert "one round" in done.stdout


def test_runs_the_named_models_only(run: Run, plugin: MakePlugin) -> None:
    done = run("bench", "--rounds", "1", "odd", "odd", folders=[plugin("odd", MODEL)])
    assert done.returncode == 0, done.stderr
    headings, rows = cells_of(done.stdout)
    assert headings == ["odd"]
    assert "*" not in done.stdout
    assert list(rows) == NAMES


def shown(results: dict[str, Figures | None]) -> dict[str, list[str]]:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(bench_table(results, 2))
    return cells_of(capture.get())[1]


def figures(seconds: Sequence[float], pending: float) -> Figures:
    return Figures({row.name: list(seconds) for row in ROWS}, pending)


def test_the_best_round_counts_and_the_best_model_is_marked() -> None:
    rows = shown(
        {"a": figures([9e-6, 2e-6], 64), "b": figures([1e-6, 9e-6], 64), "c": None},
    )
    assert rows["create, set, get"] == ["ns", "2,000", "1,000 *", "failed"]
    assert rows["select, 1 socket"] == ["µs", "2.0", "1.0 *", "failed"]
    # No model is marked as the best if all are equal.
    assert rows[MEMORY] == ["bytes", "64", "64", "failed"]


def test_those_that_nobody_can_tell_apart_are_both_the_best() -> None:
    rows = shown(
        {"a": figures([1.0001e-6], 64), "b": figures([1e-6], 72), "c": figures([2e-6], 72)}
    )
    assert rows["create, set, get"] == ["ns", "1,000 *", "1,000 *", "2,000"]
    assert rows[MEMORY] == ["bytes", "64 *", "72", "72"]


BROKEN = {
    "import": ("raise OSError('no luck')", "cannot be imported: OSError: no luck"),
    "no hooks": ("class Handler: pass", "missing hook select"),
    "exit": ("import os; os._exit(7)", "the process ended with status 7 and no result"),
    "lost callback": (
        MODEL
        + """
    dispatched = 0

    @hookimpl
    def dispatch_callback(self, callback):
        self.dispatched += 1
        if self.dispatched != 3:
            super().dispatch_callback(callback)
""",
        "29,999 dispatched callbacks ran instead of 30,000",
    ),
    "repeated link": (
        MODEL + LINKS_TWICE,
        "linked callbacks ran instead of 20,000",
    ),
    "blind": (
        MODEL
        + """
    @hookimpl
    def select(self, rlist, wlist, xlist, timeout):
        return [], [], []
""",
        "select found 0 sockets ready instead of 1",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_model_is_reported_and_the_others_are_measured(
    run: Run, plugin: MakePlugin, tmp_path: Path, case: str
) -> None:
    source, reason = BROKEN[case]
    file = tmp_path / "figures.json"
    done = run(
        *("bench", "--rounds", "1", "odd", "threading", "--json", str(file)),
        folders=[plugin("odd", source)],
    )
    assert done.returncode == 1
    assert done.stderr.startswith("failed: odd, single operations: ")
    assert reason in done.stderr
    headings, rows = cells_of(done.stdout)
    assert headings == ["odd", "threading"]
    for cells in rows.values():
        assert cells[1] == "failed"
        assert number(cells[2]) > 0
    names = pyperf.BenchmarkSuite.load(str(file)).get_benchmark_names()
    assert names == [f"threading: {name}" for name in NAMES]


def test_a_model_that_hangs_is_ended(
    environment: Callable[..., dict[str, str]], plugin: MakePlugin
) -> None:
    folder = plugin("odd", "import time; time.sleep(600)")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import importlib, sys\n"
            "bench = importlib.import_module('handler_core.cli.bench.command')\n"
            "bench._TIMEOUT, bench._TIMEOUT_OF_A_ROUND = 1.0, 2.0\n"
            "from handler_core.__main__ import main\n"
            "sys.argv = ['handler-core', 'bench', '--rounds', '1', 'odd']\n"
            "main()",
        ],
        env=environment([folder]),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "took longer than 3 seconds, with 0 of 7 runs done" in done.stderr


def bench_limited(environment: Callable[..., dict[str, str]], ulimit: str) -> Any:
    """Run the bench with a limit on the number of descriptors."""
    command = f"ulimit {ulimit}; exec {sys.executable} -m handler_core bench --rounds 1 threading"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_too_few_descriptors(environment: Callable[..., dict[str, str]]) -> None:
    done = bench_limited(environment, "-n 256")
    assert done.returncode == 1
    assert "1,000 sockets are needed, and this process may open only 256 files" in done.stderr
    assert "ulimit -n" in done.stderr


def test_a_low_soft_limit_is_no_hindrance(environment: Callable[..., dict[str, str]]) -> None:
    done = bench_limited(environment, "-Sn 256")
    assert done.returncode == 0, done.stderr
    assert list(cells_of(done.stdout)[1]) == NAMES
