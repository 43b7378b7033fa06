"""``handler-core list`` and ``handler-core info``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from handler_core import list_handlers
from handler_core.discovery import choice

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakePlugin = Callable[[str, str], Path]

WORKS = """
from handler_core_threading import SequentialThreadingHandler

class Handler(SequentialThreadingHandler):
    '''Does what threads do.

    And no more.
    '''

    name = "model"
"""

# What a plugin does as it is imported, and what is said of it.
BROKEN = {
    "raises": ("raise ValueError('as planned')", "cannot be imported: ValueError: as planned"),
    "misses": ("import no_such_library", "No module named 'no_such_library'"),
    "exits": ("import os; os._exit(3)", "the process ended with status 3 and no result"),
    "crashes": ("import os; os.kill(os.getpid(), 11)", "the process was killed by SIGSEGV"),
    "no_hooks": (
        "import handler_core\nclass Handler(handler_core.Handler): pass",
        "does not follow handler_core.hookspecs.HandlerSpec",
    ),
}


def row_of(output: str, name: str) -> list[str]:
    rows = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
    (row,) = [row for row in rows if row[0] == name and row[-1] in ("works", "broken")]
    return row


def test_what_is_installed_is_listed(run: Run) -> None:
    done = run("list")
    assert (done.returncode, done.stderr) == (0, "")
    for each in list_handlers():
        name, distribution, version, library, state = row_of(done.stdout, each.name)
        assert (name, distribution, version) == (each.name, each.distribution, each.version)
        assert library
        assert state == "works"
    assert row_of(done.stdout, "threading")[3] == "the standard library"
    assert "get_handler() takes threading here: no installed model runs" in done.stdout


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_model_is_shown_and_breaks_nothing_else(
    run: Run, plugin: MakePlugin, name: str
) -> None:
    source, reason = BROKEN[name]
    folder = plugin(name, source)
    done = run("list", folders=[folder])
    assert done.returncode == 0
    assert row_of(done.stdout, name)[-1] == "broken"
    assert row_of(done.stdout, "threading")[-1] == "works"
    assert f"{name} of {name} is broken: " in done.stdout
    assert reason in done.stdout
    done = run("info", name, folders=[folder])
    assert done.returncode == 1
    assert f"{name}_plugin:Handler" in done.stdout
    assert f"Error: {name} is broken: " in done.stderr
    assert reason in done.stderr


def test_what_there_is_to_tell_of_a_model(run: Run, plugin: MakePlugin) -> None:
    folder = plugin("model", WORKS)
    done = run("info", "model", folders=[folder])
    assert (done.returncode, done.stderr) == (0, "")
    told = dict(re.findall(r"^([a-z ]+): +(.*)$", done.stdout, re.MULTILINE))
    assert told == {
        "model": "model",
        "distribution": "model 1.0",
        "entry point": "model_plugin:Handler",
        "class": "model_plugin.Handler",
        "file": str(folder / "model_plugin.py"),
        "library": "not known",
        "summary": "Does what threads do.",
    }


def test_the_library_of_a_model(run: Run) -> None:
    told = run("info", "gevent").stdout
    assert re.search(r"^library: +gevent \d", told, re.MULTILINE)
    assert "SequentialGeventHandler" in told


def test_a_model_that_is_not_installed(run: Run) -> None:
    done = run("info", "gevnt")
    assert done.returncode == 1
    assert "did you mean gevent" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_name_that_two_distributions_claim(run: Run, plugin: MakePlugin, tmp_path: Path) -> None:
    folders = [plugin("twice", WORKS), tmp_path / "other"]
    metadata = folders[1] / "other-2.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 2.0\n")
    entry = "[handler_core.handlers]\ntwice = twice_plugin:Handler\n"
    (metadata / "entry_points.txt").write_text(entry)
    done = run("list", folders=folders)
    assert done.returncode == 0
    rows = [line.split() for line in done.stdout.splitlines() if line.split()[:1] == ["twice"]]
    assert [row[1] for row in rows if row[-1] == "broken"] == ["other", "twice"]
    assert "is claimed by" in done.stdout


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("gevent", "get_handler() takes gevent here: the variable HANDLER_CORE_HANDLER says so"),
        ("gevnt", "get_handler() fails here: no handler named 'gevnt' is installed"),
    ],
)
def test_what_is_chosen(
    run: Run, monkeypatch: pytest.MonkeyPatch, variable: str, said: str
) -> None:
    monkeypatch.setenv("HANDLER_CORE_HANDLER", variable)
    assert said in run("list").stdout


def test_the_choice_and_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDLER_CORE_HANDLER", raising=False)
    assert choice()[0] == "threading"
    monkeypatch.setenv("HANDLER_CORE_HANDLER", "gevent")
    assert choice() == ("gevent", "the variable HANDLER_CORE_HANDLER says so")
