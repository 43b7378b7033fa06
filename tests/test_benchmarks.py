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
from benchmarks import bounds, coroutines
from benchmarks.bounds import BOUNDS
from benchmarks.bounds_page import NOT_EXPLAINED, bounds_page
from benchmarks.chart import write_chart
from benchmarks.child import run_child
from benchmarks.client_rows import NATIVE, PSYCOPG2, SERVERS, THREADS
from benchmarks.coroutines import AIOZK, BRIDGE
from benchmarks.figures import figures
from benchmarks.growth import ALL_READY, WAKE
from benchmarks.report import machine
from benchmarks.rows import CREATE, DISPATCH, HAND_OVER, MEMORY, SELECTS
from benchmarks.scale import QUICK
from benchmarks.series import KAZOO, OURS, RAW, Series, Turns
from benchmarks.sides import ALL_MODELS, ASYNCIO, KAZOO_MODELS
from benchmarks.user_page import user_page
from benchmarks.verdicts import cells, growths
from benchmarks.whole import GETS_AT_ONCE, GETS_ONE_BY_ONE, LATE_TYPICALLY, LATE_WORST

from handler_core.execution._compiled import build
from handler_core.testing import ZooKeeperServer


@pytest.mark.timeout(300)
def test_a_quick_run_fills_every_cell(tmp_path: Path) -> None:
    missing = ZooKeeperServer.why_missing()
    if missing is not None and os.environ.get("CI"):
        pytest.fail(missing)
    parts = ["rows", "lookup", "growth", *(["whole", "coroutines"] if missing is None else [])]
    without_servers = next(filter(None, (kind.why_missing() for kind in SERVERS)), None)
    if without_servers is not None and os.environ.get("CI"):
        pytest.fail(without_servers)
    parts += ["clients"] if without_servers is None else []
    command = [sys.executable, "-m", "benchmarks", "--quick", "--results", str(tmp_path)]
    command += [option for part in parts for option in ("--part", part)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "load average: " in done.stderr
    page, judging = ((tmp_path / name).read_text() for name in ("benchmarks.md", "bounds.md"))
    assert done.stdout == f"{page}\n{judging}"

    results = json.loads((tmp_path / "benchmarks.json").read_text())
    judged = {
        (cell["row"], cell["model"]) for cell in results["cells"] if cell["inside"] is not None
    }
    in_parts = {
        key
        for key in BOUNDS
        if missing is None or not key[0].startswith(("get", "set", "lateness", "sleep"))
    }
    assert judged == in_parts
    for cell in results["cells"]:
        expected = {OURS}
        if cell["part"] in ("rows", "whole") and cell["model"] != ASYNCIO:
            expected |= {KAZOO}
        if cell["part"] == "clients":
            expected |= {THREADS}
            if cell["model"] == ASYNCIO and cell["row"] != PSYCOPG2:
                expected |= {NATIVE}
        compared = expected | set(cell["bound"]["times"]) | set(cell["bound"]["better"])
        assert compared <= set(cell["sides"])
        # The Python source is measured beside the same sides.
        once = cell["part"] in ("lookup", "clients")
        assert set(cell["pure"]) == (set() if once else set(cell["sides"]))
        if cell["unit"] == "second":
            assert all(value > 0 for value in (*cell["sides"].values(), *cell["pure"].values()))
        line = f"| {cell['row']} | {cell['model']} |"
        assert line in page
        assert (line in judging) is (cell["inside"] is not None)
    grown = {(each["row"], each["model"]) for each in results["growths"] if each["side"] == OURS}
    assert {model for _, model in grown} == set(KAZOO_MODELS)
    assert len({row for row, _ in grown}) == len(grown) / len(KAZOO_MODELS)

    suite = pyperf.BenchmarkSuite.load(str(tmp_path / "pyperf.json"))
    with_rows = (*KAZOO_MODELS, ASYNCIO)
    names = {f"rows: {row}: {model}: {RAW}" for row in (CREATE, *SELECTS) for model in with_rows}
    assert names <= set(suite.get_benchmark_names())
    chart = "".join(xml.etree.ElementTree.parse(tmp_path / "benchmarks.svg").getroot().itertext())
    assert all(text in chart for text in (*ALL_MODELS, OURS, KAZOO, BRIDGE, AIOZK))


def series(
    row: str, model: str = "threading", *, pure: bool = False, **sides: float
) -> list[Series]:
    unit = "byte" if row == MEMORY else "second"
    return [
        Series("rows", model, row, side, unit, [value], pure=pure) for side, value in sides.items()
    ]


@pytest.mark.parametrize(
    ("row", "sides", "inside"),
    [
        # kazoo / ours at least
        (CREATE, {"ours": 1.0, "raw": 0.1, "kazoo": 10.0}, True),
        (CREATE, {"ours": 1.0, "raw": 0.1, "kazoo": 9.9}, False),
        (GETS_AT_ONCE, {"ours": 1.0, "kazoo": 2.5}, True),
        (GETS_AT_ONCE, {"ours": 1.0, "kazoo": 2.4}, False),
        # ours / another at most
        (SELECTS[0], {"ours": 1.2, "raw": 1.0, "kazoo": 0.1}, True),
        (SELECTS[0], {"ours": 1.21, "raw": 1.0, "kazoo": 9.0}, False),
        (HAND_OVER, {"ours": 1.16, "raw": 1.0, "kazoo": 9.0}, False),
        (LATE_TYPICALLY, {"ours": 3.0, "kazoo": 1.0}, True),
        (LATE_TYPICALLY, {"ours": 3.1, "kazoo": 1.0}, False),
        # a size; and a time, or else ours / kazoo at most
        (MEMORY, {"ours": 112.0, "kazoo": 1.0}, True),
        (MEMORY, {"ours": 113.0, "kazoo": 999.0}, False),
        (LATE_WORST, {"ours": 0.005, "kazoo": 0.001}, True),
        (LATE_WORST, {"ours": 0.006, "kazoo": 0.002}, True),
        (LATE_WORST, {"ours": 0.006, "kazoo": 0.0019}, False),
        ("what has no bound", {"ours": 1.0, "kazoo": 9.0}, None),
    ],
)
def test_a_cell_is_judged_by_its_bound(
    row: str, sides: dict[str, float], inside: bool | None
) -> None:
    (cell,) = cells(series(row, **sides))
    assert cell.inside is inside


@pytest.mark.parametrize(
    ("bridge", "aiozk", "inside"), [(5.0, 2.0, True), (4.9, 9.0, False), (9.0, 1.9, False)]
)
def test_all_others_of_a_bound_must_be_behind(bridge: float, aiozk: float, inside: bool) -> None:
    row = coroutines.AT_ONCE
    (cell,) = cells(series(row, ASYNCIO, ours=1.0, bridge=bridge, aiozk=aiozk))
    assert cell.inside is inside


def test_the_python_source_is_compared_in_its_own_process_and_has_no_verdict() -> None:
    measured = series(CREATE, ours=1.0, kazoo=11.0) + series(
        CREATE, pure=True, ours=3.0, kazoo=12.0
    )
    (cell,) = cells(measured)
    assert (cell.sides, cell.pure) == ({OURS: 1.0, KAZOO: 11.0}, {OURS: 3.0, KAZOO: 12.0})
    assert cell.inside is True
    (line,) = lines_of(user_page({}, [cell], [], ""), CREATE)
    assert line[-2:] == ["11", "4.00"]
    (line,) = lines_of(bounds_page({}, [cell], [], ""), CREATE)
    assert line[-3:] == ["11", "4.00", "inside"]


def test_a_process_is_told_to_run_the_python_source(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []

    def run(command: list[str], *, env: dict[str, str] | None, **_: object) -> None:
        told.append(None if env is None else env.get("HANDLER_CORE_PURE"))
        Path(command[6]).write_text(json.dumps(series(CREATE, ours=1.0)))

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("HANDLER_CORE_PURE", raising=False)
    built = run_child("rows", "threading", QUICK)
    pure = run_child("rows", "threading", QUICK, pure=True)
    assert told == [None, "1"]
    assert [each.pure for each in (*built, *pure)] == [False, True]


def lines_of(page: str, row: str) -> list[list[str]]:
    """Return the cells of each line of a table that begins with a row's name."""
    lines = [line.strip("| ").split(" | ") for line in page.splitlines()]
    return [line for line in lines if line[0] == row]


MEASURED = [
    *series(GETS_AT_ONCE, ours=1 / 40_000, kazoo=1 / 10_000),
    *series(coroutines.AT_ONCE, ASYNCIO, ours=1 / 40_000, bridge=1 / 8_000, aiozk=1 / 20_000),
    *series(DISPATCH, ours=1 / 7_654_321, kazoo=1 / 300_000),
    *series(DISPATCH, ASYNCIO, ours=1 / 4_000_000),
    *series(MEMORY, ours=72.0, kazoo=1_536.0),
]


def test_the_page_for_users_opens_with_three_figures() -> None:
    measured = cells(MEASURED)
    page = user_page({"CPU": "two of them"}, measured, [], "")
    opening, rest = page.split("[Performance](performance.md)")
    assert "](benchmarks.svg)" in opening
    lines = [line for line in opening.splitlines() if line.startswith(("| ", "**"))]
    assert [line for line in lines if not line.startswith("| ---")] == [
        "**Requests a second** (5,000 in flight; more is better):",
        "| model | ours | others | ours / others |",
        "| threading | 40,000 | kazoo&nbsp;10,000 | 4.0 |",
        "| asyncio | 40,000 | bridge&nbsp;8,000 | 5.0 |",
        "| asyncio | 40,000 | aiozk&nbsp;20,000 | 2.0 |",
        "**Callbacks a second** (more is better):",
        "| model | ours | others | ours / others |",
        "| threading | 7,650,000 | kazoo&nbsp;300,000 | 25.5 |",
        "| asyncio | 4,000,000 | - | - |",
        "**Bytes of a pending result** (less is better):",
        "| model | ours | others | others / ours |",
        "| threading | 72 | kazoo&nbsp;1,540 | 21.3 |",
    ]
    assert "- CPU: two of them" in rest
    assert "## Single operations" in rest


def test_the_page_for_users_has_no_verdict() -> None:
    outside = series(CREATE, ours=1.0, kazoo=1.0)
    growing = [Series("growth", "gevent", "row", OURS, "second", [n**2], n) for n in (1, 10)]
    page = user_page({}, cells(MEASURED + outside), growths(growing), "")
    assert lines_of(page, CREATE)
    assert lines_of(page, "row")
    for word in ("bound", "outside", "inside", "verdict"):
        assert word not in page.lower()


def test_a_part_alone_makes_pages(tmp_path: Path) -> None:
    judged = cells(series("what has no bound", ours=1.0))
    assert figures(judged) == []
    assert "benchmarks.svg" not in user_page({}, judged, [], "")
    page = bounds_page({}, judged, [], "")
    assert "**Nothing that was measured has a bound.**" in page
    assert "| what |" not in page
    write_chart(tmp_path / "chart.svg", [])
    assert xml.etree.ElementTree.parse(tmp_path / "chart.svg") is not None


def test_the_chart_has_a_value_at_each_bar_and_colours_for_the_dark(tmp_path: Path) -> None:
    write_chart(tmp_path / "chart.svg", figures(cells(MEASURED)))
    root = xml.etree.ElementTree.parse(tmp_path / "chart.svg").getroot()
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for label in ("40,000 ours", "10,000 kazoo", "8,000 bridge", "20,000 aiozk", "72 ours"):
        assert label in texts
    assert root.get("width") == "270pt"  # 360 pixels
    (style,) = (
        element.text
        for element in root.iter("{http://www.w3.org/2000/svg}style")
        if "prefers-color-scheme: dark" in (element.text or "")
    )
    # Each colour of a text has one for the dark.
    drawn = {
        part.strip()
        for element in root.iter("{http://www.w3.org/2000/svg}text")
        for part in element.get("style", "").split(";")
        if part.strip().startswith("fill: ")
    }
    assert len(drawn) == 2
    assert all(f'[style*="{colour}"]' in style for colour in drawn)


def test_what_is_outside_is_explained_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "benchmarks.verdicts.EXPLANATIONS",
        {
            (CREATE, "gevent"): "gevent's own is compiled",
            (GETS_ONE_BY_ONE, "gevent"): "{share:.0%} is the bare request",
            (WAKE, "threading"): "they queue",
        },
    )
    judged = cells(
        series(CREATE, ours=1.0, kazoo=1.0)
        + series(CREATE, "gevent", ours=1.0, kazoo=1.0)
        + series(CREATE, "eventlet", ours=1.0, kazoo=99.0)
        + series(GETS_ONE_BY_ONE, "gevent", ours=4.0, kazoo=4.0, raw=3.0)
    )
    growing = [Series("growth", "threading", WAKE, OURS, "second", [n**2], n) for n in (1, 10)]
    page = bounds_page({}, judged, growths(growing), "")
    assert [line[-1] for line in lines_of(page, CREATE)] == [
        f"**outside**: {NOT_EXPLAINED}",
        "**outside**: gevent's own is compiled",
        "inside",
    ]
    assert lines_of(page, GETS_ONE_BY_ONE)[0][-1] == "**outside**: 75% is the bare request"
    assert lines_of(page, WAKE)[0][-1] == "**outside**: they queue"
    assert "**4 of 5 are outside their bound.**" in page
    assert "**All 1 are inside their bound.**" in bounds_page({}, judged[2:3], [], "")


def test_each_explanation_is_of_something_with_a_bound() -> None:
    growing = {WAKE, ALL_READY}
    assert {key for key in bounds.EXPLANATIONS if key[0] not in growing} <= set(BOUNDS)


def test_the_machine_says_which_build_is_measured() -> None:
    assert machine()["build of handler-core"] == build()


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


@pytest.mark.parametrize(("ours", "status"), [(1.0, 0), (2.0, 1)])
def test_a_cell_outside_is_an_error(
    ours: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> Iterator[Series]:
        yield from series(CREATE, ours=ours, kazoo=10.0)

    monkeypatch.setattr(benchmarks.__main__, "_measure", measure)
    arguments = ["benchmarks", "--part", "rows", "--results", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert benchmarks.__main__.main() == status
    assert ("**outside**" in (tmp_path / "bounds.md").read_text()) is bool(status)
