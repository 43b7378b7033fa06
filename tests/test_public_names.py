"""The page of the public names lists what each package exports, and nothing else."""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

import pytest
from fake_plugins import run

import handler_core

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "public-names.md"

ROW = re.compile(r"\| `(\w+)` \| ([a-z, ]+) \| (.+) \|")

# Programs do not import the command line.
WINGS = {
    f"handler_core.{module.name}"
    for module in pkgutil.iter_modules(handler_core.__path__)
    if module.name not in ("__main__", "cli")
}

PACKAGES = {
    "handler_core",
    *WINGS,
    *(package.name for package in ROOT.glob("plugins/*/handler_core_*")),
}


def listed() -> dict[str, list[str]]:
    """Return the names of each table, by the package of its heading."""
    names: dict[str, list[str]] = {}
    for line in PAGE.read_text().splitlines():
        if line.startswith("## handler_core"):
            package = line.removeprefix("## ")
            names[package] = []
        elif row := ROW.fullmatch(line):
            name, readers, _ = row.groups()
            assert set(readers.split(", ")) <= {"client", "model", "wrapper"}, line
            names[package].append(name)
    return names


def test_each_package_has_a_table() -> None:
    assert set(listed()) == PACKAGES
    assert all(listed().values())


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_the_table_of_a_package_is_what_the_package_exports(package: str) -> None:
    names = listed()[package]
    assert len(names) == len(set(names))
    printed = run(
        f"import {package} as package\n"
        "print(*package.__all__)\n"
        f"print(*[name for name in {names!r} if not hasattr(package, name)])",
        EVENTLET_TESTS="1",  # without it, eventlet warns that it is deprecated
    )
    exported, missing = printed.split("\n")[:2]
    assert set(exported.split()) == set(names)
    assert missing == ""


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_the_reference_describes_each_name_of_a_package(package: str) -> None:
    reference = "".join(page.read_text() for page in PAGE.parent.glob("*.md"))
    described = re.findall(
        r"^\.\. (?:auto|py:)\w+:: ([\w.]+)(?:\(\w*\))?$", reference, re.MULTILINE
    )
    assert set(listed()[package]) <= {name.rpartition(".")[2] for name in described}


def test_the_reference_describes_each_method_of_a_handler() -> None:
    reference = (ROOT / "docs" / "reference" / "api.md").read_text()
    public = {name for name in dir(handler_core.Handler) if not name.startswith("_")}
    described = set(re.findall(r"auto(?:method|attribute|property):: Handler\.(\w+)", reference))
    assert public - described == set()
