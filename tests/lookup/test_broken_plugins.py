"""Plugins that cannot be imported, and names that two distributions claim."""

from __future__ import annotations

import sys

import pytest
from fake_plugins import COMPLETE, Site
from handler_core_threading import SequentialThreadingHandler

from handler_core import HandlerLoadError, HandlerValidationError, get_handler


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import no_such_library", "ModuleNotFoundError"),
        ("raise ImportError('too old')", "ImportError: too old"),
        ("def broken(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise OSError(5, 'disk')", "OSError"),
        ("x = 1", "AttributeError"),
    ],
)
def test_a_plugin_that_cannot_be_imported(site: Site, source: str, cause: str) -> None:
    site.plugin("broken", source)
    for _ in range(2):
        with pytest.raises(HandlerLoadError) as caught:
            get_handler("broken")
        assert isinstance(caught.value, ImportError)
        message = str(caught.value)
        for part in ("'broken'", "handler-core-broken 1.0", cause):
            assert part in message
        assert type(caught.value.__cause__).__name__ == cause.split(":")[0]
    assert isinstance(get_handler("threading"), SequentialThreadingHandler)


def test_an_entry_point_to_a_module_that_is_not_there(site: Site) -> None:
    site.distribution("gone", handlers={"gone": "gone_module:Handler"})
    with pytest.raises(HandlerLoadError, match=r"'gone'.* of gone 1\.0.*gone_module"):
        get_handler("gone")


def test_a_plugin_that_is_mended_can_be_loaded(site: Site) -> None:
    site.plugin("mended", "1 / 0")
    with pytest.raises(HandlerLoadError):
        get_handler("mended")
    site.module("plugin_mended", COMPLETE)
    assert type(get_handler("mended")).__name__ == "Complete"


def test_two_distributions_that_claim_one_name(site: Site) -> None:
    site.plugin("contested")
    site.distribution("other-dist", handlers={"contested": "elsewhere:Class"})
    with pytest.raises(HandlerValidationError) as caught:
        get_handler("contested")
    message = str(caught.value)
    for part in ("'contested'", "handler-core-contested 1.0", "other-dist 1.0", "pip uninstall"):
        assert part in message
    assert "plugin_contested" not in sys.modules
    assert isinstance(get_handler("threading"), SequentialThreadingHandler)


def test_a_plugin_whose_import_ends_the_program(site: Site) -> None:
    site.plugin("leaver", "import sys; sys.exit('bye')")
    with pytest.raises(HandlerLoadError, match=r"leaver.*SystemExit: bye"):
        get_handler("leaver")
