"""``handler-core check``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from handler_core.cli.versions import compatible_range
from handler_core.lookup._install_lines import install_line
from handler_core.testing._contract_texts import CONTRACT

Run = Callable[..., "subprocess.CompletedProcess[str]"]
MakePlugin = Callable[[str, str], Path]

WORKS = """
from handler_core_threading import SequentialThreadingHandler

class Handler(SequentialThreadingHandler):
    '''Does what threads do.'''

    name = "works"
"""

REQUIRES = "Requires-Dist: handler-core<99,>=0.1\n"


def requiring(folder: Path, lines: str) -> Path:
    """Add lines to the metadata of the distribution in a folder."""
    (metadata,) = folder.glob("*.dist-info/METADATA")
    metadata.write_text(metadata.read_text() + lines)
    return folder


def outcomes(output: str) -> dict[str, str]:
    """Return the outcome of each check."""
    found = {}
    for line in output.splitlines():
        for outcome in (" ok ", " failed ", " advice ", " not run ", " not possible "):
            subject, separator, _ = line.partition(outcome)
            if separator and subject.strip() and len(subject) - len(subject.lstrip()) == 2:
                found[subject.strip()] = outcome.strip()
                break
    return found


@pytest.mark.parametrize("model", ["threading", "gevent", "eventlet", "asyncio", "trio"])
def test_our_own_models_are_in_order(run: Run, model: str) -> None:
    done = run("check", model)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = outcomes(done.stdout)
    assert {"entry point", "class and hooks", "requirement", "C1 Start and stop"} <= set(found)
    assert len([subject for subject in found if subject[0] == "C"]) == len(CONTRACT)
    not_run = {subject.split()[0] for subject in found if found[subject] == "not run"}
    assert not_run == {"C4", "C5", "C6", "C18"}
    assert set(found.values()) == {"ok", "not run"}
    assert f"pytest --pyargs handler_core.testing --handler {model}" in done.stdout


@pytest.mark.timeout(900)
def test_the_whole_suite(run: Run) -> None:
    done = run("check", "threading", "--all", "--json", limit=800)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    found = json.loads(done.stdout)
    assert found["model"] == "threading"
    outcomes_of_lines = {
        finding["subject"].split()[0]: finding["outcome"]
        for finding in found["findings"]
        if finding["subject"].startswith("C")
    }
    assert outcomes_of_lines == {f"C{number}": "ok" for number in CONTRACT}


def test_what_breaks_the_contract_is_said_in_words(run: Run, plugin: MakePlugin) -> None:
    source = WORKS + "\n    def give_way(self): pass\n\n    def __len__(self): return 0\n"
    done = run("check", "works", folders=[requiring(plugin("works", source), REQUIRES)])
    assert done.returncode == 1
    found = outcomes(done.stdout)
    failed = [subject for subject in found if found[subject] == "failed"]
    assert failed == ["C20 Events, locks, queues, sleep, spawn"], done.stdout
    assert "test_c20_a_handler_is_true: " in done.stdout
    assert "assert False" in done.stdout
    assert "reference/contract.html#c20" in done.stdout
    assert "1 of these checks failed for works" in done.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTEST_ADDOPTS": "--collect-only", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        {
            "PYTEST_ADDOPTS": "-x --no-such-option",
            "PYTEST_PLUGINS": "no_such_plugin",
            "HANDLER_CORE_WRAPPERS": "no-such-wrapper",
        },
    ],
)
def test_what_the_environment_asks_of_others_is_left_alone(
    run: Run, plugin: MakePlugin, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    source = WORKS + "\n    def __len__(self): return 0\n"
    done = run("check", "works", folders=[requiring(plugin("works", source), REQUIRES)])
    assert done.returncode == 1
    assert "test_c20_a_handler_is_true: " in done.stdout
    assert "1 of these checks failed for works" in done.stderr


def test_a_test_that_hangs_is_the_last_one(run: Run, plugin: MakePlugin, tmp_path: Path) -> None:
    hangs = """
    @staticmethod
    def sleep_func(seconds):
        import time
        while True:
            time.sleep(0.1)
