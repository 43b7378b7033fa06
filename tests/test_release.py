"""All distributions have one version, and a release says what it lacks."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import importlib_metadata
import pytest

import handler_core

ROOT = Path(__file__).parent.parent


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


audit, release = load("audit"), load("release")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of what has to do with versions."""
    for path in [*release.projects(ROOT), ROOT / "CITATION.cff", ROOT / "CHANGELOG.md"]:
        copied = tmp_path / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
    return tmp_path


def test_there_is_one_version_for_all_and_the_plugins_are_bound_to_it() -> None:
    assert len(release.projects(ROOT)) > 5
    assert list(release.wrong_versions(ROOT)) == []


@pytest.mark.parametrize(
    ("version", "bound"), [("0.2.0", ">=0.2,<0.3"), ("1.4.2", ">=1.4,<2"), ("2.0.0rc1", None)]
)
def test_a_version_is_set_everywhere(version: str, bound: str | None, copy: Path) -> None:
    release.set_version(copy, version)
    assert release.version_of(copy) == version
    assert list(release.wrong_versions(copy)) == []
    for path in release.projects(copy):
        text = path.read_text()
        assert f'\nversion = "{version}"\n' in text
        ranges = re.findall(r'"handler-core[^"]*?(>=[^"]*)"', text)
        assert set(ranges) == {bound or ">=2.0.0rc1,<3"}, path


def test_a_plugin_of_another_version_is_named(copy: Path) -> None:
    path = release.projects(copy)[3]
    path.write_text(path.read_text().replace('version = "0.', 'version = "99.'))
    (said,) = release.wrong_versions(copy)
    assert said.startswith(f"{path.relative_to(copy)} says 99.")


def test_a_range_that_does_not_fit_is_named(copy: Path) -> None:
    path = release.projects(copy)[3]
    path.write_text(re.sub(r'"handler-core>=[^"]*"', '"handler-core>=99"', path.read_text()))
    (said,) = release.wrong_versions(copy)
    assert said.startswith(f"{path.relative_to(copy)} requires handler-core>=99, and ")


def test_the_changelog_needs_a_date(copy: Path) -> None:
    version, changelog = release.version_of(copy), copy / "CHANGELOG.md"
    dated = f"# Changelog\n\n## {version} (2031-02-03)\n"
    changelog.write_text(dated)
    assert list(release.undated(copy)) == []
    changelog.write_text(dated.replace("2031-02-03", "unreleased"))
    assert list(release.undated(copy)) == [
        f"CHANGELOG.md begins with '{version} (unreleased)': write '{version} (YYYY-MM-DD)'"
    ]


def test_no_page_may_say_that_nothing_is_released(copy: Path) -> None:
    (copy / "README.md").write_text("# handler-core\n\n0.1.0 is not released yet.\n")
    page = copy / "docs" / "howto" / "use.md"
    page.parent.mkdir(parents=True)
    page.write_text("It is released.\n")
    assert list(release.still_unreleased(copy)) == ["README.md:3 says that it is not released"]
    page.write_text("As long as it is not released, wait.\n")
    assert len(list(release.still_unreleased(copy))) == 2


@pytest.mark.parametrize(
    "version", ["", "next", "0.2", "v0.2.0", "1!1.0.0", "0.2.0+local", "0.2.0.dev1", "00.1.0"]
)
def test_a_version_that_is_none_changes_nothing(version: str) -> None:
    before = [path.read_bytes() for path in release.projects(ROOT)]
    ended = subprocess.run(
        [sys.executable, ROOT / "tools" / "release.py", "version", version],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert f"{version!r} is no version of a release: write for example V=0.2.0" in ended.stderr
    assert [path.read_bytes() for path in release.projects(ROOT)] == before


def test_the_core_says_its_version() -> None:
    assert handler_core.__version__ == importlib_metadata.version("handler-core")
    assert release.version_of(ROOT) == handler_core.__version__


FINE = {"name": "fine", "version": "1", "vulns": []}
LEFT_OUT = {"name": "unknown", "skip_reason": "the index does not know it"}
BAD = {"name": "bad", "version": "1", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}]}


@pytest.mark.parametrize(
    ("dependencies", "everything", "status", "line"),
    [
        ([FINE], False, 0, "1 of 1 distributions are audited"),
        ([FINE, LEFT_OUT], False, 0, "left out: unknown"),
        ([FINE, LEFT_OUT], True, 1, "left out: unknown"),
        ([LEFT_OUT], False, 0, "this package index has no data about vulnerabilities"),
        ([LEFT_OUT], True, 1, "this package index has no data about vulnerabilities"),
        ([FINE, BAD, LEFT_OUT], False, 1, "bad 1: PYSEC-1, mended in 2"),
    ],
)
def test_what_an_audit_says(
    dependencies: list[dict[str, object]], everything: bool, status: int, line: str
) -> None:
    ended, lines = audit.judge(dependencies, everything)
    assert ended == status
    assert any(line in each for each in lines)
