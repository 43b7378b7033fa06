"""Fixtures that run the command as a user does, and that make plugins for one test."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from handler_core.testing import ZooKeeperServer


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., dict[str, str]]:
    """Return a function that makes the environment of a command.

    The command finds the installed plugins and those in the given folders. It finds a ZooKeeper
    server only with ``zookeeper=True``, because a server takes long to start.
    """

    def make(folders: Sequence[Path] = (), *, zookeeper: bool = False) -> dict[str, str]:
        changed = {"PYTHONPATH": os.pathsep.join(map(str, folders)), "COLUMNS": "160"}
        if not zookeeper:
            changed["PATH"] = str(tmp_path)  # this folder has no java
        return os.environ | changed

    return make


@pytest.fixture
def run(environment: Callable[..., dict[str, str]]) -> Callable[..., object]:
    """Return a function that runs ``handler-core`` with arguments, and waits for its end."""

    def run_command(
        *arguments: str,
        folders: Sequence[Path] = (),
        zookeeper: bool = False,
        limit: float = 100,
        **variables: str,
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "handler_core", *arguments],
            env=environment(folders, zookeeper=zookeeper) | variables,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )

    return run_command


@pytest.fixture
def plugin(tmp_path: Path) -> Callable[[str, str], Path]:
    """Return a function that makes a folder with a plugin.

    The function takes the name of the plugin and the source of its module. The source must define
    ``Handler``, unless the plugin is a broken one.
    """

    def make(name: str, source: str) -> Path:
        folder = tmp_path / name
        metadata = folder / f"{name}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (folder / f"{name}_plugin.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(
            f"[handler_core.handlers]\n{name} = {name}_plugin:Handler\n"
        )
        return folder

    return make


@pytest.fixture
def need_zookeeper() -> None:
    """Skip the test if no ZooKeeper server can be started here. In CI, fail the test instead."""
    missing = ZooKeeperServer.why_missing()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
