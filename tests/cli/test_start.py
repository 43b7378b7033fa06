"""How the command starts, and what it does if something is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from handler_core import __main__
from handler_core.lookup._install_lines import install_line


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"COLUMNS": "80"},
    )


@pytest.mark.parametrize("package", ["click", "rich"])
def test_says_what_to_install_where_the_extra_is_missing(package: str) -> None:
    done = run_python(
        f"import sys; sys.modules[{package!r}] = None\n"
        "import handler_core.__main__\n"
        "sys.argv = ['handler-core', 'demo']\n"
        "handler_core.__main__.main()"
    )
    assert done.returncode == 2
    assert install_line("cli") in done.stderr
    assert package in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_module_of_our_own_that_is_missing_is_no_missing_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "handler_core.cli.commands", None)
    with pytest.raises(ModuleNotFoundError, match=r"handler_core\.cli\.commands"):
        __main__.main()


def test_the_core_imports_nothing_of_the_command_line() -> None:
    done = run_python(
        "import sys, handler_core\n"
        "print({'click', 'rich', 'kazoo', 'handler_core.cli'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_a_child_process_imports_nothing_of_the_command_line() -> None:
    done = run_python(
        "import sys, handler_core.cli.child.worker\n"
        "import handler_core.cli.bench.rounds, handler_core.cli.check.conformance\n"
        "import handler_core.cli.demo.jobs, handler_core.cli.installed.description\n"
        "print({'click', 'rich', 'kazoo'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()", done.stderr


def test_says_what_to_install_where_there_is_no_model() -> None:
    done = run_python(
        "import importlib_metadata, sys\n"
        "importlib_metadata.entry_points = lambda **selection: []\n"
        "from handler_core.__main__ import main\n"
        "sys.argv = ['handler-core', 'demo']\n"
        "main()"
    )
    assert done.returncode == 1
    assert install_line("threading") in done.stderr
    assert "Traceback" not in done.stderr


def test_kazoo_missing() -> None:
    done = run_python(
        "import sys; sys.modules['kazoo'] = None\n"
        "from handler_core.__main__ import main\n"
        "sys.argv = ['handler-core', 'demo', '--requests', '50', 'threading']\n"
        "main()"
    )
    assert done.returncode == 0
    assert "KazooClient is left out: kazoo is not installed" in done.stderr
    assert install_line("cli") in done.stderr
    assert "threading" in done.stdout
