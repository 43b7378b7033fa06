"""``handler-core list`` and ``handler-core info``."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import handler_core
from handler_core import list_handlers
from handler_core.lookup._default_model import choose_model

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

# What a plugin does when it is imported, and what the command says about it.
BROKEN = {
    "raises": ("raise ValueError('as planned')", "cannot be imported: ValueError: as planned"),
    "misses": ("import no_such_library", "No module named 'no_such_library'"),
    "speaks": ("raise ValueError('größe [/b] \x1b[2J')", r"ValueError: größe [/b] \x1b[2J"),
    "number": (WORKS.replace('"model"', "7"), "its name is a string, not 7"),
    "typing": (
        WORKS + "\n    @classmethod\n    def is_active(cls): raise SystemExit(7)\n",
        "the process ended with status 7 and no result",
    ),
    # The name of a module that the command itself has imported.
    "json": ("import os; os._exit(3)", "the process ended with status 3 and no result"),
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


def test_it_says_which_build_of_the_core_runs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDLER_CORE_PURE", "1")
    reason = "the core runs from its Python source: HANDLER_CORE_PURE asks for it"
    assert reason in run("list").stdout
    assert reason in run("info", "threading").stdout
    monkeypatch.setenv("HANDLER_CORE_PURE", "0")
    assert ("the core runs as compiled code" in run("list").stdout) == any_is_compiled()


def any_is_compiled() -> bool:
    folder = Path(handler_core.__file__).parent
    return any(folder.rglob(f"*{EXTENSION_SUFFIXES[0]}"))


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
    assert "get_handler() takes threading here" in done.stdout
    assert reason in done.stdout
    done = run("info", name, folders=[folder])
    assert done.returncode == 1
    assert f"{name}_plugin:Handler" in done.stdout
    assert f"Error: {name} is broken: " in done.stderr
    assert reason in done.stderr


def test_a_plugin_that_forks_as_it_is_imported_works(run: Run, plugin: MakePlugin) -> None:
    """Its child process inherits the pipe to the command, and keeps it open."""
    source = "import os, time\nif os.fork() == 0:\n    time.sleep(20)\n    os._exit(0)\n"
    done = run("list", folders=[plugin("model", source + WORKS)])
    assert row_of(done.stdout, "model")[-1] == "works"


@pytest.mark.parametrize("damage", ["no METADATA", "METADATA", "entry_points.txt"])
def test_damaged_metadata_of_somebody_else_breaks_nothing(
    run: Run, tmp_path: Path, damage: str
) -> None:
    metadata = tmp_path / "site" / "somebody-1.0.dist-info"
    metadata.mkdir(parents=True)
    texts = {
        "METADATA": b"Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n",
        "entry_points.txt": b"[handler_core.handlers]\nother = other:Handler\n",
        "RECORD": b"gevent/__init__.py,,\n",
        "top_level.txt": b"gevent\n",
    }
    if damage == "no METADATA":
        del texts["METADATA"]
    else:
        texts[damage] += b"\xff\xfe [\n"
    for name, text in texts.items():
        (metadata / name).write_bytes(text)
    done = run("list", folders=[metadata.parent])
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    for model in ("threading", "gevent", "asyncio"):
        assert row_of(done.stdout, model)[-1] == "works"
    assert re.search(r"^library: +gevent \d", run("info", "gevent").stdout, re.MULTILINE)


def test_what_is_said_where_the_locale_has_no_letters_for_it(
    run: Run, plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in (
        ("LC_ALL", "C"),
        ("PYTHONUTF8", "0"),
        ("PYTHONCOERCECLOCALE", "0"),
        ("PYTHONIOENCODING", "ascii"),
    ):
        monkeypatch.setenv(variable, value)
    done = run("list", folders=[plugin("speaks", "raise ValueError('größe')")])
    assert (done.returncode, done.stderr) == (0, "")
    assert r"ValueError: gr\xf6\xdfe" in done.stdout


def test_a_library_that_is_missing_is_said(run: Run, plugin: MakePlugin) -> None:
    folder = plugin("model", "import no_such_library")
    (metadata,) = folder.glob("*.dist-info/METADATA")
    metadata.write_text(
        metadata.read_text()
        + "Requires-Dist: handler-core\nRequires-Dist: no-such-library>=2\n"
        + "Requires-Dist: click\nRequires-Dist: other; extra == 'more'\n"
    )
    library = "no-such-library is missing, click 8"
    assert library in run("list", folders=[folder]).stdout
    done = run("info", "model", folders=[folder])
    assert f"library:      {library}" in done.stdout


def test_wrappers_are_there_too(run: Run, tmp_path: Path) -> None:
    metadata = tmp_path / "bad-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bad\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[handler_core.wrappers]\nbad = builtins:object\n")
    done = run("list", folders=[tmp_path])
    assert done.returncode == 0
    assert row_of(done.stdout, "prometheus")[1] == "handler-core-prometheus"
    assert row_of(done.stdout, "prometheus")[-1] == "works"
    assert row_of(done.stdout, "bad")[-1] == "broken"
    assert "it has no hooks" in done.stdout
    told = run("info", "prometheus").stdout
    assert re.search(r"^class: +handler_core_prometheus.PrometheusWrapper$", told, re.MULTILINE)
    assert run("info", "bad", folders=[tmp_path]).returncode == 1


def test_a_model_and_a_wrapper_of_one_name(run: Run, tmp_path: Path) -> None:
    metadata = tmp_path / "both-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: both\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[handler_core.handlers]\nboth = no_such_module:Handler\n"
        "[handler_core.wrappers]\nboth = handler_core_prometheus:PrometheusWrapper\n"
    )
    done = run("info", "both", folders=[tmp_path])
    assert done.returncode == 1
    assert "both is broken: " in done.stderr
    assert "get_handler() takes threading here" in done.stdout
    assert "class:        handler_core_prometheus.PrometheusWrapper" in done.stdout


def test_wrappers_of_the_environment(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDLER_CORE_WRAPPERS", "prometheus, opentelemetry")
    said = "get_handler() takes threading here, with prometheus, opentelemetry around it: "
    assert said in run("list").stdout
    monkeypatch.setenv("HANDLER_CORE_WRAPPERS", "prometheus,nix")
    done = run("list")
    assert row_of(done.stdout, "threading")[-1] == "works"
    assert "get_handler() fails here: the variable HANDLER_CORE_WRAPPERS names nix" in done.stdout


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
        "library": "the standard library",
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
    assert choose_model()[0] == "threading"
    monkeypatch.setenv("HANDLER_CORE_HANDLER", "gevent")
    assert choose_model() == ("gevent", "the variable HANDLER_CORE_HANDLER says so")
