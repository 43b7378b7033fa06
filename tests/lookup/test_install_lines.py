"""What an error says to install can be installed: from the checkout, or from the package index."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from handler_core.lookup._install_lines import install_line

PLUGINS = {
    "handler-core-simple": ["handler-core>=0.1,<0.2", "library>=3"],
    "handler-core-base": ["handler-core>=0.1,<0.2"],
    "handler-core-built": ["handler-core>=0.1,<0.2", "handler-core-base>=0.1,<0.2"],
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    for name, required in PLUGINS.items():
        plugin = folder / "plugins" / name
        plugin.mkdir(parents=True)
        (plugin / "pyproject.toml").write_text(
            f"[project]\ndependencies = {json.dumps(required)}\n"
        )
    return folder


@pytest.fixture
def installed_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that says where pip has installed the core from."""
    folder = tmp_path / "site" / "handler_core-0.1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.4\nName: handler-core\nVersion: 0.1.0\n")
    monkeypatch.syspath_prepend(str(folder.parent))

    def write(origin: dict[str, object]) -> None:
        (folder / "direct_url.json").write_text(json.dumps(origin))

    return write


@pytest.mark.parametrize("editable", [False, True])
def test_from_a_checkout(checkout: Path, installed_from: Any, editable: bool) -> None:
    installed_from({"url": checkout.as_uri(), "dir_info": {"editable": True} if editable else {}})
    plugins = checkout / "plugins"
    assert install_line("simple") == f'pip install "{plugins}/handler-core-simple"'
    assert install_line("built") == (
        f'pip install "{plugins}/handler-core-base" "{plugins}/handler-core-built"'
    )
    assert install_line("cli") == f'pip install "{checkout}[cli]"'


@pytest.mark.usefixtures("installed_from")
def test_from_the_index() -> None:
    assert install_line("simple") == 'pip install "handler-core[simple]"'


@pytest.mark.parametrize(
    "origin",
    [
        {"url": "https://example.org/core.git", "vcs_info": {"vcs": "git", "commit_id": "1"}},
        {"url": "file:///no/such/folder", "dir_info": {}},
        {"url": "file:///tmp/handler_core-0.1.0-py3-none-any.whl", "archive_info": {}},
    ],
)
def test_from_elsewhere(installed_from: Any, origin: dict[str, object]) -> None:
    installed_from(origin)
    assert install_line("simple") == 'pip install "handler-core[simple]"'
