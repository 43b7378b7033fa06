"""What it costs to find a handler: in a new process, and once more in the same.

The processes take turns. Each is measured from its start to its end, as a user feels it. In one
row everything that is installed here is installed. In another row only what the look-up needs is
installed. The rows differ, because reading the metadata of other packages is most of the work where
there are many.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import importlib_metadata

from benchmarks.scale import Scale
from benchmarks.series import OURS, RAW, Series

__all__ = ["FIRST", "FIRST_ALONE", "SECOND", "STEVEDORE", "THREADS", "measure"]

FIRST = "a new process, with all that is installed here"
FIRST_ALONE = "a new process, with nothing else installed"
SECOND = "the second get_handler"
THREADS = "threads of a started handler"
STEVEDORE = "stevedore.DriverManager"

_PART = "lookup"

# A program that has plugins but not handler-core does this.
_RAW_PROGRAM = """
import pluggy, importlib_metadata
importlib_metadata.entry_points(group="handler_core.handlers")
"""
_OUR_PROGRAM = """
from handler_core import get_handler
get_handler("threading")
"""
_STEVEDORE_PROGRAM = """
from stevedore import DriverManager
DriverManager("handler_core.handlers", "threading", invoke_on_load=True).driver
"""
_PROGRAMS = {OURS: _OUR_PROGRAM, RAW: _RAW_PROGRAM, STEVEDORE: _STEVEDORE_PROGRAM}

_SECOND_PROGRAM = """
import json, sys, time
from handler_core import get_handler
model = sys.argv[1]
get_handler(model)
start = time.perf_counter()
get_handler(model)
print(json.dumps(time.perf_counter() - start))
"""
_SECOND_STEVEDORE_PROGRAM = """
import json, sys, time
from stevedore import DriverManager
def get(model):
    return DriverManager("handler_core.handlers", model, invoke_on_load=True).driver
model = sys.argv[1]
get(model)
start = time.perf_counter()
get(model)
print(json.dumps(time.perf_counter() - start))
"""
_THREADS_PROGRAM = """
import json, os, sys
from handler_core import get_handler
before = len(os.listdir("/proc/self/task"))
handler = get_handler(sys.argv[1])
handler.start()
print(json.dumps(len(os.listdir("/proc/self/task")) - before))
handler.stop()
"""


def measure(models: tuple[str, ...], scale: Scale) -> Iterator[Series]:
    """Measure the look-up of the threading handler, and the second one of each model."""
    with tempfile.TemporaryDirectory() as folder:
        # stevedore caches its finds in a file of the user. Here the file is in our own folder.
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        environment.pop("PYTHONPATH", None)
        yield from _new_processes(FIRST, _PROGRAMS, ["-I", "-c"], environment, scale)
        alone = Path(folder, "alone")
        _install_alone(alone)
        path = f"import sys; sys.path.append({str(alone)!r})\n"
        programs = {side: path + _PROGRAMS[side] for side in (OURS, RAW)}
        yield from _new_processes(FIRST_ALONE, programs, ["-I", "-S", "-c"], environment, scale)
        for model in models:
            for side, program in ((OURS, _SECOND_PROGRAM), (STEVEDORE, _SECOND_STEVEDORE_PROGRAM)):
                values = [_said(program, model, environment) for _ in range(scale.processes)]
                yield Series(_PART, model, SECOND, side, "second", values)
            threads = _said(_THREADS_PROGRAM, model, environment)
            yield Series(_PART, model, THREADS, OURS, "count", [threads])


def _new_processes(
    row: str,
    programs: Mapping[str, str],
    options: list[str],
    environment: Mapping[str, str],
    scale: Scale,
) -> Iterator[Series]:
    values: dict[str, list[float]] = {side: [] for side in programs}
    for number in range(-1, scale.processes):  # the first one only compiles the modules
        for side, program in programs.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *options, program], env=environment, check=True)
            if number >= 0:
                values[side].append(time.perf_counter() - start)
    for side, seconds in values.items():
        yield Series(_PART, "threading", row, side, "second", seconds)


def _said(program: str, model: str, environment: Mapping[str, str]) -> float:
    command = [sys.executable, "-W", "ignore", "-I", "-c", program, model]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return float(json.loads(done.stdout))


def _install_alone(folder: Path) -> None:
    """Make a folder in which only what the look-up needs is installed."""
    folder.mkdir()
    for name in _needed("handler-core") | {"handler-core-threading"}:
        distribution = importlib_metadata.distribution(name)
        metadata = Path(
            str(distribution.locate_file("")), f"{_normal(name)}-{distribution.version}"
        )
        metadata = metadata.with_name(metadata.name + ".dist-info")
        (folder / metadata.name).symlink_to(metadata)
        for module in _modules(distribution):
            spec = importlib.util.find_spec(module)
            assert spec is not None
            assert spec.origin is not None
            path = Path(spec.origin)
            if path.name == "__init__.py":
                path = path.parent
            (folder / path.name).symlink_to(path)


def _needed(name: str) -> set[str]:
    """Return the names of a distribution and of all that it requires."""
    names = {name}
    for requirement in importlib_metadata.requires(name) or ():
        if "extra ==" in requirement:
            continue
        with contextlib.suppress(importlib_metadata.PackageNotFoundError):  # for other Pythons
            names |= _needed(re.split(r"[^\w.-]", requirement)[0])
    return names


def _modules(distribution: importlib_metadata.Distribution) -> set[str]:
    """Return the top-level modules of a distribution."""
    tops = {file.parts[0] for file in distribution.files or ()}
    modules = {top.removesuffix(".py") for top in tops}
    # A distribution that is installed from its source has its modules elsewhere.
    return set(filter(str.isidentifier, modules - {"__pycache__"})) or {_normal(distribution.name)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()
