"""``handler-core new``: a project that works as it is written."""

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

Run = Callable[..., "subprocess.CompletedProcess[str]"]

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
    """Where the command is called."""
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
    # The one $ that is meant to be there is the workflow's own.
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


@pytest.mark.parametrize(
    "tool",
    [
        ("mypy", "--strict", "handler_core_my_model"),
        ("ruff", "check"),
        ("ruff", "format", "--check"),
    ],
    ids=["mypy", "ruff", "format"],
)
def test_the_code_is_clean(project: Path, tool: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *tool], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    [
        *("", "My", "1st", "my-model", "my model", "_my", "my_", "my__model", "class", "../my"),
        *("a/b", "mödel", "my\n", "-x", "x" * 51),
    ],
)
def test_a_name_that_cannot_be_is_refused(run: Run, folder: Path, name: str) -> None:
    done = run("new", "--", name)
    assert done.returncode == 1
    assert "my_model" in done.stderr or "a name may have 50 characters" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gevent", "gevent is taken by handler-core-gevent"),
        ("trio", "trio is the name of one of handler-core's own models"),
        ("greenlet", "there is a package handler_core_greenlet here"),
    ],
)
def test_a_name_that_is_taken_is_refused(run: Run, folder: Path, name: str, said: str) -> None:
    done = run("new", name)
    assert done.returncode == 1
    assert said in done.stderr
    assert list(folder.iterdir()) == []


def test_a_plugin_that_is_installed_takes_its_name(
    run: Run, folder: Path, plugin: Callable[[str, str], Path]
) -> None:
    done = run("new", "other", folders=[plugin("other", "Handler = None")])
    assert done.returncode == 1
    assert "other is taken by other 1.0" in done.stderr


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
    assert "is here already, and is left as it is" in done.stderr
    assert files_in(folder) == before
    assert [path.name for path in folder.iterdir()] == ["handler-core-my-model"]


def test_a_folder_that_cannot_be_made_is_said(run: Run, folder: Path) -> None:
    folder.rmdir()
    done = run("new", "my_model")
    assert done.returncode == 1
    assert "cannot make the folder handler-core-my-model" in done.stderr
