"""The report: Markdown for people, and JSON for programs such as pyperf."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import importlib_metadata
import pyperf

from benchmarks import coroutines, whole
from benchmarks.bounds import GROWTH, Cell, Growth
from benchmarks.series import KAZOO, OURS, RAW, Series

__all__ = ["as_json", "as_markdown", "machine", "write_pyperf"]

_PACKAGES = ("kazoo", "gevent", "eventlet", "greenlet", "pluggy", "stevedore", "aiozk")
_TITLES = {
    "rows": "Single operations",
    "whole": "The whole way: KazooClient and a ZooKeeper server",
    "coroutines": "Coroutines: KazooClient on the loop, and other ways from asyncio to ZooKeeper",
    "lookup": "Look-up",
}
# What is shown as a rate.
_REQUESTS = (
    whole.GETS_AT_ONCE,
    whole.SETS_AT_ONCE,
    whole.GETS_ONE_BY_ONE,
    whole.SETS_ONE_BY_ONE,
    coroutines.AT_ONCE,
    coroutines.ONE_BY_ONE,
)
_NOTHING = "-"
_MAIN_SIDES = (OURS, RAW, KAZOO)


def machine() -> dict[str, str]:
    """Return the facts that the figures depend on, as text by name."""
    metadata = pyperf.Run([1.0], metadata={}, collect_metadata=True).get_metadata()
    return {
        "Python": f"{platform.python_version()} ({platform.python_implementation()})",
        "CPU": f"{os.cpu_count()} of {metadata.get('cpu_model_name', platform.machine())}",
        "system": f"{platform.system()} {platform.release()}",
        "load average before": ", ".join(f"{load:.2f}" for load in os.getloadavg()),
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
    }


def _version(name: str) -> str:
    return importlib_metadata.version(name)


def as_json(described: dict[str, str], cells: Sequence[Cell], growths: Sequence[Growth]) -> str:
    """Return the cells and their verdicts."""
    return json.dumps(
        {
            "machine": described,
            "cells": [
                {
                    **cell._asdict(),
                    "bound": {
                        **cell.bound._asdict(),
                        "times_better": dict(cell.bound.times_better),
                    },
                    "to_raw": cell.to_raw,
                    "below_kazoo": cell.below_kazoo,
                }
                for cell in cells
            ],
            "growths": [
                {**each._asdict(), "factor": each.factor if math.isfinite(each.factor) else None}
                for each in growths
            ],
        },
        indent=1,
    )


def write_pyperf(path: Path, measured: Iterable[Series]) -> None:
    """Write every value in pyperf's format, which its ``show`` and ``compare_to`` read."""
    common = dict(pyperf.Run([1.0], collect_metadata=True).get_metadata())
    for name in ("date", "duration", "hostname"):
        common.pop(name, None)
    runs: dict[str, list[pyperf.Run]] = {}
    for series in measured:
        values = [float(value) for value in series.values if value > 0]
        if series.unit == "count" or not values:  # pyperf refuses 0
            continue
        size = f", {series.work}" if series.work else ""
        name = f"{series.part}: {series.row}{size}: {series.model}: {series.side}"
        metadata: dict[str, Any] = {**common, "name": name, "unit": series.unit}
        run = pyperf.Run(values, metadata=metadata, collect_metadata=False)
        runs.setdefault(name, []).append(run)
    pyperf.BenchmarkSuite([pyperf.Benchmark(each) for each in runs.values()]).dump(
        str(path), replace=True
    )


def as_markdown(
    described: dict[str, str], cells: Sequence[Cell], growths: Sequence[Growth], note: str
) -> str:
    """Return the verdict, followed by all tables."""
    parts = ["# Benchmarks", _ABOUT, "![The ratios as bars](benchmarks.svg)"]
    parts.append(f"{_verdict(cells, growths)} {note}".strip())
    parts.append("\n".join(f"- {name}: {text}" for name, text in described.items()))
    for part, title in _TITLES.items():
        chosen = [cell for cell in cells if cell.part == part]
        if chosen:
            parts += [f"## {title}", _table_of_cells(chosen)]
    if growths:
        parts += ["## How cost grows", _ABOUT_GROWTH, _table_of_growths(growths)]
    return "\n\n".join(parts) + "\n"


