"""A part of the benchmarks in a process of its own: ``python -m benchmarks.child``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scale import SCALES, Scale
from benchmarks.series import OURS, Series
from benchmarks.sides import ASYNCIO
from handler_core.execution._compiled import VARIABLE

__all__ = ["run_child"]

# Seconds: no part takes so long.
_TIMEOUT = 600.0


def run_child(
    part: str, model: str, scale: Scale, *options: str, pure: bool = False
) -> list[Series]:
    """Measure a part on a model, in a process of its own.

    Args:
        part: ``"rows"``, ``"growth"``, ``"whole"``, ``"coroutines"`` or ``"clients"``.
        model: the concurrency model.
        scale: how much to measure.
        options: further options of the child's command line.
        pure: run the Python source of handler-core, though a compiled build may be there.

    Raises:
        subprocess.CalledProcessError: the process failed, and has printed the reason.
        subprocess.TimeoutExpired: it took too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "series.json")
        command = [sys.executable, "-m", "benchmarks.child", part, model, scale.name, str(output)]
        command += options
        environment = {**os.environ, VARIABLE: "1"} if pure else None
        subprocess.run(command, env=environment, check=True, timeout=_TIMEOUT)
        measured = [Series(*values) for values in json.loads(output.read_text())]
        return [series._replace(pure=pure) for series in measured]


def _measure(options: argparse.Namespace, scale: Scale) -> Iterator[Series]:
    # A part imports only the modules that it needs itself.
    if options.part == "rows":
        if options.model == ASYNCIO:
            from benchmarks import loop_rows

            return loop_rows.measure(scale)
        from benchmarks import rows

        return rows.measure(options.model, scale)
    if options.part == "coroutines":
        from benchmarks import coroutines

        return coroutines.measure(options.model, scale, options.hosts)
    if options.part == "clients":
        from benchmarks import clients

        return clients.measure(options.model, scale, json.loads(options.ports))
    if options.part == "whole":
        from benchmarks import whole

        return whole.measure(options.model, scale, options.hosts)
    from benchmarks import growth

    return growth.ITEMS[options.item](options.model, options.side, scale, options.size)


def main() -> None:
    """Measure, and write the measured values as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("rows", "growth", "whole", "coroutines", "clients"))
    parser.add_argument("model")
    parser.add_argument("scale", choices=SCALES)
    parser.add_argument("output", type=Path)
    parser.add_argument("--hosts")
    parser.add_argument("--ports")
    parser.add_argument("--item")
    parser.add_argument("--side", default=OURS)
    parser.add_argument("--size", type=int)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    measured = _measure(options, SCALES[options.scale])
    options.output.write_text(json.dumps(list(measured)))


if __name__ == "__main__":
    main()
