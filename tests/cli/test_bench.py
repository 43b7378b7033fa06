"""``handler-core bench``, run as a user runs it."""

from __future__ import annotations

import importlib.metadata
import os
import re
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyperf
import pytest
from rich.console import Console

import handler_core
from handler_core.cli.bench import output_file
from handler_core.cli.bench.operations import ROWS
from handler_core.cli.bench.rounds import Figures
from handler_core.cli.bench.table import bench_table

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakePlugin = Callable[[str, str], Path]

MEMORY = "memory of a pending result"
NAMES = [row.name for row in ROWS] + [MEMORY]

MODEL = """
import handler_core_threading
from handler_core import hookimpl

class Handler(handler_core_threading.SequentialThreadingHandler):
    name = "odd"
"""


def cells_of(table: str) -> tuple[list[str], dict[str, list[str]]]:
    """Return the headings of a table, and by the name of a row its unit and its cells."""
    lines = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines()]
    # Above the first row is the rule, and above that are the headings.
    first = next(number for number, cells in enumerate(lines) if cells[0] == NAMES[0])
    return lines[first - 2], {cells[0]: cells[1:] for cells in lines if cells[0] in NAMES}


def number(cell: str) -> float:
    return float(cell.removesuffix(" *").replace(",", ""))


def test_shows_each_installed_model(run: Run) -> None:
    done = run("bench", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    headings, rows = cells_of(done.stdout)
    assert headings == [info.name for info in handler_core.list_handlers()]
    assert list(rows) == NAMES
    assert [cells[0] for cells in rows.values()] == ["ns"] * 3 + ["µs"] * 4 + ["bytes"]
    for cells in rows.values():
        assert len(cells) == 1 + len(headings)
        assert all(number(cell) > 0 for cell in cells[1:])
    assert "one round" in done.stdout


def test_runs_the_named_models_only(run: Run, plugin: MakePlugin) -> None:
    done = run("bench", "--rounds", "1", "odd", "odd", folders=[plugin("odd", MODEL)])
    assert done.returncode == 0, done.stderr
    headings, rows = cells_of(done.stdout)
    assert headings == ["odd"]
    assert "*" not in done.stdout
    assert list(rows) == NAMES


def shown(results: dict[str, Figures | None]) -> dict[str, list[str]]:
    console = Console(width=100)
    with console.capture() as capture:
        console.print(bench_table(results, 2))
    return cells_of(capture.get())[1]


def figures(seconds: Sequence[float], pending: float) -> Figures:
    return Figures({row.name: list(seconds) for row in ROWS}, pending)


def test_the_best_round_counts_and_the_best_model_is_marked() -> None:
    rows = shown(
        {"a": figures([9e-6, 2e-6], 64), "b": figures([1e-6, 9e-6], 64), "c": None},
    )
    assert rows["create, set, get"] == ["ns", "2,000", "1,000 *", "failed"]
    assert rows["select, 1 socket"] == ["µs", "2.0", "1.0 *", "failed"]
    # Nobody is the best where all are alike.
    assert rows[MEMORY] == ["bytes", "64", "64", "failed"]


def test_those_that_nobody_can_tell_apart_are_both_the_best() -> None:
    rows = shown(
        {"a": figures([1.0001e-6], 64), "b": figures([1e-6], 72), "c": figures([2e-6], 72)}
    )
    assert rows["create, set, get"] == ["ns", "1,000 *", "1,000 *", "2,000"]
    assert rows[MEMORY] == ["bytes", "64 *", "72", "72"]


def test_the_files_have_what_the_table_has(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    folder.mkdir()
    json_file, svg_file = folder / "figures.json", folder / "Chart.SVG"
    done = run(
        "bench", "--rounds", "2", "threading", "--json", str(json_file), "--plot", str(svg_file)
    )
    assert done.returncode == 0, done.stderr
    assert set(folder.iterdir()) == {json_file, svg_file}
    _, rows = cells_of(done.stdout)

    suite = pyperf.BenchmarkSuite.load(str(json_file))
    assert suite.get_benchmark_names() == [f"threading: {name}" for name in NAMES]
    for row in ROWS:
        values = suite.get_benchmark(f"threading: {row.name}").get_values()
        assert len(values) == 2
        unit = {"ns": 1e9, "us": 1e6}[row.unit]
        assert number(rows[row.name][1]) == pytest.approx(min(values) * unit, abs=0.51)
    (pending,) = suite.get_benchmark(f"threading: {MEMORY}").get_values()
    assert number(rows[MEMORY][1]) == round(pending)
    metadata = suite.get_metadata()
    assert metadata["python_version"].startswith(sys.version.split()[0])
    assert metadata["cpu_count"] == os.cpu_count()
    assert metadata["model"] == "threading"
    libraries = metadata["libraries"].split(", ")
    for distribution in ("handler-core", "handler-core-threading", "pluggy"):
        assert f"{distribution} {importlib.metadata.version(distribution)}" in libraries
    assert not any(library.startswith(("gevent ", "matplotlib ")) for library in libraries)

    image = ElementTree.parse(svg_file).getroot()
    assert image.tag == "{http://www.w3.org/2000/svg}svg"
    texts = {(text.text or "").strip() for text in image.iter("{http://www.w3.org/2000/svg}text")}
    assert {"threading", *NAMES} <= texts
    assert {f"{cells[1]} {cells[0]}" for cells in rows.values()} <= texts


def test_a_file_that_is_there_is_replaced_and_keeps_its_mode(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "figures"
    folder.mkdir()
    old = folder / "old.json"
    old.write_text("old")
    old.chmod(0o640)
    link = folder / "link.json"
    link.symlink_to(old)
    done = run("bench", "--rounds", "1", "threading", "--json", str(link))
    assert done.returncode == 0, done.stderr
    assert link.is_symlink()
    assert len(pyperf.BenchmarkSuite.load(str(old)).get_benchmarks()) == len(NAMES)
    assert stat.S_IMODE(old.stat().st_mode) == 0o640
    assert set(folder.iterdir()) == {old, link}


def test_a_new_file_has_the_mode_of_any_other(tmp_path: Path) -> None:
    by_us, by_python = tmp_path / "by us", tmp_path / "by python"
    output_file.write_whole(str(by_us), "text")
    by_python.write_text("text")
    assert by_us.read_text() == "text"
    assert by_us.stat().st_mode == by_python.stat().st_mode


def test_what_was_there_stays_if_the_new_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        output_file.write_whole(str(old), "new")
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_file_that_is_write_protected_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    old = tmp_path / "old.json"
    old.write_text("old")
    # The tests may run as root, who may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (str(old), os.W_OK))
    with pytest.raises(PermissionError):
        output_file.check_writable(str(old))
    output_file.check_writable(str(tmp_path / "new.json"))
    assert list(tmp_path.iterdir()) == [old]


# A model that cannot be imported without this test's noticing.
NOTICED = MODEL + "open({marker!r}, 'w').close()\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--rounds", "0"], "'--rounds': 0 is not in the range x>=1"),
        (["--json", "missing/figures.json"], "'--json': 'missing/figures.json': No such file"),
        (["--plot", "missing/figures.svg"], "'--plot': 'missing/figures.svg': No such file"),
        (["--json", "/proc/figures.json"], "'--json': '/proc/figures.json': "),
        (["--json", "."], "'--json': '.': Is a directory"),
        (["--json", ""], "'--json': '': "),
        (["--json", "pipe"], "'--json': 'pipe': Not a regular file"),
        (["--json", "x" * 300], "File name too long"),
        (["--plot", "figures.png"], "'--plot': 'figures.png' does not end in '.svg'"),
        (["--json", "a.svg", "--plot", "./a.svg"], "--json and --plot name the same file"),
        (["--jsn", "a.json"], "No such option"),
    ],
)
def test_bad_options_are_refused_before_anything_is_measured(
    run: Run,
    plugin: MakePlugin,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    complaint: str,
) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)
    marker = tmp_path / "marker"
    noticed = plugin("odd", NOTICED.format(marker=str(marker)))
    done = run("bench", "odd", *arguments, folders=[noticed])
    assert done.returncode == 2
    assert complaint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not marker.exists()
    assert [path.name for path in folder.iterdir()] == ["pipe"]


