"""Fixtures: the built distributions, and an environment to install them in."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .environments import PROJECTS, Environment, metadata_of


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build each distribution from a copy, as a release does: an sdist, and a wheel from it.

    With ``HANDLER_CORE_TEST_DIST``, what is in that folder is tested: the files of a release.
    """
    if made := os.environ.get("HANDLER_CORE_TEST_DIST"):
        return Path(made)
    built, sources = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("sources")
    for project in PROJECTS:
        source = sources / str(metadata_of(project)["name"])
        ignored = shutil.ignore_patterns(".*", "plugins", "docs", "__pycache__", "*.so")
        shutil.copytree(project, source, ignore=ignored)
        subprocess.run(
            [sys.executable, "-m", "build", "--no-isolation", "--outdir", built, source],
            check=True,
            capture_output=True,
        )
    return built


@pytest.fixture
def environment(built: Path, tmp_path: Path) -> Environment:
    """Return an empty environment."""
    return Environment(tmp_path, built)
