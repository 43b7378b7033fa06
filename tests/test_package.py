from __future__ import annotations

import importlib
import importlib.resources
import inspect
import pickle
import pkgutil
import textwrap

import handler_core_threading
import importlib_metadata
import pluggy
import pytest
from fake_plugins import run

import handler_core
from handler_core.execution._compiled import NATIVE, build

# The names that the documentation promises in `handler_core`.
PUBLIC = [
    "AsyncResult",
    "Callback",
    "Handler",
    "HandlerInfo",
    "HandlerLoadError",
    "HandlerNotFoundError",
    "HandlerSpec",
    "HandlerTimeoutError",
    "HandlerValidationError",
    "IAsyncResult",
    "IHandler",
    "capture_exceptions",
    "create_socket_pair",
    "create_tcp_connection",
    "create_tcp_socket",
    "fileobj_to_fd",
    "get_handler",
    "hookimpl",
    "hookspec",
    "list_handlers",
    "selector_select",
    "wrap",
]

OF_A_HANDLER = [
    "name",
    "running",
    "timeout_exception",
    "start",
    "stop",
    "select",
    "callback_object",
    "async_result",
    "dispatch_callback",
    "spawn",
    "sleep_func",
    "socket",
    "create_connection",
    "create_socket_pair",
    "event_object",
    "lock_object",
    "rlock_object",
    "queue_impl",
    "queue_empty",
    "is_active",
    "distance_to_caller",
]

OF_A_RESULT = [
    "ready",
    "successful",
    "value",
    "exception",
    "get",
    "get_nowait",
    "wait",
    "set",
    "set_exception",
    "link",
    "rawlink",
    "unlink",
]


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name(name: str) -> None:
    assert hasattr(handler_core, name)
    assert name in handler_core.__all__


def test_all_is_consistent() -> None:
    assert sorted(handler_core.__all__) == sorted(set(handler_core.__all__))
    public = {
        name
        for name in dir(handler_core)
        if not name.startswith("_") and not inspect.ismodule(getattr(handler_core, name))
    }
    assert public == set(handler_core.__all__)


def test_what_is_imported_when_it_is_asked_for() -> None:
    printed = run("""
        import handler_core
        print(set(handler_core.__all__) <= set(dir(handler_core)))
        from handler_core import create_tcp_socket
        print(create_tcp_socket is handler_core.create_tcp_socket)
        print(create_tcp_socket is handler_core.network.create_tcp_socket)
        print(handler_core.IHandler.__module__)
        from handler_core import *
        print([name for name in handler_core.__all__ if name not in globals()])
    """)
    assert printed.splitlines()[:3] == ["True"] * 3
    assert printed.splitlines()[3:] == ["handler_core.execution._interfaces", "[]"]


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'handler_core' has no attribute 'get_handlr'"):
        handler_core.get_handlr  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'get_handlr' from 'handler_core'"):
        exec("from handler_core import get_handlr")


def modules() -> list[str]:
    found = pkgutil.walk_packages(handler_core.__path__, "handler_core.")
    left_out = (
        "handler_core.__main__",
        "handler_core.cli",
        "handler_core.lookup._pyinstaller.hook-",
        "handler_core.testing.test_conformance",
    )  # they are run, and not imported
    missing = NATIVE if build() == "Python source" else ()
    return [
        each.name
        for each in found
        if not each.name.startswith(left_out) and each.name not in missing
    ]


