"""Wrappers that tests put around the hooks of a handler."""

from __future__ import annotations

from typing import Any

from handler_core import Callback, Dispatched, Handler, hookimpl


class Recorder:
    """Records each call of a hook, with its arguments."""

    def __init__(self, name: str = "r", log: list[Any] | None = None) -> None:
        self.name = name
        self.log: list[Any] = [] if log is None else log

    def names(self) -> list[str]:
        return [entry[1] for entry in self.log]

    @hookimpl(wrapper=True)
    def start(self, handler: Any) -> Any:
        self.log.append((self.name, "start", handler))
        return (yield)

    @hookimpl(wrapper=True)
    def stop(self, handler: Any) -> Any:
        self.log.append((self.name, "stop", handler))
        return (yield)

    @hookimpl(wrapper=True)
    def select(self, handler: Any, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        self.log.append((self.name, "select", rlist, wlist, xlist, timeout))
        return (yield)

    @hookimpl(wrapper=True)
    def callback_object(self, handler: Any) -> Any:
        self.log.append((self.name, "callback_object", handler))
        return (yield)

    @hookimpl(wrapper=True)
    def dispatch_callback(self, handler: Any, callback: Any) -> Any:
        self.log.append((self.name, "dispatch_callback", callback))
        return (yield)

    @hookimpl(wrapper=True)
    def run_callback(self, handler: Any, callback: Any) -> Any:
        self.log.append((self.name, "run_callback", callback))
        return (yield)


class Keeping:
    """Gives each dispatch a number, and records the number of each callback that runs."""

    def __init__(self) -> None:
        self.dispatched: Dispatched[int] = Dispatched()
        self.next = 0
        self.ran: list[tuple[Any, int | None]] = []

    def numbers(self) -> list[int | None]:
        return [number for _, number in self.ran]

    @hookimpl(wrapper=True)
    def dispatch_callback(self, handler: Handler, callback: Any) -> Any:
        self.next += 1
        with self.dispatched.remember(handler, callback, self.next):
            return (yield)

    @hookimpl(wrapper=True)
    def run_callback(self, handler: Handler, callback: Any) -> Any:
        self.ran.append((callback, self.dispatched.take(handler, callback)))
        return (yield)


def callback() -> Callback:
    return Callback("test", int, ())


def run(handler: Handler) -> None:
    with handler:
        pass