_ABOUT = (
    "The figures are medians of rounds. In each round ours, kazoo's handler and the raw primitive "
    "took turns in one process. Where a bound is a time, it was set on another machine. The ratios "
    "of such a bound are to what raw and kazoo's took on that machine. The raw side differs from "
    "part to part. For select, it is a poll that is made and told its sockets at each call, as the "
    "signature of select demands. For look-up, it is a process that imports pluggy and "
    "importlib_metadata and makes one entry_points call. For a request at a time, it is the same "
    "request on a bare socket, and with threading the request goes through a second thread. For "
    "coroutines, the bridge is KazooClient on kazoo's threads, which sends its results to the loop "
    "by call_soon_threadsafe."
)
_ABOUT_GROWTH = (
    "The table shows what one piece costs at each size. The factor compares the largest size with "
    f"the cheapest smaller one. It may be at most {GROWTH['second'].factor:g} for time and "
    f"{GROWTH['byte'].factor:g} for memory. A figure of the process's memory counts from "
    f"{GROWTH['byte'].least:,} pieces. Pending results are weighed by themselves, so this does not "
    "concern them."
)


def _verdict(cells: Sequence[Cell], growths: Sequence[Growth]) -> str:
    verdicts = [each.inside for each in (*cells, *growths) if each.inside is not None]
    outside = verdicts.count(False)
    if outside:
        return f"**{outside} of {len(verdicts)} cells are outside their bound.**"
    return f"All {len(verdicts)} cells are inside their bound."


def _table_of_cells(cells: Sequence[Cell]) -> str:
    header = (
        "what",
        "model",
        *_MAIN_SIDES,
        "others",
        "ours / raw",
        "kazoo / ours",
        "bound",
        "bound / raw",
        "kazoo / bound",
        "verdict",
    )
    lines = []
    for cell in cells:
        shown = {side: _shown(value, cell) for side, value in cell.sides.items()}
        others = [f"{side} {text}" for side, text in shown.items() if side not in _MAIN_SIDES]
        lines.append(
            [
                cell.row,
                cell.model,
                *(shown.get(side, _NOTHING) for side in _MAIN_SIDES),
                "; ".join(others) or _NOTHING,
                _times(cell.to_raw),
                _times(cell.below_kazoo),
                _bound(cell),
                _times(cell.bound.to_raw),
                _times(cell.bound.below_kazoo),
                _inside(cell.inside),
            ]
        )
    empty = [all(line[column] == _NOTHING for line in lines) for column in range(len(header))]
    header, *lines = (
        [text for text, none in zip(line, empty, strict=True) if not none]
        for line in (header, *lines)
    )
    return _table(header, lines, text=2)


def _shown(value: float, cell: Cell) -> str:
    return f"{1 / value:,.0f}/s" if cell.row in _REQUESTS else _amount(value, cell.unit)


def _bound(cell: Cell) -> str:
    bound = cell.bound
    if bound.at_most is not None:
        return _amount(bound.at_most, cell.unit)
    if bound.times_raw is not None:
        return f"{bound.times_raw:g} x raw"
    better = [f"{side} / ours at least {times:g}" for side, times in bound.times_better.items()]
    return ", ".join(better) or _NOTHING


def _table_of_growths(growths: Sequence[Growth]) -> str:
    lines = []
    for each in growths:
        costs = [
            f"{_amount(cost / size, each.unit)} ({size:,})" for size, cost in each.costs.items()
        ]
        factor = "none" if math.isnan(each.factor) else _times(each.factor)
        lines.append(
            [each.row, each.model, each.side, ", ".join(costs), factor, _inside(each.inside)]
        )
    return _table(("what", "model", "side", "a piece (of so many)", "factor", "verdict"), lines, 4)


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], text: int) -> str:
    """Return a table. Its first ``text`` columns are text, and the others are numbers."""
    rule = ["---"] * text + ["--:"] * (len(header) - text)
    return "\n".join(f"| {' | '.join(line)} |" for line in (header, rule, *lines))


def _inside(inside: bool | None) -> str:
    return {True: "inside", False: "**outside**", None: _NOTHING}[inside]


def _times(ratio: float | None) -> str:
    if ratio is None:
        return _NOTHING
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:,.0f}"


def _amount(value: float, unit: str) -> str:
    if unit == "byte":
        return f"{value:,.0f} B"
    if unit == "count":
        return f"{value:g}"
    for factor, name in ((1e9, "ns"), (1e6, "µs"), (1e3, "ms")):
        if value * factor < 10_000 or name == "ms":
            shown = value * factor
            return f"{shown:,.0f} {name}" if shown >= 100 else f"{shown:.3g} {name}"
    raise AssertionError
