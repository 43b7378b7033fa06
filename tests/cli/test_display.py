"""What all commands have in common: help, completion, and tables of any width."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from rich.console import Console
from rich.table import Table

from handler_core import list_handlers
from handler_core.cli.commands import cli
from handler_core.cli.display import show_table
from handler_core.execution._compiled import build

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.mark.parametrize("command", ["", *cli.commands])
def test_help_is_short_and_whole(run: Run, command: str) -> None:
    arguments = [command] if command else []
    done = run(*arguments, "-h", COLUMNS="80")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == run(*arguments, "--help", COLUMNS="80").stdout
    assert "..." not in done.stdout.replace("]...", "").replace("PORT...", "")
    assert ("Example" in done.stdout) == bool(command)
    assert all(len(line) <= 80 for line in done.stdout.splitlines())


def complete(*words: str) -> list[str]:
    """Return what the tab key offers in bash for the last word."""
    done = subprocess.run(
        [sys.executable, "-m", "handler_core"],
        env=os.environ
        | {
            "_HANDLER_CORE_COMPLETE": "bash_complete",
            "COMP_WORDS": " ".join(("handler-core", *words)),
            "COMP_CWORD": str(len(words)),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["in"], ["info"]),
        (["info", "g"], ["gevent"]),
        (["check", "thr"], ["threading"]),
        (["check", "--a"], ["--all"]),
        (["demo", "gevent", "t"], ["threading", "trio"]),
        (["demo", "trio", "t"], ["threading"]),
        (["bench", "nothing"], []),
    ],
)
def test_the_tab_key_knows_commands_options_and_models(
    words: Sequence[str], offered: list[str]
) -> None:
    assert complete(*words) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script(run: Run, shell: str) -> None:
    done = run(_HANDLER_CORE_COMPLETE=f"{shell}_source")
    assert done.returncode == 0
    assert f"_HANDLER_CORE_COMPLETE={shell}_complete" in done.stdout


@pytest.mark.parametrize("width", ["30", "50", "70", "90", "200"])
def test_names_are_whole_in_a_table_of_any_width(run: Run, width: str) -> None:
    lines = run("list", COLUMNS=width).stdout.splitlines()
    for each in list_handlers():
        assert any(line.split()[:1] == [each.name] for line in lines)
    assert [line for line in lines if line != line.rstrip()] == []
    table = [line for line in lines if line.startswith(" ")]
    assert max(map(len, table)) <= int(width)
    assert ("distribution" in "\n".join(table)) == (int(width) >= 90)


def test_columns_go_in_their_order_until_the_table_fits(capsys: pytest.CaptureFixture[str]) -> None:
    def headings(width: int) -> list[str]:
        table = Table("name", "first", "second", "last", box=None)
        table.add_row("n" * 10, "1" * 10, "2" * 10, "3" * 10)
        show_table(Console(width=width), table, ("first", "second"))
        return capsys.readouterr().out.splitlines()[0].split()

    assert headings(50) == ["name", "first", "second", "last"]
    assert headings(40) == ["name", "second", "last"]
    assert headings(30) == ["name", "last"]


def test_what_is_installed_as_json(run: Run) -> None:
    found = json.loads(run("list", "--json").stdout)
    assert [
        (each["name"], each["distribution"], each["version"], each["entry_point"])
        for each in found["models"]
    ] == list(list_handlers())
    assert all(each["works"] and each["class"] and each["summary"] for each in found["models"])
    assert {each["name"] for each in found["wrappers"]} == {"opentelemetry", "prometheus"}
    assert found["get_handler"]["model"] == "threading"
    assert "get_handler() takes threading here" in found["get_handler"]["reason"]
    assert found["build"] == build()

    of_one = json.loads(run("info", "gevent", "--json").stdout)
    assert of_one["models"] == [each for each in found["models"] if each["name"] == "gevent"]
    assert of_one["wrappers"] == []


def test_a_broken_plugin_as_json(run: Run, plugin: Callable[[str, str], object]) -> None:
    folder = plugin("bad", "raise ValueError('as planned')")
    done = run("info", "bad", "--json", folders=[folder])
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)["models"]
    assert found["works"] is False
    assert "ValueError: as planned" in found["error"]
    assert "class" not in found
