"""A part of the benchmarks in a process of its own: ``python -m benchmarks.child``."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.series import OURS, Series

__all__ = ["run_child"]

# Seconds: no part takes so long.
_TIMEOUT = 600.0


def run_child(part: str, model: str, scale: Scale, *options: str) -> list[Series]:
    """Measure a part on a model, in a process of its own.

    Args:
        part: ``"rows"``, ``"growth"``, ``"whole"`` or ``"coroutines"``.
        model: the concurrency model.
        scale: how much to measure.
        options: further options of the child's command line.

    Raises:
        subprocess.CalledProcessError: the process failed, and has printed the reason.
        subprocess.TimeoutExpired: it took too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "series.json")
        command = [sys.executable, "-m", "benchmarks.child", part, model, str(output), *options]
        if scale is QUICK:
            command.append("--quick")
        subprocess.run(command, check=True, timeout=_TIMEOUT)
        return [Series(*values) for values in json.loads(output.read_text())]


def _measure(options: argparse.Namespace, scale: Scale) -> Iterator[Series]:
    # A part imports only the modules that it needs itself.
    if options.part == "rows":
        from benchmarks import rows

        return rows.measure(options.model, scale)
    if options.part == "coroutines":
        from benchmarks import coroutines

        return coroutines.measure(scale, options.hosts)
    if options.part == "whole":
        from benchmarks import whole

        return whole.measure(options.model, scale, options.hosts)
    from benchmarks import growth

    return growth.ITEMS[options.item](options.model, options.side, scale, options.size)


def main() -> None:
    """Measure, and write the measured values as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=("rows", "growth", "whole", "coroutines"))
    parser.add_argument("model")
    parser.add_argument("output", type=Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--hosts")
    parser.add_argument("--item")
    parser.add_argument("--side", default=OURS)
    parser.add_argument("--size", type=int)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", r"\s*Eventlet is deprecated")
    measured = _measure(options, QUICK if options.quick else FULL)
    options.output.write_text(json.dumps(list(measured)))


if __name__ == "__main__":
    main()