@pytest.mark.parametrize("name", modules())
def test_all_of_a_module_is_there(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for exported in module.__all__:
        assert hasattr(module, exported)


@pytest.mark.parametrize("name", OF_A_HANDLER)
def test_a_handler_has_it(name: str) -> None:
    handler = handler_core.get_handler("threading")
    assert hasattr(handler, name)
    assert getattr(handler, name) is not None


@pytest.mark.parametrize("name", OF_A_RESULT)
def test_a_result_has_it(name: str) -> None:
    assert hasattr(handler_core.AsyncResult, name)


@pytest.mark.parametrize("name", [*OF_A_HANDLER, *OF_A_RESULT])
def test_what_is_public_is_documented(name: str) -> None:
    for cls in (handler_core.Handler, handler_core.AsyncResult):
        value = inspect.getattr_static(cls, name, None)
        if inspect.isfunction(value) or isinstance(value, property):
            assert value.__doc__, f"{cls.__name__}.{name}"


@pytest.mark.parametrize(
    "value",
    [handler_core.Callback("watch", print, (1,)), handler_core.HandlerInfo("a", "b", "1", "c:D")],
    ids=lambda value: type(value).__name__,
)
def test_a_pickle_names_the_public_class(value: object) -> None:
    pickled = pickle.dumps(value)
    assert pickle.loads(pickled) == value
    assert b"_callback" not in pickled
    assert b"_entry_points" not in pickled


def test_a_handler_is_truthy_and_what_it_says() -> None:
    handler = handler_core.get_handler("threading")
    assert handler
    assert handler.name == "threading"
    assert isinstance(handler, handler_core.IHandler)
    assert handler.running is False
    assert issubclass(handler.timeout_exception, handler_core.HandlerTimeoutError)
    assert repr(handler) == "<SequentialThreadingHandler stopped>"


def test_the_hooks_and_their_markers() -> None:
    assert handler_core.hookspec.project_name == "handler_core"
    assert handler_core.hookimpl.project_name == "handler_core"
    manager = pluggy.PluginManager("handler_core")
    manager.add_hookspecs(handler_core.HandlerSpec)
    for name in ("start", "stop", "select", "callback_object", "dispatch_callback", "run_callback"):
        assert getattr(manager.hook, name).spec is not None


def test_the_threading_package() -> None:
    assert set(handler_core_threading.__all__) == {
        "AsyncResult",
        "KazooTimeoutError",
        "SequentialThreadingHandler",
    }
    assert issubclass(handler_core_threading.AsyncResult, handler_core.AsyncResult)


@pytest.mark.parametrize("package", ["handler_core", "handler_core_threading"])
def test_it_is_typed(package: str) -> None:
    assert importlib.resources.files(package).joinpath("py.typed").is_file()


def test_the_core_requires_two_distributions() -> None:
    required = importlib_metadata.requires("handler-core") or []
    plain = sorted(line.split(">")[0].strip() for line in required if "extra ==" not in line)
    assert plain == ["importlib-metadata", "pluggy"]


def test_each_extra_is_one_plugin() -> None:
    metadata = importlib_metadata.metadata("handler-core")
    extras = set(metadata.get_all("Provides-Extra") or [])
    assert {"threading", "gevent", "eventlet", "asyncio", "trio", "all", "bench", "cli"} <= extras


# What measures coverage imports modules of its own into each process.
UNMEASURED = {"COVERAGE_PROCESS_CONFIG": ""}


@pytest.mark.parametrize(
    "program",
    [
        "import handler_core",
        "import handler_core; handler_core.list_handlers()",
        "import handler_core; handler_core.get_handler('threading').start()",
    ],
)
def test_what_an_import_does_not_import(program: str) -> None:
    unwanted = [
        "ssl",
        "asyncio",
        "concurrent.futures",
        "multiprocessing",
        "subprocess",
        "click",
        "rich",
        "kazoo",
        "gevent",
        "eventlet",
        "greenlet",
        "trio",
        "pytest",
        "handler_core.testing",
    ]
    listing = f"import sys\nprint([m for m in {unwanted!r} if m in sys.modules])"
    printed = run(f"{program}\n{listing}", **UNMEASURED)
    assert printed == "[]\n"


# pluggy and importlib_metadata import modules themselves. A look-up cannot avoid these.
REFERENCE = """
    import importlib_metadata, pluggy
    importlib_metadata.entry_points(group="handler_core.handlers")
"""


def imported(program: str) -> set[str]:
    listing = "import sys\nprint(*sys.modules)"
    return set(run(f"{textwrap.dedent(program)}\n{listing}", **UNMEASURED).split())


def test_what_a_look_up_does_not_import() -> None:
    """A plain look-up once imported each of these, and did not need it."""
    unwanted = {
        "asyncio",
        "calendar",
        "datetime",
        "difflib",
        "email.feedparser",
        "email.message",
        "email.parser",
        "handler_core.execution._result_decorators",
        "handler_core.cli",
        "handler_core.lookup._frozen",
        "handler_core.lookup._pyinstaller",
        "handler_core.network._connection",
        "handler_core.execution._interfaces",
        "handler_core.network._socket_pair",
        "handler_core.network._connect",
        "handler_core.testing",
        "importlib_metadata._adapters",
        "locale",
        "logging",
        "queue",
        "selectors",
        "socket",
        "ssl",
        "string",
        "traceback",
    }
    found = imported("import handler_core; handler_core.get_handler('threading')")
    assert {"handler_core_threading", "handler_core.execution._result"} <= found
    assert found & unwanted <= imported(REFERENCE)


def test_what_a_handler_that_is_started_can_log_without_an_import() -> None:
    assert "logging" in imported("import handler_core; handler_core.get_handler().start()")


def test_the_core_knows_no_plugin() -> None:
    printed = run("""
        import sys
        import handler_core
        print([name for name in sys.modules if name.startswith("handler_core_")])
        print(len(__import__("threading").enumerate()))
    """)
    assert printed == "[]\n1\n"