def run_without(
    packages: list[str], arguments: list[str], environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.modules.update(dict.fromkeys({packages!r}))\n"
            "from handler_core.__main__ import main\n"
            f"sys.argv = ['handler-core', 'bench', *{arguments!r}]\n"
            "main()",
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("option", "file", "package"),
    [("--json", "figures.json", "pyperf"), ("--plot", "figures.svg", "matplotlib")],
)
def test_says_what_to_install_before_anything_is_measured(
    environment: Callable[..., dict[str, str]],
    plugin: MakePlugin,
    tmp_path: Path,
    option: str,
    file: str,
    package: str,
) -> None:
    marker, path = tmp_path / "marker", tmp_path / file
    noticed = environment([plugin("odd", NOTICED.format(marker=str(marker)))])
    done = run_without([package], ["odd", option, str(path)], noticed)
    assert done.returncode == 1
    assert f"{option} needs the package {package}" in done.stderr
    assert 'pip install "handler-core[bench]"' in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not marker.exists()
    assert not path.exists()


def test_the_table_needs_no_more_than_the_command_line_does(
    environment: Callable[..., dict[str, str]],
) -> None:
    done = run_without(["pyperf", "matplotlib"], ["threading", "--rounds", "1"], environment())
    assert done.returncode == 0, done.stderr
    assert list(cells_of(done.stdout)[1]) == NAMES


