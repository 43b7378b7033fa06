"""Build and install as a user does. Environments begin empty, and nothing is editable."""

from __future__ import annotations

import os
import subprocess
import tomllib
from pathlib import Path

import virtualenv
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent.parent
PROJECTS = [ROOT, *sorted((ROOT / "plugins").iterdir())]


def metadata_of(project: Path) -> dict[str, object]:
    """Return the project table of a pyproject.toml."""
    metadata: dict[str, object] = tomllib.loads((project / "pyproject.toml").read_text())["project"]
    return metadata


def required_by(*names: str) -> tuple[set[str], list[str]]:
    """Return our distributions that these need, with themselves, and the foreign requirements."""
    ours: set[str] = set()
    others: list[str] = []
    projects = {metadata_of(project)["name"]: project for project in PROJECTS}
    left = list(names)
    while left:
        name = left.pop()
        ours.add(name)
        for text in metadata_of(projects[name])["dependencies"]:  # type: ignore[attr-defined]
            if Requirement(text).name not in projects:
                others.append(text)
            elif Requirement(text).name not in ours:
                left.append(Requirement(text).name)
    return ours, others


VERSION = str(metadata_of(ROOT)["version"])


class Environment:
    """A virtual environment of its own, without any trace of this checkout."""

    def __init__(self, folder: Path, built: Path) -> None:
        # It takes a second. The standard library's venv runs pip to install pip.
        virtualenv.cli_run(["--quiet", str(folder / "venv")])
        self.folder = folder
        self.bin = folder / "venv" / "bin"
        self._built = built
        # Our own distributions come from the build, whatever a registry may have.
        self._constraints = folder / "constraints.txt"
        ours = [f"{metadata_of(project)['name']}=={VERSION}" for project in PROJECTS]
        pinned = (ROOT / "constraints.txt").read_text()
        self._constraints.write_text("\n".join([pinned, *ours]) + "\n")
        self._before = self.installed()

    def run(
        self, *command: str | Path, cwd: Path | None = None, status: int = 0, **variables: str
    ) -> str:
        """Run a program of the environment. Return its output, with its errors if it is to fail."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTHON", "HANDLER_CORE"))
        }
        environment |= {
            "PATH": os.pathsep.join((str(self.bin), os.environ["PATH"])),
            "PIP_CONSTRAINT": str(self._constraints),
            "PIP_FIND_LINKS": str(self._built),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            # It is a third of pip's time. Python compiles a module when it imports it.
            "PIP_COMPILE": "0",
        }
        program, *arguments = command
        ended = subprocess.run(
            [self.bin / program, *arguments],
            cwd=cwd or self.folder,
            env=environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == status, f"{command}:\n{ended.stdout}\n{ended.stderr}"
        return ended.stdout + ended.stderr if status else ended.stdout

    def install(self, *requirements: str | Path) -> None:
        """Install with pip."""
        self.run("python", "-m", "pip", "install", "--quiet", *requirements)

    def installed(self) -> set[str]:
        """Return the names of the installed distributions."""
        lines = self.run("python", "-m", "pip", "list", "--format", "freeze").splitlines()
        return {canonicalize_name(line.partition("==")[0]) for line in lines}

    def added(self) -> set[str]:
        """Return the names of the distributions installed since the environment was made."""
        return self.installed() - self._before
