"""``python -m benchmarks``: measure everything, print the pages, write the results."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import growth, lookup
from benchmarks.bounds_page import bounds_page, summary
from benchmarks.chart import write_chart
from benchmarks.child import run_child
from benchmarks.client_rows import running_servers
from benchmarks.figures import figures
from benchmarks.report import as_json, machine, write_pyperf
from benchmarks.scale import FULL, FULL_PURE, QUICK, Scale
from benchmarks.series import Series
from benchmarks.sides import ALL_MODELS, KAZOO_MODELS, LOOP_MODELS, TRIO
from benchmarks.user_page import user_page
from benchmarks.verdicts import cells, growths
from handler_core.testing import ZooKeeperServer

_PARTS = ("rows", "whole", "coroutines", "clients", "lookup", "growth")
_BUSY = 1.0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _measure(part: str, models: Sequence[str], scale: Scale) -> Iterator[Series]:
    """Measure a part on those of the models that it has."""
    of_kazoo = tuple(model for model in models if model in KAZOO_MODELS)
    on_loops = tuple(model for model in models if model in LOOP_MODELS)
    if part == "rows":
        yield from _both_ways(part, [model for model in models if model != TRIO], scale)
    elif part == "whole":
        with ZooKeeperServer() as server:
            yield from _both_ways(part, of_kazoo, scale, "--hosts", server.hosts)
    elif part == "coroutines":
        if on_loops:
            with ZooKeeperServer() as server:
                yield from _both_ways(part, on_loops, scale, "--hosts", server.hosts)
    elif part == "clients":
        with running_servers() as ports:
            for model in models:
                yield from run_child(part, model, scale, "--ports", json.dumps(ports))
    elif part == "lookup":
        yield from lookup.measure(of_kazoo, scale)
    else:
        for _ in range(scale.passes):
            for item in growth.ITEMS:
                for model in of_kazoo:
                    yield from _grow(item, model, scale)


def _both_ways(part: str, models: Sequence[str], scale: Scale, *options: str) -> Iterator[Series]:
    """Measure in a process of the build that is there, and in one that runs the Python source."""
    for model in models:
        yield from run_child(part, model, scale, *options)
        of_pure = FULL_PURE if scale is FULL else scale
        yield from run_child(part, model, of_pure, *options, pure=True)


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
    parser.add_argument("--model", action="append", choices=ALL_MODELS, help="default: all of them")
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
        measured += _measure(part, options.model or ALL_MODELS, scale)
        _say(f"{part}: {time.perf_counter() - start:.0f} s")
    judged, grown = cells(measured), growths(measured)
    note = _QUICK_NOTE if options.quick else ""
    pages = {
        "benchmarks.md": user_page(described, judged, grown, note),
        "bounds.md": bounds_page(described, judged, grown, note),
    }
    print(*pages.values(), sep="\n", end="")
    options.results.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        (options.results / name).write_text(text)
    (options.results / "benchmarks.json").write_text(as_json(described, judged, grown))
    write_pyperf(options.results / "pyperf.json", measured)
    write_chart(options.results / "benchmarks.svg", figures(judged))
    _say(f"written to {options.results}: {', '.join(pages)}, benchmarks.json and .svg, pyperf.json")
    _say(summary(judged, grown))
    outside = [each for each in (*judged, *grown) if each.inside is False]
    return 1 if outside and not options.quick else 0


_QUICK_NOTE = (
    "**This was a quick run, which only shows that everything works. Its figures mean nothing.**"
)

if __name__ == "__main__":
    sys.exit(main())