BROKEN = {
    "import": ("raise OSError('no luck')", "cannot be imported: OSError: no luck"),
    "no hooks": ("class Handler: pass", "missing hook select"),
    "exit": ("import os; os._exit(7)", "the process ended with status 7 and no result"),
    "lost callback": (
        MODEL
        + """
    dispatched = 0

    @hookimpl
    def dispatch_callback(self, callback):
        self.dispatched += 1
        if self.dispatched != 3:
            super().dispatch_callback(callback)
""",
        "29,999 dispatched callbacks ran instead of 30,000",
    ),
    "repeated link": (
        MODEL
        + """
    def _queue_links(self, result, links):
        return super()._queue_links(result, links * 2)
""",
        "linked callbacks ran instead of 20,000",
    ),
    "blind": (
        MODEL
        + """
    @hookimpl
    def select(self, rlist, wlist, xlist, timeout):
        return [], [], []
""",
        "select found 0 sockets ready instead of 1",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_model_is_reported_and_the_others_are_measured(
    run: Run, plugin: MakePlugin, tmp_path: Path, case: str
) -> None:
    source, reason = BROKEN[case]
    file = tmp_path / "figures.json"
    done = run(
        *("bench", "--rounds", "1", "odd", "threading", "--json", str(file)),
        folders=[plugin("odd", source)],
    )
    assert done.returncode == 1
    assert done.stderr.startswith("failed: odd, single operations: ")
    assert reason in done.stderr
    headings, rows = cells_of(done.stdout)
    assert headings == ["odd", "threading"]
    for cells in rows.values():
        assert cells[1] == "failed"
        assert number(cells[2]) > 0
    names = pyperf.BenchmarkSuite.load(str(file)).get_benchmark_names()
    assert names == [f"threading: {name}" for name in NAMES]


def test_nothing_is_written_where_nothing_was_measured(
    run: Run, plugin: MakePlugin, tmp_path: Path
) -> None:
    old = tmp_path / "figures.json"
    old.write_text("old")
    folder = plugin("odd", "raise OSError('no luck')")
    done = run("bench", "odd", "--json", str(old), folders=[folder])
    assert done.returncode == 1
    assert "no luck" in done.stderr
    assert "Traceback" not in done.stderr
    assert old.read_text() == "old"


def test_a_model_that_hangs_is_ended(
    environment: Callable[..., dict[str, str]], plugin: MakePlugin
) -> None:
    folder = plugin("odd", "import time; time.sleep(600)")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import importlib, sys\n"
            "bench = importlib.import_module('handler_core.cli.bench.command')\n"
            "bench._TIMEOUT, bench._TIMEOUT_OF_A_ROUND = 1.0, 2.0\n"
            "from handler_core.__main__ import main\n"
            "sys.argv = ['handler-core', 'bench', '--rounds', '1', 'odd']\n"
            "main()",
        ],
        env=environment([folder]),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1
    assert "took longer than 3 seconds, with 0 of 7 runs done" in done.stderr


def bench_limited(environment: Callable[..., dict[str, str]], ulimit: str) -> Any:
    """Run the bench under a limit on descriptors."""
    command = f"ulimit {ulimit}; exec {sys.executable} -m handler_core bench --rounds 1 threading"
    return subprocess.run(
        ["/bin/sh", "-c", command],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_too_few_descriptors(environment: Callable[..., dict[str, str]]) -> None:
    done = bench_limited(environment, "-n 256")
    assert done.returncode == 1
    assert "1,000 sockets are needed, and this process may open only 256 files" in done.stderr
    assert "ulimit -n" in done.stderr


def test_a_low_soft_limit_is_no_hindrance(environment: Callable[..., dict[str, str]]) -> None:
    done = bench_limited(environment, "-Sn 256")
    assert done.returncode == 0, done.stderr
    assert list(cells_of(done.stdout)[1]) == NAMES
