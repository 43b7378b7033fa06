"""The files that ``handler-core bench`` writes."""

from __future__ import annotations

import importlib.metadata
import os
import stat
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pyperf
import pytest
from bench_table import MEMORY, NAMES, cells_of, number
from odd_model import MODEL

from handler_core.cli.bench import output_file
from handler_core.cli.bench.operations import ROWS
from handler_core.lookup._install_lines import install_line

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakePlugin = Callable[[str, str], Path]


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
    # The tests may run as root, and root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: (path, mode) != (str(old), os.W_OK))
    with pytest.raises(PermissionError):
        output_file.check_writable(str(old))
    output_file.check_writable(str(tmp_path / "new.json"))
    assert list(tmp_path.iterdir()) == [old]


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


# A model that leaves a file when it is imported.
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
    assert install_line("bench") in done.stderr
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
