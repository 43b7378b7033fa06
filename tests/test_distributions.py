"""The distributions as a user gets them: built, and installed into empty environments."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from handler_core import list_handlers

ROOT = Path(__file__).parent.parent
PLUGINS = sorted((ROOT / "plugins").iterdir())

pytestmark = pytest.mark.timeout(600)


def run(*command: str | Path, cwd: Path, status: int = 0) -> str:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    environment["PIP_CONSTRAINT"] = str(ROOT / "constraints.txt")
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    ended = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == status, f"{ended.stdout}\n{ended.stderr}"
    return ended.stdout


def new_environment(folder: Path) -> Path:
    """Make an empty virtual environment, and return its python."""
    venv.create(folder, with_pip=True, symlinks=True)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build each distribution from a copy, as a release would."""
    folder = tmp_path_factory.mktemp("wheels")
    sources = tmp_path_factory.mktemp("sources")
    for project in (ROOT, *PLUGINS):
        source = sources / (project.name if project != ROOT else "core")
        ignored = shutil.ignore_patterns(".*", "plugins", "docs", "__pycache__")
        shutil.copytree(project, source, ignore=ignored)
        run(sys.executable, "-m", "build", "--outdir", folder, source, cwd=folder)
    built = sorted(folder.glob("*.whl"))
    assert len(built) == 1 + len(PLUGINS)
    assert len(list(folder.glob("*.tar.gz"))) == len(built)
    return built


def installed(python: Path, cwd: Path) -> set[str]:
    lines = run(python, "-m", "pip", "list", "--format", "freeze", cwd=cwd).splitlines()
    return {line.partition("==")[0].lower().replace("_", "-") for line in lines}


def test_the_core_alone(wheels: list[Path], tmp_path: Path) -> None:
    python = new_environment(tmp_path / "venv")
    before = installed(python, tmp_path)
    needed = run(
        python, "-m", "pip", "install", "--quiet", "pluggy", "importlib-metadata", cwd=tmp_path
    )
    assert needed == ""
    expected = (installed(python, tmp_path) - before) | {"handler-core"}
    (core,) = [wheel for wheel in wheels if wheel.name.startswith("handler_core-")]
    run(python, "-m", "pip", "install", "--quiet", core, cwd=tmp_path)
    assert installed(python, tmp_path) - before == expected
    said = run(
        python,
        "-c",
        "import handler_core\n"
        "try:\n"
        "    handler_core.get_handler('threading')\n"
        "except handler_core.HandlerNotFoundError as error:\n"
        "    print(error)\n"
        "print(handler_core.list_handlers())\n",
        cwd=tmp_path,
    )
    assert 'pip install "handler-core[threading]"' in said
    assert said.endswith("[]\n")


def test_the_wheels_pass_the_conformance_suite(wheels: list[Path], tmp_path: Path) -> None:
    python = new_environment(tmp_path / "venv")
    requirement = [
        f"{wheel}[testing]" if wheel.name.startswith("handler_core-") else str(wheel)
        for wheel in wheels
    ]
    run(python, "-m", "pip", "install", "--quiet", *requirement, cwd=tmp_path)
    models = {handler.name for handler in list_handlers()}
    suites = [plugin for plugin in PLUGINS if plugin.name.rpartition("-")[2] in models]
    assert len(suites) == len(models)
    for plugin in suites:
        tests = tmp_path / plugin.name
        shutil.copytree(plugin / "tests", tests, ignore=shutil.ignore_patterns("__pycache__"))
        suite = tests / "test_conformance.py"
        said = run(python, "-m", "pytest", "-q", "--timeout", "120", suite, cwd=tmp_path)
        assert " passed" in said
        where = run(python, "-c", "import handler_core; print(handler_core.__file__)", cwd=tests)
        assert str(tmp_path) in where
