"""The model that ``get_handler()`` takes without a name."""

from __future__ import annotations

import sys

import pytest
from fake_plugins import COMPLETE, Site
from handler_core_threading import SequentialThreadingHandler

from handler_core import HandlerNotFoundError, HandlerValidationError, get_handler
from handler_core.lookup._default_model import choose_model

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


def at_distance(distance: str) -> str:
    return (
        COMPLETE
        + f"""
        @classmethod
        def is_active(cls):
            return True

        @classmethod
        def distance_to_caller(cls):
            return {distance}
"""
    )


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        (at_distance("1"), at_distance("0"), "second"),
        (at_distance("0"), at_distance("0.5"), "first"),
        (at_distance("float('inf')"), at_distance("3"), "second"),
        (at_distance("float('inf')"), at_distance("float('inf')"), "first"),
        (at_distance("float('inf')"), COMPLETE, "first"),
        (COMPLETE, at_distance("float('inf')"), "second"),
        (at_distance("0.5"), ACTIVE, "second"),
        (ACTIVE, ACTIVE, "first"),
        (at_distance("None"), at_distance("2"), "second"),
        (at_distance("'near'"), COMPLETE, "threading"),
        (COMPLETE, COMPLETE, "threading"),
    ],
)
def test_the_innermost_of_several_active_models_is_chosen(
    site: Site, monkeypatch: pytest.MonkeyPatch, first: str, second: str, chosen: str
) -> None:
    for name, source in (("first", first), ("second", second)):
        site.plugin(name, source.replace('"complete"', f'"{name}"'))
        monkeypatch.setitem(sys.modules, name, sys)
    assert get_handler().name == chosen


def only_in(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the plugins of the folder be all that are installed."""
    monkeypatch.setattr(sys, "path", [str(site.folder)])


def test_the_only_installed_model_is_chosen(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.plugin("lonely")
    only_in(site, monkeypatch)
    assert type(get_handler()).__name__ == "Complete"
    assert "lonely" not in sys.modules, "its library need not be imported"
    assert choose_model() == ("lonely", "it is the only model that is installed")


def test_of_several_models_none_is_chosen_but_the_default(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.plugin("one")
    site.plugin("other")
    only_in(site, monkeypatch)
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler()
    assert str(caught.value) == (
        "no handler is named, and none of the installed ones runs the caller; name one, for "
        "example get_handler('one'); to install threading, the default: "
        'pip install "handler-core[threading]"; installed: one, other'
    )


def test_without_any_model_the_message_names_the_default(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_in(site, monkeypatch)
    with pytest.raises(HandlerNotFoundError, match=r"'threading' is installed.*installed: none"):
        get_handler()


def test_only_one_model_that_two_distributions_claim(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.plugin("contested")
    site.distribution("other-dist", handlers={"contested": "elsewhere:Class"})
    only_in(site, monkeypatch)
    with pytest.raises(HandlerValidationError, match="'contested' is claimed by"):
        get_handler()
