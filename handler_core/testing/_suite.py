"""The base of all test classes of the suite: a handler, and ways to wait that suit any model.

A test never blocks its thread without the model's knowledge. It waits with the handler's own
events, sleeps with the handler's ``sleep_func``, and starts tasks with its ``spawn``. Two kinds of
code are exceptions. Code that must run in a thread of the operating system, whatever the process
calls a thread, runs in an :class:`OSThread`. Code that needs a process of its own (for exit and
fork) runs in :meth:`Suite.run_script`.
"""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, TypeVar

import pytest

from handler_core import Callback, Handler, get_handler, list_handlers
from handler_core.execution import Task
from handler_core.green import GreenHandler
from handler_core.testing._os_thread import OSThread
from handler_core.testing._time_limits import (
    ALARM_INTERVAL,
    LIMIT,
    LONG,
    TEST_LIMIT,
    Alarm,
    Overdue,
    ended_after,
    interrupted_after,
)

__all__ = ["Suite", "calling", "names_no_model"]

T = TypeVar("T")

# Under load, gevent's `waitpid` may miss the end of a child, and would then wait for ever. The next
# SIGCHLD makes it look again, when gevent's hub turns. In a process that gevent has patched, that
# is during `time.sleep`. For every other model these two calls have no effect.
_EXIT_STATUS = """
def exit_status(pid):
    import os, signal, time
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        os.kill(os.getpid(), signal.SIGCHLD)
        time.sleep(0)
        handler.sleep_func(0.01)
"""


def names_no_model(cls: type) -> str:
    """Return the message for a class of the suite that does not name its model."""
    installed = ", ".join(info.name for info in list_handlers()) or "none"
    return (
        f"{cls.__qualname__} names no model: set its handler_name, or say which one to test: "
        f"pytest --pyargs handler_core.testing --handler NAME (installed: {installed})"
    )


def calling(func: Callable[..., object], *args: Any) -> Callable[[Any], object]:
    """Return a link that ignores its result and calls ``func(*args)``."""
    return lambda _: func(*args)


