"""The rules for a handler class. A plugin that breaks one is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fake_plugins import COMPLETE, DISPATCH, MARKED_DISPATCH, Site, changed
from handler_core_threading import SequentialThreadingHandler

from handler_core import HandlerValidationError, get_handler
from handler_core.lookup import _validation


def faults(source: str, site: Site) -> list[str]:
    """Write a plugin, and return the mistakes that the error lists."""
    site.plugin("faulty", source)
    for _ in range(2):
        with pytest.raises(HandlerValidationError) as caught:
            get_handler("faulty")
    message = str(caught.value)
    assert "handler-core-faulty 1.0" in message
    assert "'faulty'" in message
    return [line.removeprefix("  - ") for line in message.split("\n")[1:]]


SELECT = "def select(self, rlist, wlist, xlist, timeout):"


def decorated(*decorators: str) -> str:
    """Return the complete class with these decorators on its ``select``."""
    above = "".join(f"{decorator}\n        " for decorator in decorators)
    return changed(f"@hookimpl\n        {SELECT}", f"{above}{SELECT}")


def extended(method: str) -> str:
    """Return the complete class with one more marked method."""
    return f"{COMPLETE}\n        @hookimpl\n        {method}"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        (changed(MARKED_DISPATCH, "pass"), r"missing hook dispatch_callback.*@hookimpl"),
        (changed(MARKED_DISPATCH, "dispatch_callback = None"), r"missing hook dispatch_callback"),
        (changed(MARKED_DISPATCH, DISPATCH), r"Complete\.dispatch_callback is not marked"),
        (changed(MARKED_DISPATCH, "dispatch_callback = print"), r"dispatch_callback is no plain"),
        (changed(SELECT, SELECT.replace("timeout", "time_out")), r"time_out.*did you mean timeout"),
        (changed(SELECT, SELECT.replace("rlist, wlist", "wlist, rlist")), r"another order"),
        (changed(SELECT, SELECT.replace("timeout", "timeout=None")), r"timeout has a default"),
        (changed(SELECT, SELECT.replace("timeout", "*, timeout")), r"timeout is keyword-only"),
        (changed(SELECT, SELECT.replace("timeout", "timeout, /")), r"rlist is positional-only"),
        (changed(SELECT, SELECT.replace("timeout", "timeout, more")), r"unknown argument more"),
        (changed(SELECT, SELECT.replace("timeout", "timeout, m=1")), r"unknown argument m\b"),
        (changed(SELECT, SELECT.replace(", timeout", "")), r"missing arguments timeout"),
        (changed(SELECT, "def select(self, *args):"), r"missing arguments rlist"),
        (changed(SELECT, "def select(self, **kwargs):"), r"missing arguments rlist"),
        (changed(SELECT, SELECT.replace("timeout", "timeout, *args")), r"unknown argument args"),
        (changed("def select(self, ", "def select(self, hander, "), r"unknown argument hander"),
        (changed("def select(self, ", "async def select(self, "), r"select is a coroutine"),
        (changed("return AsyncResult", "yield AsyncResult"), r"callback_object is a generator"),
        (
            changed("def callback_object", "async def callback_object").replace(
                "return AsyncResult", "yield AsyncResult"
            ),
            r"callback_object is a coroutine",
        ),
        (decorated("@hookimpl", "@staticmethod"), r"select is no plain"),
        (decorated("@staticmethod", "@hookimpl"), r"select is no plain"),
        (decorated("@classmethod", "@hookimpl"), r"select is no plain"),
        (decorated("@property", "@hookimpl"), r"select is no plain"),
        (decorated("@hookimpl(wrapper=True)"), r"select is marked as a wrapper"),
        (decorated("@hookimpl(hookwrapper=True)"), r"select is marked as a wrapper"),
        (decorated("@hookimpl(specname='stop')"), r"marked as the hook stop"),
        (
            extended("def dispach_callback(self, callback): pass"),
            r"unknown hook dispach_callback.*did you mean dispatch_callback",
        ),
        (extended("def zzz(self): pass"), r"unknown hook zzz: there are start, stop"),
        (extended("def run_callback(self, callback): pass"), r"run_callback is for wrappers only"),
    ],
)
def test_one_mistake_is_one_fault(site: Site, source: str, fault: str) -> None:
    found = faults(source, site)
    assert any(re.search(fault, line) for line in found), found


def test_all_mistakes_are_said_at_once(site: Site) -> None:
    found = faults(
        """
        from handler_core import hookimpl
        from handler_core_threading import SequentialThreadingHandler

        class Complete(SequentialThreadingHandler):
            stop = None

            def start(self):
                pass

            @hookimpl
            async def select(self, wlist, rlist, xlist, timeout):
                pass

            @hookimpl
            def callback_object(self, handler=None):
                pass

            @hookimpl
            def dispatch_callback(self, calback, *, extra):
                pass

            @hookimpl
            def dispatch(self):
                pass
        """,
        site,
    )
    text = "\n".join(found)
    for part in (
        "Complete.start is not marked",
        "missing hook stop",
        "select is a coroutine",
        "select: its arguments are in another order",
        "callback_object: handler has a default",
        "unknown argument calback (did you mean callback?)",
        "unknown argument extra",
        "unknown hook dispatch",
    ):
        assert part in text


@pytest.mark.parametrize("source", ["Complete = 3", "def Complete(): pass", "Complete = None"])
def test_no_class(site: Site, source: str) -> None:
    site.plugin("faulty", source)
    with pytest.raises(HandlerValidationError, match=r"handler-core-faulty 1\.0.*no handler class"):
        get_handler("faulty")


def test_no_handler_class(site: Site) -> None:
    found = faults("class Complete: pass", site)
    assert "it is no subclass of handler_core.Handler" in found
    assert len(found) == 6


def test_handler_itself_is_no_plugin(site: Site) -> None:
    found = faults("from handler_core import Handler as Complete", site)
    assert [line.split(":")[0] for line in found] == [
        f"missing hook {name}"
        for name in ("start", "stop", "select", "callback_object", "dispatch_callback")
    ]


def test_an_unmarked_override_in_a_subclass_of_a_plugin(site: Site) -> None:
    found = faults(
        """
        from handler_core_threading import SequentialThreadingHandler

        class Complete(SequentialThreadingHandler):
            def dispatch_callback(self, callback):
                super().dispatch_callback(callback)
        """,
        site,
    )
    assert found == ["Complete.dispatch_callback is not marked: put @hookimpl above it"]


def test_the_check_is_done_once_a_class(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fresh(SequentialThreadingHandler):
        pass

    looked: list[str] = []
    real = _validation._faults_of_hook

    def counted(cls: type, name: str) -> Any:
        looked.append(name)
        return real(cls, name)

    monkeypatch.setattr(_validation, "_faults_of_hook", counted)
    for _ in range(5):
        assert _validation.check_handler_class(Fresh, "test") is Fresh
    assert len(looked) == 5


@pytest.mark.parametrize(
    ("init", "said"),
    [
        ("def __init__(self, hosts): super().__init__()", "__init__ needs arguments: hosts"),
        ("def __init__(self, *, hosts): super().__init__()", "__init__ needs arguments: hosts"),
        ("def __init__(self): pass", r"super\(\).__init__\(\)"),
    ],
)
def test_a_constructor_that_is_wrong(site: Site, init: str, said: str) -> None:
    site.plugin("faulty", COMPLETE + f"\n        {init}\n")
    for _ in range(2):
        with pytest.raises(HandlerValidationError, match=said) as caught:
            get_handler("faulty")
        assert "handler-core-faulty 1.0" in str(caught.value)
        assert "Complete" in str(caught.value)


def test_a_constructor_with_defaults_is_right(site: Site) -> None:
    site.plugin(
        "faulty",
        COMPLETE + "\n        def __init__(self, a=1, *args, b=2, **more): super().__init__()\n",
    )
    assert get_handler("faulty").name == "complete"


def test_what_a_constructor_raises_is_the_callers_to_see(site: Site) -> None:
    site.plugin("faulty", COMPLETE + "\n        def __init__(self): raise OSError('no epoll')\n")
    with pytest.raises(OSError, match="no epoll") as caught:
        get_handler("faulty")
    assert "handler-core-faulty 1.0" in "".join(caught.value.__notes__)
