"""The figures as a benchmark suite of pyperf, whose commands show and compare such files.

``python -m pyperf compare_to before.json after.json --table`` compares two machines, or the same
machine on two days.
"""

from __future__ import annotations

import importlib.metadata
import io
import re
from collections.abc import Mapping
from typing import Any

import pyperf

from handler_core import list_handlers
from handler_core.cli.bench.operations import ROWS
from handler_core.cli.bench.rounds import Figures

__all__ = ["pyperf_json"]


def pyperf_json(results: Mapping[str, Figures]) -> str:
    """Return JSON with the figures of every round, and with the machine and the versions.

    Args:
        results: the figures of each model. There is at least one model.
    """
    machine = pyperf.Run([1.0]).get_metadata()
    del machine["mem_max_rss"]  # the memory of this process, which measured nothing
    benchmarks = []
    for model, figures in results.items():
        about = {**machine, "model": model, "libraries": _libraries_of(model)}
        for row in ROWS:
            measured = {"name": f"{model}: {row.name}", "loops": row.loops, "unit": "second"}
            benchmarks.append(_benchmark(figures.seconds[row.name], about | measured))
        measured = {"name": f"{model}: memory of a pending result", "unit": "byte"}
        benchmarks.append(_benchmark([figures.pending_bytes], about | measured))
    file = io.StringIO()
    pyperf.BenchmarkSuite(benchmarks).dump(file, compact=False)
    return file.getvalue()


def _benchmark(values: list[float], metadata: dict[str, Any]) -> pyperf.Benchmark:
    return pyperf.Benchmark([pyperf.Run(values, metadata=metadata, collect_metadata=False)])


def _libraries_of(model: str) -> str:
    """Return the versions of a model's distribution and of all distributions that it requires."""
    wanted = [info.distribution for info in list_handlers() if info.name == model]
    versions: dict[str, str] = {}
    while wanted:
        try:
            found = importlib.metadata.distribution(wanted.pop())
        except importlib.metadata.PackageNotFoundError:
            continue  # it is required on another Python or another system
        if found.name not in versions:
            versions[found.name] = found.version
            needed = [line for line in found.requires or () if "extra ==" not in line]
            wanted += [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in needed]
    return ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