class Suite:
    """The base of the suite's test classes, and of other tests that need the same tools.

    It tests nothing itself. :class:`HandlerConformance` is this class with all tests of the
    contract.
    """

    #: The name of the model, for :func:`handler_core.get_handler`. Without it, the option
    #: ``--handler`` names the model.
    handler_name: ClassVar[str]

    #: Python source that runs first in each process that a test starts. It may patch the process,
    #: for example.
    prelude: ClassVar[str] = ""

    #: The beginning of the command that starts such a process. It has the interpreter, and whatever
    #: program runs the source. The process imports nothing from the folder where pytest was called.
    interpreter: ClassVar[tuple[str, ...]] = (sys.executable, "-P")

    #: The Python expression that makes a handler in such a process. It is needed where
    #: :meth:`make_handler` is overridden.
    handler_source: ClassVar[str] = ""

    #: The descriptor for the stacks of a process that must be ended. handler-core's pytest plugin
    #: sets it to the standard error that pytest itself has.
    stderr: ClassVar[int] = 2

    #: True if the test itself has failed. handler-core's pytest plugin sets it.
    has_failed = False

    #: True while the handler of a test that is over is being stopped.
    stopping = False

    #: Starts a thread of the operating system. This must be ``_thread.start_new_thread`` as it was
    #: before any patching.
    start_os_thread: ClassVar[Callable[..., object]] = staticmethod(_thread.start_new_thread)

    def make_handler(self) -> Handler:
        """Return a new handler.

        Override it to add wrappers, for example, and set :attr:`handler_source` to match.
        """
        return get_handler(self._handler_name())

    def _handler_name(self) -> str:
        cls = type(self)
        if not hasattr(cls, "handler_name"):
            pytest.fail(names_no_model(cls))
        return cls.handler_name

    def in_loop(self, handler: Handler, func: Callable[[], object]) -> bool:
        """Have the model's event loop call ``func`` soon, in a place that cannot park.

        The suite knows the hubs of green handlers. Override it for a loop of another kind.

        Returns:
            False if the model has no loop.
        """
        if not isinstance(handler, GreenHandler):
            return False

        def call() -> None:
            hub = handler.current_hub()
            assert hub is not None, "a task runs in a thread without a hub"
            hub.call_soon(func)

        handler.spawn(call)
        return True

    @pytest.fixture(autouse=True)
    def time_limit(self) -> Iterator[Alarm]:
        """Interrupt a test that hangs."""
        last_resort = ended_after(TEST_LIMIT + 2 * LIMIT, self.stderr)
        with last_resort, interrupted_after(TEST_LIMIT) as alarm:
            yield alarm
        if not self.has_failed:
            alarm.check()

    @pytest.fixture
    def idle(self, time_limit: Alarm) -> Iterator[Handler]:
        """Yield a handler that was not started, and stop it afterwards."""
        handler = self.make_handler()
        yield handler
        if time_limit.raised or self.has_failed:  # the test has reported the failure already
            with contextlib.suppress(Overdue), interrupted_after(ALARM_INTERVAL):
                handler.stop()
            return
        self.stopping = True
        with interrupted_after(LIMIT) as alarm:
            handler.stop()
        alarm.check()
        self.stopping = False

    @pytest.fixture
    def handler(self, idle: Handler) -> Handler:
        """Return a handler that was started."""
        idle.start()
        return idle

    def os_thread(self, func: Callable[..., Any], *args: Any) -> OSThread:
        """Run ``func(*args)`` in a thread of the operating system."""
        return OSThread(self.start_os_thread, func, args)

    def home_thread(self, handler: Handler, func: Callable[[], Any]) -> OSThread:
        """Run ``func`` in a thread of the operating system that can be the home of ``handler``.

        A model overrides this if not every thread can be.
        """
        return self.os_thread(func)

    def run_in(self, where: str, handler: Handler, func: Callable[[], object]) -> Callable[[], Any]:
        """Run ``func`` in "a task" or in "an OS thread", and return a function that joins it."""
        if where == "a task":
            task = handler.spawn(func)
            return lambda: self.ended(task)
        thread = self.os_thread(func)
        return lambda: thread.result(handler)

    def woken(self, wait: Callable[[float], T]) -> T:
        """Return what ``wait(timeout)`` returns; it must be woken before its timeout."""
        begun = time.monotonic()
        value = wait(LONG)
        assert time.monotonic() - begun < LIMIT, "what waited was not woken"
        return value

    def got(self, result: Any) -> Any:
        """Return the value of a result, which must wake this wait."""
        return self.woken(lambda timeout: result.get(timeout=timeout))

    def happens(self, event: Any) -> None:
        """Wait for an event of the handler."""
        assert self.woken(event.wait), "what the test waits for did not happen"

    def ended(self, *tasks: Task) -> None:
        """Wait until spawned tasks have ended."""
        for task in tasks:
            self.woken(task.join)
            assert not task.is_alive(), "a task hangs"

    def until(self, handler: Handler, condition: Callable[[], bool]) -> None:
        """Wait for a condition that sets no event."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, "what the test waits for did not happen"
            handler.sleep_func(0.001)

    def not_early(self, wait: Callable[[float], object]) -> None:
        """Check that a wait lasts until its timeout if nothing else ends it."""
        begun = time.monotonic()
        wait(0.05)
        assert time.monotonic() - begun >= 0.049  # a library may use another clock

    def in_time(self, most: float, attempts: Sequence[Callable[[], float]]) -> None:
        """Check that there is a round in which no attempt is late by more than ``most`` seconds.

        Each attempt returns how late it was. On a busy machine, rounds are repeated while there is
        time.
        """
        given_up = time.monotonic() + LIMIT
        while (late := max(attempt() for attempt in attempts)) > most:
            assert time.monotonic() < given_up, f"late in each round, by {late:.3f} seconds"

    def select(self, handler: Handler, *lists: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Return what is ready; something must be ready before the timeout."""
        return self.woken(lambda timeout: handler.select(*lists, timeout))

    def dispatch(self, handler: Handler, func: Callable[..., object], *args: Any) -> None:
        """Dispatch a call of ``func``."""
        handler.dispatch_callback(Callback("test", func, args))

    def queue(
        self, handler: Handler, linked: bool, func: Callable[..., object], *args: Any
    ) -> None:
        """Queue ``func(*args)`` for the worker of the links or for that of the callbacks."""
        if linked:
            result = handler.async_result()
            result.link(calling(func, *args))
            result.set()
        else:
            self.dispatch(handler, func, *args)

    def drained(self, handler: Handler) -> None:
        """Wait until all callbacks that were dispatched before have run."""
        event = handler.event_object()
        self.dispatch(handler, event.set)
        self.happens(event)

    def tcp_pair(self, handler: Handler) -> tuple[Any, Any]:
        """Return two ends of a TCP connection: a plain socket, and one of the model."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            ours = handler.create_connection(server.getsockname(), timeout=LIMIT)
            theirs, _ = server.accept()
        return theirs, ours

    def _script_makes_handler(self) -> str:
        cls = type(self)
        if self.handler_source:
            return self.handler_source
        if cls.make_handler is not Suite.make_handler:
            pytest.fail(
                f"{cls.__qualname__} has a make_handler() of its own, which a process of its own "
                "does not know: set handler_source to a Python expression that makes such a handler"
            )
        return f"get_handler({self._handler_name()!r})"

    def run_script(self, body: str) -> str:
        """Run a program in a process of its own, and return what it printed.

        The prelude runs before the program. The program finds a new handler as ``handler``, the
        class ``Callback``, and a function ``exit_status(pid)`` that waits for a child. It must end
        by itself within :data:`LIMIT` seconds, with exit status 0 and without a traceback. What it
        has forked, and has not ended, is killed.
        """
        source = "\n".join(
            (
                self.prelude,
                "import faulthandler",
                f"faulthandler.dump_traceback_later({LIMIT}, exit=True)",
                "from handler_core import Callback, get_handler",
                f"handler = {self._script_makes_handler()}",
                _EXIT_STATUS,
                textwrap.dedent(body),
            )
        )
        with subprocess.Popen(  # noqa: S603  a program of the suite
            [*self.interpreter, "-c", source],
            # CPython warns of any fork in a process with threads. These tests fork on purpose.
            env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                printed, errors = process.communicate(timeout=LONG)
            finally:
                _kill_group(process)
        assert process.returncode == 0, f"exit status {process.returncode}:\n{errors}"
        assert "Traceback" not in errors, errors
        return printed


def _kill_group(process: subprocess.Popen[str]) -> None:
    """Kill a process that leads a group, and all others of the group."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
