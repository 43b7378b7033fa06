"""What was measured, for programs: JSON, and a file for pyperf."""

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

from benchmarks.series import KAZOO, Series
from benchmarks.verdicts import Cell, Growth, over_ours, over_raw
from handler_core.execution._compiled import build

__all__ = ["as_json", "machine", "write_pyperf"]

_PACKAGES = ("kazoo", "gevent", "eventlet", "greenlet", "pluggy", "stevedore", "trio", "aiozk")


def machine() -> dict[str, str]:
    """Return the facts that the figures depend on, as text by name."""
    metadata = pyperf.Run([1.0], metadata={}, collect_metadata=True).get_metadata()
    return {
        "build of handler-core": build(),
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
                        "at_most": cell.bound.at_most,
                        "times": dict(cell.bound.times),
                        "better": dict(cell.bound.better),
                    },
                    "ours_over_raw": over_raw(cell.sides),
                    "kazoo_over_ours": over_ours(cell.sides, KAZOO),
                    "kazoo_over_pure": over_ours(cell.pure, KAZOO),
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
        process = ", pure process" if series.pure else ""
        name = f"{series.part}: {series.row}{size}: {series.model}: {series.side}{process}"
        metadata: dict[str, Any] = {**common, "name": name, "unit": series.unit}
        run = pyperf.Run(values, metadata=metadata, collect_metadata=False)
        runs.setdefault(name, []).append(run)
    pyperf.BenchmarkSuite([pyperf.Benchmark(each) for each in runs.values()]).dump(
        str(path), replace=True
    )
