from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
from fake_plugins import COMPLETE, Site, run
from handler_core_threading import SequentialThreadingHandler

from handler_core import (
    Handler,
    HandlerInfo,
    HandlerLoadError,
    HandlerNotFoundError,
    HandlerValidationError,
    get_handler,
    list_handlers,
)
from handler_core.lookup import _entry_points, _handler_class

ACTIVE = (
    COMPLETE
    + """
        @classmethod
        def is_active(cls):
            return True
"""
)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    site = Site(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(_entry_points, "_scans", {})
    monkeypatch.setattr(_handler_class, "_classes", {})
    monkeypatch.delenv("HANDLER_CORE_HANDLER", raising=False)
    monkeypatch.delenv("HANDLER_CORE_WRAPPERS", raising=False)
    yield site
    site.forget()


# Found.


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
    os.utime(site.folder, (2e9, 2e9))  # by its time importlib_metadata tells that it changed
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


# Not found.


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "nosuch",
        "threading ",
        "THREADING",
        "../x",
        "/etc/passwd",
        "os:system",
        "a.b:c",
        "handler_core_threading:SequentialThreadingHandler",
        "threading\x00",
        "thr\neading",
        "\udcff",
        "gevent; import os",
    ],
)
def test_an_unknown_name(site: Site, name: str) -> None:
    modules = set(sys.modules)
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler(name)
    assert isinstance(caught.value, LookupError)
    message = str(caught.value)
    assert repr(name) in message
    assert "\n" not in message
    assert set(sys.modules) == modules
    assert f"installed: {', '.join(info.name for info in list_handlers())}" in message


def test_an_enormous_name(site: Site) -> None:
    begun = time.process_time()
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler("x" * 10_000_000)
    assert time.process_time() - begun < 5
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize("name", [3, b"threading", ["threading"], True, object(), Handler])
def test_a_name_that_is_no_string(site: Site, name: Any) -> None:
    with pytest.raises(TypeError, match="the name of a handler is a string"):
        get_handler(name)


def test_close_matches(site: Site) -> None:
    with pytest.raises(HandlerNotFoundError, match="did you mean threading"):
        get_handler("treading")
    with pytest.raises(HandlerNotFoundError, match=r"did you mean.* gevent"):
        get_handler("gevnet")
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler("qqqqqq")
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", ["gevent", "eventlet", "asyncio", "trio"])
def test_what_to_install(site: Site, name: str) -> None:
    if name in [info.name for info in list_handlers()]:
        with pytest.raises(HandlerNotFoundError):
            get_handler(f"{name}-")
        return
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler(name)
    assert f'pip install "handler-core[{name}]"' in str(caught.value)


@pytest.mark.parametrize("name", ["cli", "all", "handler-core", "test"])
def test_what_is_no_model_is_not_offered(site: Site, name: str) -> None:
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler(name)
    assert "pip install" not in str(caught.value)


def test_the_core_alone_names_the_line_to_install(tmp_path: Path) -> None:
    """With the core's metadata, and nothing else, to be found."""
    distribution = importlib_metadata.distribution("handler-core")
    folder = tmp_path / "handler_core-0.1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(distribution.read_text("METADATA") or "")
    printed = run(f"""
        import importlib_metadata, sys
        real = importlib_metadata.MetadataPathFinder.find_distributions

        def only_here(context=importlib_metadata.DistributionFinder.Context()):
            return real(importlib_metadata.DistributionFinder.Context(
                name=context.name, path=[{str(tmp_path)!r}]))

        importlib_metadata.MetadataPathFinder.find_distributions = staticmethod(only_here)
        sys.meta_path[:] = [f for f in sys.meta_path if not hasattr(f, "find_distributions")
                            or f is importlib_metadata.MetadataPathFinder
                            or isinstance(f, importlib_metadata.MetadataPathFinder)]
        from handler_core import get_handler, HandlerNotFoundError
        for name in ("threading", None, "treading", "qqqqqq"):
            try:
                get_handler(name)
            except HandlerNotFoundError as error:
                print(error)
    """)
    lines = printed.splitlines()
    assert len(lines) == 4
    for line in lines:
        assert 'pip install "handler-core[threading]"' in line
        assert "installed: none" in line


def test_run_from_source(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib_metadata.distribution

    def not_installed(name: str) -> Any:
        if name == "handler-core":
            raise importlib_metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib_metadata, "distribution", not_installed)
    with pytest.raises(HandlerNotFoundError, match="no handler named 'trio'"):
        get_handler("trio")
    assert isinstance(get_handler("threading"), SequentialThreadingHandler)


# Broken.


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


# Chosen.


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


def test_a_plugin_whose_import_ends_the_program(site: Site) -> None:
    site.plugin("leaver", "import sys; sys.exit('bye')")
    with pytest.raises(HandlerLoadError, match=r"leaver.*SystemExit: bye"):
        get_handler("leaver")
