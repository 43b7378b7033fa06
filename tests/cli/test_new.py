"""``handler-core new``: it writes a project that works at once."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import importlib_metadata
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from handler_core.cli.new.command import _RESERVED
from handler_core.lookup._suggestions import models_on_offer

Run = Callable[..., "subprocess.CompletedProcess[str]"]

LONGEST = "x" * 26

FILES = {
    "pyproject.toml",
    "README.md",
    "LICENSE",
    ".gitignore",
    ".github/workflows/test.yml",
    "handler_core_my_model/__init__.py",
    "handler_core_my_model/py.typed",
    "tests/test_conformance.py",
    "tests/test_plugin.py",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the current folder of the command."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def project(run: Run, folder: Path) -> Path:
    done = run("new", "my_model")
    assert (done.returncode, done.stderr) == (0, "")
    assert "cd handler-core-my-model" in done.stdout
    return folder / "handler-core-my-model"


def files_in(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_all_files_are_there_and_nothing_is_left_to_fill_in(project: Path, folder: Path) -> None:
    files = files_in(project)
    assert set(files) == FILES
    assert [path.name for path in folder.iterdir()] == [project.name]
    # The workflow itself contains a $. No other $ may be left.
    left = {path: re.findall(r"\$(?!\{\{ )\S*", text) for path, text in files.items()}
    assert [path for path, found in left.items() if found] == []


def test_the_metadata(project: Path) -> None:
    metadata = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    (requirement,) = map(Requirement, metadata["dependencies"])
    core = importlib_metadata.version("handler-core")
    assert requirement.name == "handler-core"
    assert requirement.specifier.contains(core)
    assert not requirement.specifier.contains("99")
    assert metadata["entry-points"]["handler_core.handlers"] == {
        "my_model": "handler_core_my_model:SequentialMyModelHandler"
    }


def test_what_to_replace_is_marked(project: Path) -> None:
    source = (project / "handler_core_my_model" / "__init__.py").read_text()
    assert source.count("# Replace: ") >= 5


@pytest.mark.parametrize("name", ["a", "my_model", LONGEST, f"my_{LONGEST[3:]}"])
def test_the_code_is_clean(run: Run, folder: Path, name: str) -> None:
    assert run("new", name).returncode == 0
    (project,) = folder.iterdir()
    for tool in (
        ("mypy", "--strict", f"handler_core_{name}"),
        ("ruff", "check"),
        ("ruff", "format", "--check"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *tool], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("", "My", "1st", "my-model", "my model", "_my", "my_", "my__model", "class", "../my"),
        *("a/b", "mödel", "my\n", "-x", f"{LONGEST}x"),
    ],
)
def test_a_name_that_cannot_be_is_refused(run: Run, folder: Path, name: str) -> None:
    done = run("new", "--", name)
    assert done.returncode == 1
    assert "my_model" in done.stderr or "a name may have at most 26 characters" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gevent", "gevent is one of handler-core's own names"),
        ("trio", "trio is one of handler-core's own names"),
        ("greenlet", "greenlet is one of handler-core's own names"),
        ("handler", "handler is one of handler-core's own names"),
    ],
)
def test_a_name_that_is_taken_is_refused(run: Run, folder: Path, name: str, said: str) -> None:
    done = run("new", name)
    assert done.returncode == 1
    assert said in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("distribution", "group", "entry"),
    [
        ("other", "handlers", "my_model"),
        ("other", "handlers", "my-model"),
        ("other", "wrappers", "my.model"),
        ("Handler.Core-My_Model", "handlers", "other"),
        ("handler-core-my-model", "nothing", "other"),
    ],
)
def test_a_plugin_that_is_installed_takes_its_name(
    run: Run, folder: Path, tmp_path: Path, distribution: str, group: str, entry: str
) -> None:
    site = tmp_path / "site"
    metadata = site / f"{canonicalize_name(distribution).replace('-', '_')}-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[handler_core.{group}]\n{entry} = x:Handler\n")
    done = run("new", "my_model", folders=[site])
    assert done.returncode == 1
    assert "my_model is taken by a plugin that is installed here" in done.stderr
    assert list(folder.iterdir()) == []


def test_what_our_own_distributions_are_called_is_refused() -> None:
    """The names are refused even if the distributions are not installed."""
    plugins = Path(__file__).parents[2] / "plugins"
    ours = {path.name.removeprefix("handler-core-") for path in plugins.iterdir()}
    assert ours <= {*_RESERVED, *models_on_offer()}


@pytest.mark.parametrize("kind", ["folder", "empty folder", "file", "broken link"])
def test_nothing_is_overwritten(run: Run, folder: Path, kind: str) -> None:
    there = folder / "handler-core-my-model"
    if kind == "file":
        there.write_text("mine")
    elif kind == "broken link":
        there.symlink_to("nowhere")
    else:
        there.mkdir()
        if kind == "folder":
            (there / "README.md").write_text("mine")
    before = files_in(folder)
    done = run("new", "my_model")
    assert done.returncode == 1
    assert "exists already, and was not changed" in done.stderr
    assert files_in(folder) == before
    assert [path.name for path in folder.iterdir()] == ["handler-core-my-model"]


def test_a_folder_that_cannot_be_made_is_said(run: Run, folder: Path) -> None:
    folder.rmdir()
    done = run("new", "my_model")
    assert done.returncode == 1
    assert "cannot make the folder handler-core-my-model" in done.stderr