"""
    # This makes the limit of a test short in every process of the run.
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(
        "import handler_core.testing._time_limits as limits\nlimits.TEST_LIMIT = 2\n"
    )
    source = WORKS + "\n    def __len__(self): return 0\n" + hangs
    folders = [requiring(plugin("works", source), REQUIRES), site]
    done = run("check", "works", folders=folders)
    assert done.returncode == 1
    found = outcomes(done.stdout)
    assert "failed" in found.values()
    assert " hangs; the tests after it did not run" in done.stdout
    assert "Overdue: this hangs: " in done.stdout


@pytest.mark.parametrize(
    ("source", "lines", "subject", "said"),
    [
        ("import no_such_library", REQUIRES, "class and hooks", "No module named"),
        (
            "import handler_core\nclass Handler(handler_core.Handler): pass",
            REQUIRES,
            "class and hooks",
            "missing hook select",
        ),
        (WORKS.replace('"works"', '"other"'), REQUIRES, "name", "write name = 'works'"),
        (WORKS, "", "requirement", 'add "handler-core>='),
        (
            WORKS,
            "Requires-Dist: handler-core<0.1\n",
            "requirement",
            "excludes the installed handler-core",
        ),
    ],
    ids=["import", "hooks", "name", "no requirement", "wrong requirement"],
)
def test_what_is_wrong_is_said_and_the_suite_is_not_run(
    run: Run, plugin: MakePlugin, source: str, lines: str, subject: str, said: str
) -> None:
    done = run("check", "works", folders=[requiring(plugin("works", source), lines)])
    assert done.returncode == 1
    found = outcomes(done.stdout)
    assert found[subject] == "failed"
    assert said in done.stdout
    assert not [each for each in found if each[0] == "C"]


@pytest.mark.parametrize("broken", ["gone", "wrong requirement"])
def test_metadata_that_cannot_be_read_is_said(run: Run, plugin: MakePlugin, broken: str) -> None:
    folder = plugin("works", WORKS)
    if broken == "gone":
        (metadata,) = folder.glob("*.dist-info/METADATA")
        metadata.unlink()
    else:
        requiring(folder, "Requires-Dist: a b c\n")
    done = run("check", "works", folders=[folder])
    assert done.returncode == 1
    assert outcomes(done.stdout)["metadata"] == "failed"
    assert "Traceback" not in done.stderr


def test_a_name_that_two_claim_is_said(run: Run, plugin: MakePlugin) -> None:
    folders = [plugin("works", WORKS), plugin("other", WORKS)]
    (entries,) = folders[1].glob("*.dist-info/entry_points.txt")
    entries.write_text("[handler_core.handlers]\nworks = other_plugin:Handler\n")
    done = run("check", "works", folders=folders)
    assert done.returncode == 1
    assert outcomes(done.stdout)["entry point"] == "failed"
    assert "of other 1.0" in done.stdout


def test_advice_is_no_fault(run: Run, plugin: MakePlugin) -> None:
    folder = requiring(plugin("works", WORKS), "Requires-Dist: handler-core>=0.1\n")
    done = run("check", "works", folders=[folder])
    assert done.returncode == 0, done.stdout
    assert outcomes(done.stdout)["requirement"] == "advice"
    assert outcomes(done.stdout)["metadata"] == "advice"
    for missing in ("Summary", "Requires-Python", "Description", "license"):
        assert f"the distribution has no {missing}" in done.stdout


def test_a_model_that_ends_the_process_is_said(run: Run, plugin: MakePlugin) -> None:
    source = WORKS + "\n    def spawn(self, *args, **kwargs): import os; os._exit(7)\n"
    done = run("check", "works", folders=[requiring(plugin("works", source), REQUIRES)])
    assert done.returncode == 1
    assert "the process ended with status 7" in done.stdout


def test_what_is_not_installed_is_said(run: Run) -> None:
    done = run("check", "threadng")
    assert (done.returncode, done.stdout) == (1, "")
    assert "did you mean threading?" in done.stderr


def test_without_pytest_it_says_what_to_install(run: Run, tmp_path: Path) -> None:
    (tmp_path / "pytest.py").write_text("raise ModuleNotFoundError('no pytest', name='pytest')")
    done = run("check", "threading", folders=[tmp_path])
    assert done.returncode == 2
    assert outcomes(done.stdout)["conformance"] == "not possible"
    assert install_line("testing") in done.stdout
    assert "no check failed for threading, but not all was possible here" in done.stderr


def test_what_pytest_says_where_it_fails_is_shown(run: Run, tmp_path: Path) -> None:
    (tmp_path / "trustme.py").write_text("raise ModuleNotFoundError('no trustme', name='trustme')")
    done = run("check", "threading", folders=[tmp_path])
    assert done.returncode == 1
    assert "no trustme" in done.stdout
    assert install_line("testing") in done.stdout


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("0.1.0", ">=0.1,<0.2"),
        ("0.9.3", ">=0.9,<0.10"),
        ("1.2.3", ">=1.2,<2"),
        ("2.0rc1", ">=2.0rc1,<3"),
        ("0.2.0rc1", ">=0.2.0rc1,<0.3"),
    ],
)
def test_the_range_of_versions(version: str, found: str) -> None:
    assert compatible_range(version) == found
