"""``python -m benchmarks``: measure everything, print the tables, write the results."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import bounds, coroutines, growth, lookup
from benchmarks.chart import write_chart
from benchmarks.child import run_child
from benchmarks.report import as_json, as_markdown, machine, write_pyperf
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.series import Series
from benchmarks.sides import MODELS
from handler_core.testing import ZooKeeperServer

_PARTS = ("rows", "whole", "coroutines", "lookup", "growth")
_BUSY = 1.0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _measure(part: str, models: tuple[str, ...], scale: Scale) -> Iterator[Series]:
    if part == "lookup":
        yield from lookup.measure(models, scale)
    elif part == "whole":
        with ZooKeeperServer() as server:
            for model in models:
                yield from run_child(part, model, scale, "--hosts", server.hosts)
    elif part == "coroutines":
        with ZooKeeperServer() as server:
            yield from run_child(part, coroutines.MODEL, scale, "--hosts", server.hosts)
    elif part == "growth":
        for _ in range(scale.passes):
            for item in growth.ITEMS:
                for model in models:
                    yield from _grow(item, model, scale)
    else:
        for model in models:
            yield from run_child(part, model, scale)


def _grow(item: str, model: str, scale: Scale) -> Iterator[Series]:
    for side in growth.sides(item, model):
        for size in growth.sizes(item, scale):
            options = ("--item", item, "--side", side, "--size", str(size))
            yield from run_child("growth", model, scale, *options)


def main() -> int:
    """Return 1 if something is outside its bound, and 0 if nothing is."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only show that everything works")
    parser.add_argument("--results", type=Path, default=Path(__file__).with_name("results"))
    parser.add_argument("--part", action="append", choices=_PARTS, help="default: all of them")
    parser.add_argument("--model", action="append", choices=MODELS, help="default: all of them")
    options = parser.parse_args()
    scale = QUICK if options.quick else FULL
    described = machine()
    load = os.getloadavg()[0]
    _say(f"load average: {load:.2f}")
    if load > _BUSY:
        _say(f"warning: the machine is busy (above {_BUSY:g}): what is measured now is too high")
    measured: list[Series] = []
    for part in options.part or _PARTS:
        start = time.perf_counter()
        measured += _measure(part, tuple(options.model or MODELS), scale)
        _say(f"{part}: {time.perf_counter() - start:.0f} s")
    cells, growths = bounds.cells(measured), bounds.growths(measured)
    note = "The counts are too small for that to mean anything." if options.quick else ""
    table = as_markdown(described, cells, growths, note)
    print(table, end="")
    options.results.mkdir(parents=True, exist_ok=True)
    (options.results / "benchmarks.md").write_text(table)
    (options.results / "benchmarks.json").write_text(as_json(described, cells, growths))
    write_pyperf(options.results / "pyperf.json", measured)
    write_chart(options.results / "benchmarks.svg", cells)
    _say(f"written to {options.results}: benchmarks.md, .json and .svg, pyperf.json")
    outside = [each for each in (*cells, *growths) if each.inside is False]
    return 1 if outside and not options.quick else 0


if __name__ == "__main__":
    sys.exit(main())
