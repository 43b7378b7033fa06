"""Names that are not installed. The error lists the installed names, and what to install."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import importlib_metadata
import pytest
from fake_plugins import Site, run
from handler_core_threading import SequentialThreadingHandler

from handler_core import Handler, HandlerLoadError, HandlerNotFoundError, get_handler, list_handlers
from handler_core.lookup._install_lines import install_line


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
    with pytest.raises(HandlerNotFoundError):
        get_handler("unknown")  # imports what the message needs
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
    assert install_line(name) in str(caught.value)


@pytest.mark.parametrize("name", ["cli", "all", "handler-core", "test"])
def test_what_is_no_model_is_not_offered(site: Site, name: str) -> None:
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler(name)
    assert "pip install" not in str(caught.value)


def test_the_core_alone_names_the_line_to_install(tmp_path: Path) -> None:
    """In a process that finds the core's metadata, and no other metadata."""
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
    site.distribution("handler-core-trio")  # without a model; it hides the real one
    with pytest.raises(HandlerNotFoundError, match="no handler named 'trio'"):
        get_handler("trio")
    assert isinstance(get_handler("threading"), SequentialThreadingHandler)


def test_a_frozen_program_says_what_to_pack(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    site.distribution("handler-core-trio")  # without a model; it hides the real one
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler("trio")
    message = str(caught.value)
    assert "this program is frozen: install handler-core-trio where it is built" in message
    assert "--copy-metadata handler-core-trio --collect-submodules handler_core_trio " in message
    assert "pip install" not in message
    for name in ("treading", "qqqqqq"):
        with pytest.raises(HandlerNotFoundError) as caught:
            get_handler(name)
        message = str(caught.value)
        assert ("did you mean threading" in message) == (name == "treading")
        assert "--copy-metadata DISTRIBUTION --collect-submodules PACKAGE" in message
        assert "pip install" not in message


def test_a_frozen_program_without_any_metadata_says_what_to_pack(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "path", [str(site.folder)])
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler("threading")
    message = str(caught.value)
    assert "--copy-metadata handler-core-threading " in message
    assert "--collect-submodules handler_core_threading " in message


def test_a_wrapper_that_a_frozen_program_lacks(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(HandlerNotFoundError) as caught:
        get_handler("threading", wrappers=["threading"])
    assert "no wrapper named 'threading'" in str(caught.value)
    assert "--copy-metadata DISTRIBUTION " in str(caught.value)


@pytest.mark.parametrize("statement", ["import json.part", "from json import part"])
def test_a_frozen_program_says_which_package_is_missing(
    site: Site, monkeypatch: pytest.MonkeyPatch, statement: str
) -> None:
    site.plugin("broken", statement)
    with pytest.raises(HandlerLoadError) as caught:
        get_handler("broken")
    assert "frozen" not in str(caught.value)
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(HandlerLoadError) as caught:
        get_handler("broken")
    advice = "--copy-metadata handler-core-broken --collect-submodules json "
    assert advice in str(caught.value)


def test_a_plugin_that_refuses_to_be_imported_is_not_missing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    site.plugin("broken", "raise ImportError('too old')")
    with pytest.raises(HandlerLoadError, match=r"ImportError: too old$"):
        get_handler("broken")
