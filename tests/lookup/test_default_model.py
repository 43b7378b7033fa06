"""The model that ``get_handler()`` takes without a name."""

from __future__ import annotations

import sys

import pytest
from fake_plugins import COMPLETE, Site
from handler_core_threading import SequentialThreadingHandler

from handler_core import HandlerNotFoundError, get_handler

ACTIVE = (
    COMPLETE
    + """
        @classmethod
        def is_active(cls):
            return True
"""
)


def test_without_a_name_it_is_threading(site: Site) -> None:
    assert isinstance(get_handler(), SequentialThreadingHandler)
    assert isinstance(get_handler(None), SequentialThreadingHandler)


def test_the_variable_chooses(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plugin("complete")
    monkeypatch.setenv("HANDLER_CORE_HANDLER", "complete")
    assert type(get_handler()).__name__ == "Complete"
    assert isinstance(get_handler("threading"), SequentialThreadingHandler)


def test_an_empty_variable_chooses_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDLER_CORE_HANDLER", "")
    assert isinstance(get_handler(), SequentialThreadingHandler)


def test_a_wrong_variable_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDLER_CORE_HANDLER", "os:system")
    with pytest.raises(HandlerNotFoundError, match="HANDLER_CORE_HANDLER") as caught:
        get_handler()
    assert "'os:system'" in str(caught.value)
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler("nosuch")
    assert "HANDLER_CORE_HANDLER" not in str(caught.value)


def test_the_active_model_is_chosen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.module("greenery", "")
    site.plugin("greenery", ACTIVE)
    assert isinstance(get_handler(), SequentialThreadingHandler)
    assert "plugin_greenery" not in sys.modules, "its library is not imported"
    monkeypatch.setitem(sys.modules, "greenery", sys)
    assert type(get_handler()).__name__ == "Complete"
    assert isinstance(get_handler("threading"), SequentialThreadingHandler)


def test_an_inactive_model_is_not_chosen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plugin("idle")
    monkeypatch.setitem(sys.modules, "idle", sys)
    assert isinstance(get_handler(), SequentialThreadingHandler)
    assert "plugin_idle" in sys.modules


def test_the_variable_comes_before_the_active_model(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.plugin("greenery", ACTIVE)
    monkeypatch.setitem(sys.modules, "greenery", sys)
    monkeypatch.setenv("HANDLER_CORE_HANDLER", "threading")
    assert isinstance(get_handler(), SequentialThreadingHandler)


@pytest.mark.parametrize(
    "source",
    [
        "1 / 0",
        "Complete = 3",
        "class Complete: pass",
        COMPLETE.replace("@hookimpl", ""),
        ACTIVE.replace("return True", "raise ValueError('is_active')"),
        ACTIVE.replace("return True", "raise SystemExit(7)"),
    ],
)
def test_a_broken_plugin_does_not_break_the_automatic_choice(
    site: Site,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    source: str,
) -> None:
    site.plugin("broken", source)
    monkeypatch.setitem(sys.modules, "broken", sys)
    assert isinstance(get_handler(), SequentialThreadingHandler)
    assert "handler-core-broken 1.0" in caplog.text


def test_a_contested_plugin_does_not_break_the_automatic_choice(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.plugin("contested", ACTIVE)
    site.distribution("other-dist", handlers={"contested": "elsewhere:Class"})
    monkeypatch.setitem(sys.modules, "contested", sys)
    assert isinstance(get_handler(), SequentialThreadingHandler)
