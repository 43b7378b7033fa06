"""The page on the architecture lists every module, in the order of the wings."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/explanation/architecture.md").read_text()

#: The packages whose modules the page lists, in its order.
PACKAGES = [
    "handler_core",
    "handler_core.lookup",
    "handler_core.green",
    "handler_core.handler",
    "handler_core.network",
    "handler_core.execution",
    "handler_core.testing",
    "handler_core.cli",
    "handler_core_greenlet",
    "handler_core_clients",
]


def folder(package: str) -> Path:
    top, *rest = package.split(".")
    home = ROOT if top == "handler_core" else ROOT / "plugins" / top.replace("_", "-")
    return home.joinpath(top, *rest)


def modules(package: str) -> set[str]:
    """Return the names of a package's modules and sub-packages, less its ``__init__``."""
    files = {path.stem for path in folder(package).glob("*.py*")} - {"__init__"}
    packages = {path.parent.name for path in folder(package).glob("*/__init__.py")}
    return files | packages


def sections() -> dict[str, list[str]]:
    """Return what each table of the page lists, by the package that its first row names."""
    tables = re.findall(r"^\| module of `([\w.]+)` \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", PAGE, re.M)
    return {package: re.findall(r"`(\w+)`", _first_column(rows)) for package, rows in tables}


def _first_column(rows: str) -> str:
    return "\n".join(row.split("|")[1] for row in rows.splitlines())


def test_the_tables_are_in_the_order_of_the_wings() -> None:
    assert list(sections()) == PACKAGES


@pytest.mark.parametrize("package", PACKAGES)
def test_a_table_is_complete(package: str) -> None:
    listed = sections()[package]
    assert len(listed) == len(set(listed))
    assert set(listed) == modules(package)


def imports(path: Path) -> set[str]:
    """Return the packages and modules that a file imports from."""
    tree = ast.walk(ast.parse(path.read_text()))
    return {node.module for node in tree if isinstance(node, ast.ImportFrom) and node.module}


@pytest.mark.parametrize("package", [each for each in PACKAGES if each.count(".") == 1])
def test_a_module_does_not_import_its_own_wing(package: str) -> None:
    """The wing's ``__init__`` imports it, so that would be a circle."""
    for path in folder(package).glob("_*.py"):
        assert package not in imports(path), path


def sources() -> list[Path]:
    folders = [ROOT / "handler_core", *(ROOT / "plugins").glob("*/handler_core_*")]
    return [path for folder in folders for path in folder.rglob("*.py")]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_its_classes_can_be_read_at_a_sitting(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 300, node.name
