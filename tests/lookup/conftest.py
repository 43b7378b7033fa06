"""Fixtures of the core's own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_plugins import Site

from handler_core.lookup import _entry_points, _handler_class


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return an empty folder whose plugins a look-up of this process finds."""
    site = Site(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(_entry_points, "_scans", {})
    monkeypatch.setattr(_handler_class, "_classes", {})
    monkeypatch.delenv("HANDLER_CORE_HANDLER", raising=False)
    monkeypatch.delenv("HANDLER_CORE_WRAPPERS", raising=False)
    yield site
    site.forget()
