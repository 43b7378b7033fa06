"""``get_handler`` and ``list_handlers``, with plugins that are there and work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
from fake_plugins import COMPLETE, Site

from handler_core import Handler, HandlerInfo, HandlerNotFoundError, get_handler, list_handlers
from handler_core.lookup import _handler_class


def test_a_named_handler(site: Site) -> None:
    site.plugin("complete")
    handler = get_handler("complete")
    assert isinstance(handler, Handler)
    assert type(handler).__name__ == "Complete"
    assert not handler.running
    assert get_handler("complete") is not handler


def test_only_the_named_plugin_is_imported(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.plugin("one")
    site.plugin("other", "raise AssertionError('imported')")
    site.distribution("a-wrapper", wrappers={"w": "plugin_other:W"})
    printed = site.run("""
        import sys
        from handler_core import get_handler, list_handlers

        list_handlers()
        print(sorted(name for name in sys.modules if name.startswith("plugin_")))
        get_handler("one")
        print(sorted(name for name in sys.modules if name.startswith("plugin_")))
        print("handler_core_threading" in sys.modules)
    """)
    assert printed.split("\n") == ["[]", "['plugin_one']", "False", ""]


def test_list_handlers_is_sorted_and_imports_nothing(site: Site) -> None:
    before = [handler.name for handler in list_handlers()]
    site.plugin("zebra")
    site.plugin("antelope", "raise AssertionError('imported')")
    site.distribution("both-1", handlers={"m2": "nowhere:A", "m1": "nowhere:B"}, version="2.5")
    handlers = list_handlers()
    assert handlers == sorted(handlers)
    assert HandlerInfo("m1", "both-1", "2.5", "nowhere:B") in handlers
    names = [handler.name for handler in handlers]
    assert "threading" in before
    assert names == sorted([*before, "antelope", "m1", "m2", "zebra"])
    assert not {"plugin_zebra", "plugin_antelope", "nowhere"} & set(sys.modules)


def test_list_handlers_shows_both_claims(site: Site) -> None:
    site.distribution("first-dist", handlers={"same": "a:A"})
    site.distribution("second-dist", handlers={"same": "b:B"})
    assert [info.distribution for info in list_handlers() if info.name == "same"] == [
        "first-dist",
        "second-dist",
    ]


def test_a_plugin_that_appears_later_is_found(site: Site) -> None:
    with pytest.raises(HandlerNotFoundError):
        get_handler("late")
    site.plugin("late")
    os.utime(site.folder, (2e9, 2e9))  # importlib_metadata sees the change by this time
    assert type(get_handler("late")).__name__ == "Complete"
    assert "late" in [info.name for info in list_handlers()]


def test_the_entry_points_are_scanned_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    scans = []
    real = importlib_metadata.entry_points

    def counted(**params: Any) -> Any:
        scans.append(params)
        return real(**params)

    monkeypatch.setattr(importlib_metadata, "entry_points", counted)
    site.plugin("complete")
    for _ in range(50):
        get_handler("complete")
        get_handler("threading")
        get_handler()
    assert len(scans) == 1


def test_no_more_is_read_than_the_entry_points(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = importlib_metadata.PathDistribution.read_text

    def noted(self: importlib_metadata.PathDistribution, filename: str) -> str | None:
        read.append(str(self.locate_file(filename)))
        return real(self, filename)

    site.plugin("complete")
    monkeypatch.setattr(importlib_metadata.PathDistribution, "read_text", noted)
    importlib_metadata.entry_points(group="handler_core.handlers")
    by_one_scan = sorted(read)
    read.clear()
    get_handler("complete")
    get_handler("threading")
    assert sorted(read) == by_one_scan
    assert by_one_scan


def test_a_class_is_loaded_and_checked_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = []
    real = _handler_class.check_handler_class

    def counted(candidate: Any, origin: str) -> Any:
        checks.append(candidate)
        return real(candidate, origin)

    monkeypatch.setattr(_handler_class, "check_handler_class", counted)
    site.plugin("complete")
    for _ in range(10):
        get_handler("complete")
    assert len(checks) == 1


def test_without_metadata_a_distribution_is_still_listed(site: Site) -> None:
    site.module("bare", COMPLETE)
    site.distribution("bare-dist", handlers={"bare": "bare:Complete"}, with_metadata=False)
    assert "bare" in [info.name for info in list_handlers()]
    assert type(get_handler("bare")).__name__ == "Complete"
