"""The benchmarks work, and judge rightly. No test here has a time in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree
from collections.abc import Iterator
from pathlib import Path

import benchmarks.__main__
import pyperf
import pytest
from benchmarks.bounds import BOUNDS, Bound, cells, growths
from benchmarks.rows import CREATE, HAND_OVER, SELECTS
from benchmarks.series import KAZOO, OURS, RAW, Series, Turns
from benchmarks.sides import MODELS
from benchmarks.whole import GETS_AT_ONCE

from handler_core.testing import ZooKeeperServer


@pytest.mark.timeout(300)
def test_a_quick_run_fills_every_cell(tmp_path: Path) -> None:
    missing = ZooKeeperServer.why_missing()
    if missing is not None and os.environ.get("CI"):
        pytest.fail(missing)
    parts = ["rows", "lookup", "growth", *(["whole", "coroutines"] if missing is None else [])]
    command = [sys.executable, "-m", "benchmarks", "--quick", "--results", str(tmp_path)]
    command += [option for part in parts for option in ("--part", part)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "load average: " in done.stderr
    assert (tmp_path / "benchmarks.md").read_text() == done.stdout

    results = json.loads((tmp_path / "benchmarks.json").read_text())
    judged = {
        (cell["row"], cell["model"]) for cell in results["cells"] if cell["inside"] is not None
    }
    in_parts = {
        key
        for key in BOUNDS
        if missing is None or not (key[0].startswith(("get, ", "set, ")) or key[1] == "asyncio")
    }
    assert judged == in_parts
    for cell in results["cells"]:
        expected = {OURS, KAZOO} if cell["part"] in ("rows", "whole") else {OURS}
        assert expected | set(cell["bound"]["times_better"]) <= set(cell["sides"])
        if cell["unit"] == "second":
            assert all(value > 0 for value in cell["sides"].values())
        assert f"| {cell['row']} | {cell['model']} |" in done.stdout
    grown = {(each["row"], each["model"]) for each in results["growths"] if each["side"] == OURS}
    assert {model for _, model in grown} == set(MODELS)
    assert len({row for row, _ in grown}) == len(grown) / len(MODELS)

    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "pyperf.json"))
    names = {f"rows: {row}: {model}: {RAW}" for row in (CREATE, *SELECTS) for model in MODELS}
    assert names <= set(suite.get_benchmark_names())
    chart = "".join(xml.etree.ElementTree.parse(tmp_path / "benchmarks.svg").getroot().itertext())
    assert all(text in chart for text in (*SELECTS, *MODELS))


def series(row: str, model: str = "threading", **sides: float) -> list[Series]:
    return [Series("rows", model, row, side, "second", [value]) for side, value in sides.items()]


@pytest.mark.parametrize(
    ("row", "sides", "inside"),
    [
        (CREATE, {"ours": 420e-9, "raw": 1.0, "kazoo": 1.0}, True),
        (CREATE, {"ours": 421e-9, "raw": 1.0, "kazoo": 1.0}, False),
        (SELECTS[0], {"ours": 1.49, "raw": 1.0, "kazoo": 0.1}, True),
        (SELECTS[0], {"ours": 1.51, "raw": 1.0, "kazoo": 9.0}, False),
        (HAND_OVER, {"ours": 1.16, "raw": 1.0, "kazoo": 9.0}, False),
        (GETS_AT_ONCE, {"ours": 1.0, "kazoo": 2.5}, True),
        (GETS_AT_ONCE, {"ours": 1.0, "kazoo": 2.4}, False),
        ("what has no bound", {"ours": 1.0, "kazoo": 9.0}, None),
    ],
)
def test_a_cell_is_judged_by_its_bound(
    row: str, sides: dict[str, float], inside: bool | None
) -> None:
    (cell,) = cells(series(row, **sides))
    assert cell.inside is inside
    assert cell.below_kazoo == pytest.approx(sides["kazoo"] / sides["ours"])


def test_the_ratios_of_a_bound() -> None:
    assert Bound(420, raw=330, kazoo=3_800).to_raw == pytest.approx(1.2727, abs=1e-4)
    assert Bound(420, raw=330, kazoo=3_800).below_kazoo == pytest.approx(9.0476, abs=1e-4)
    assert Bound(times_raw=1.5, raw=30, kazoo=776).to_raw == 1.5
    assert Bound(times_raw=1.5, raw=30, kazoo=776).below_kazoo == pytest.approx(17.24, abs=0.01)
    assert Bound(times_better={KAZOO: 3}).below_kazoo == 3
    assert Bound(500, kazoo=2_200).to_raw is None


@pytest.mark.parametrize(
    ("costs", "inside"),
    [
        ({1: 50.0, 10: 100.0, 100: 1_000.0}, True),  # a fixed cost, and then in proportion
        ({1: 1.0, 10: 10.0, 100: 10_000.0}, False),
        ({10: 10.0}, None),
    ],
)
def test_what_grows_faster_than_its_work_is_flagged(
    costs: dict[int, float], inside: bool | None
) -> None:
    measured = [
        Series("growth", "gevent", "row", side, "second", [cost, 9 * cost], size)
        for side in (OURS, KAZOO)
        for size, cost in costs.items()
    ]
    ours, kazoo = growths(measured)
    assert ours.inside is inside
    assert ours.costs == costs
    assert kazoo.inside is None
    assert cells(measured) == []


def test_sides_take_turns_and_a_slow_one_does_less() -> None:
    turns: list[str] = []
    counts: dict[str, list[int]] = {"quick": [], "slow": []}

    def run(side: str, each: float, operations: int) -> float:
        turns.append(side)
        counts[side].append(operations)
        return each * operations

    measured = Turns(
        {"quick": lambda n: run("quick", 0.001, n), "slow": lambda n: run("slow", 0.1, n)},
        operations=40,
        longest=1.0,
    )
    for _ in range(3):
        measured.take_one_each()
    assert turns == ["quick", "slow", "quick", "slow", "slow", "quick", "quick", "slow"]
    assert counts == {"quick": [2, 40, 40, 40], "slow": [2, 10, 10, 10]}
    assert measured.values == {
        "quick": pytest.approx([0.001] * 3),
        "slow": pytest.approx([0.1] * 3),
    }


@pytest.mark.parametrize(("ours", "status"), [(100e-9, 0), (500e-9, 1)])
def test_a_cell_outside_is_an_error(
    ours: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> Iterator[Series]:
        yield from series(CREATE, ours=ours, raw=1.0, kazoo=1.0)

    monkeypatch.setattr(benchmarks.__main__, "_measure", measure)
    arguments = ["benchmarks", "--part", "rows", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert benchmarks.__main__.main() == status
    assert ("**outside**" in (tmp_path / "benchmarks.md").read_text()) is bool(status)
