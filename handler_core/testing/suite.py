"""What the conformance tests have in common: a handler, and ways to wait that suit any model.

A test never blocks the thread behind the model's back. It waits with the handler's own events,
sleeps with its ``sleep_func``, and starts tasks with its ``spawn``. What must happen in a thread
of the operating system, whatever the process calls a thread, goes through :class:`OSThread`; what
must happen in a process of its own (exit, fork) through :meth:`Suite.run_script`.

No test says that something must be *fast*: machines are busy. But whoever is woken must be woken
within :data:`LIMIT` seconds, which no machine is too busy for. A timeout would hide a waiter that
is never woken: it looks again when its time is over, and finds what it waited for. So a wait that
something else is to end is given :data:`LONG`, and the clock tells that it did not last so long:
:meth:`Suite.woken`, :meth:`Suite.happens`, :meth:`Suite.ended`.

A handler may hang where nobody expects it. Each test has :data:`TEST_LIMIT` seconds, then an
alarm interrupts it as Ctrl-C would, and it fails in the line in which it hangs. So does what
stops its handler afterwards, and the next test runs. What no alarm interrupts, such as a loop that
swallows every exception, ends the process :data:`LIMIT` seconds later, with the stacks of all
threads.
"""

from __future__ import annotations

import _thread
import contextlib
import faulthandler
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, ClassVar, TypeVar

import pytest

from handler_core import Callback, Handler, get_handler, list_handlers
from handler_core.execution import Task
from handler_core.green import GreenHandler

__all__ = [
    "LIMIT",
    "LONG",
    "TEST_LIMIT",
    "OSThread",
    "Overdue",
    "Suite",
    "calling",
    "ended_after",
    "interrupted_after",
    "names_no_model",
    "open_descriptors",
]

T = TypeVar("T")

# A child that ends under load may escape the watch of gevent's `waitpid`, which would then wait for
# ever; the next signal of that kind makes it look again. Everywhere else it does nothing.
_EXIT_STATUS = """
def exit_status(pid):
    import os, signal
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        os.kill(os.getpid(), signal.SIGCHLD)
        handler.sleep_func(0.01)
"""

#: Seconds after which something that should happen is taken not to happen.
LIMIT = 30.0

#: The timeout, in seconds, of a wait that must not last until its timeout.
LONG = 2 * LIMIT

#: Seconds after which a test that has not ended is interrupted.
TEST_LIMIT = 2.5 * LIMIT

# Seconds from one interruption to the next: a callback that got the first one has swallowed it.
_AGAIN = 5.0


class Overdue(SystemError):
    """Something hangs, in the line that this is raised in.

    A ``SystemError``, for one that arrives in the hub of gevent is handed on to the main
    greenlet, as the exceptions are that end a program, and no others.
    """


class _Alarm:
    """Raises :class:`Overdue` in the main thread if its ``with`` block lasts so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        #: What was raised; somebody may have swallowed it: a worker logs what its callbacks raise.
        self.raised: list[Overdue] = []

    def ring(self, _: int, __: FrameType | None) -> None:
        self.raised.append(Overdue(f"this hangs: it has not ended within {self._seconds} seconds"))
        raise self.raised[-1]

    def check(self) -> None:
        if self.raised:
            raise Overdue(f"this was interrupted after {self._seconds} seconds")


@contextlib.contextmanager
def interrupted_after(seconds: float) -> Iterator[_Alarm]:
    """Raise :class:`Overdue` in the main thread if the ``with`` block lasts so many seconds.

    By ``SIGALRM``, as pytest-timeout may use it too: that one's alarm goes on afterwards. If it is
    to ring earlier, it is left alone.
    """
    alarm = _Alarm(seconds)
    remaining, _ = signal.getitimer(signal.ITIMER_REAL)
    is_ours = isinstance(getattr(signal.getsignal(signal.SIGALRM), "__self__", None), _Alarm)
    # By number: to eventlet each greenlet is a thread.
    in_main = threading.get_native_id() == threading.main_thread().native_id
    if not in_main or (0 < remaining < seconds and not is_ours):
        yield alarm
        return

    handler = signal.signal(signal.SIGALRM, alarm.ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, _AGAIN)
    try:
        yield alarm
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


@contextlib.contextmanager
def ended_after(seconds: float, stderr: int) -> Iterator[None]:
    """End the process, with the stacks of all threads, if the block lasts so many seconds.

    By a thread that needs no interpreter, so it works where nothing else does.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=stderr)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def names_no_model(cls: type) -> str:
    """Say what is missing where a class of the suite does not say which model it is for."""
    installed = ", ".join(info.name for info in list_handlers()) or "none"
    return (
        f"{cls.__qualname__} names no model: set its handler_name, or say which one to test: "
        f"pytest --pyargs handler_core.testing --handler NAME (installed: {installed})"
    )


def open_descriptors() -> int:
    """Return how many descriptors this process has open."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        if os.path.isdir(folder):
            return len(os.listdir(folder))
    pytest.skip("this platform does not tell which descriptors are open")


def calling(func: Callable[..., object], *args: Any) -> Callable[[Any], object]:
    """Return a link that calls ``func(*args)``."""
    return lambda _: func(*args)


class OSThread:
    """A thread of the operating system, also in a process whose ``threading`` is patched."""

    def __init__(
        self,
        start: Callable[[Callable[[], None], tuple[()]], object],
        func: Callable[..., Any],
        args: tuple[Any, ...],
    ) -> None:
        self._func = func
        self._args = args
        self._error: BaseException | None = None
        self._value: Any = None
        self._done = False
        start(self._run, ())

    def _run(self) -> None:
        try:
            self._value = self._func(*self._args)
        except BaseException as error:
            self._error = error
        finally:
            self._done = True

    def result(self, handler: Handler) -> Any:
        """Return what the function returned, or raise what it raised.

        The wait is a sleep in a loop, since this must work where waking does not.
        """
        deadline = time.monotonic() + LIMIT
        while not self._done:
            assert time.monotonic() < deadline, f"a thread hangs in {self._func!r}"
            handler.sleep_func(0.001)
        if self._error is not None:
            raise self._error
        return self._value


class Suite:
    """The base of the conformance classes."""

    #: What to call :func:`handler_core.get_handler` with. Left out, the option ``--handler``.
    handler_name: ClassVar[str]

    #: Python source that runs first in every process that a test starts, such as a patching.
    prelude: ClassVar[str] = ""

    #: What such a process is started with: the interpreter, and what is to run the program. It
    #: imports nothing from the folder in which pytest was called.
    interpreter: ClassVar[tuple[str, ...]] = (sys.executable, "-P")

    #: The Python expression by which such a process makes a handler, where :meth:`make_handler`
    #: does something else than to call :func:`handler_core.get_handler`.
    handler_source: ClassVar[str] = ""

    #: Where stacks are written if the process must be ended: standard error, before pytest took it.
    stderr: ClassVar[int] = 2

    #: Set when the test itself has failed, by handler-core's plugin of pytest.
    has_failed = False

    #: True while the test is over and its handler is being stopped.
    stopping = False

    #: Starts a thread of the operating system: ``_thread.start_new_thread``, as it was before any
    #: patching.
    start_os_thread: ClassVar[Callable[..., object]] = staticmethod(_thread.start_new_thread)

    def make_handler(self) -> Handler:
        """Return a new handler. Override it, and :attr:`handler_source`, to add wrappers, say."""
        return get_handler(self._handler_name())

    def _handler_name(self) -> str:
        cls = type(self)
        if not hasattr(cls, "handler_name"):
            pytest.fail(names_no_model(cls))
        return cls.handler_name

    def in_loop(self, handler: Handler, func: Callable[[], object]) -> bool:
        """Have the model's event loop call ``func`` soon, where nobody can park.

        Return False for a model that has no loop. The suite knows the hubs of green handlers;
        override it for a loop of another kind.
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
    def time_limit(self) -> Iterator[_Alarm]:
        """Interrupt a test that hangs."""
        last_resort = ended_after(TEST_LIMIT + 2 * LIMIT, self.stderr)
        with last_resort, interrupted_after(TEST_LIMIT) as alarm:
            yield alarm
        if not self.has_failed:
            alarm.check()

    @pytest.fixture
    def idle(self, time_limit: _Alarm) -> Iterator[Handler]:
        """Yield a handler that was not started."""
        handler = self.make_handler()
        yield handler
        if time_limit.raised or self.has_failed:  # the test has said what there is to say
            with contextlib.suppress(Overdue), interrupted_after(_AGAIN):
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

    def woken(self, wait: Callable[[float], T]) -> T:
        """Return what ``wait(timeout)`` returns, which something is to wake before its timeout."""
        begun = time.monotonic()
        value = wait(LONG)
        assert time.monotonic() - begun < LIMIT, "what waited was not woken"
        return value

    def happens(self, event: Any) -> None:
        """Wait for an event of the handler."""
        assert self.woken(event.wait), "what the test waits for did not happen"

    def ended(self, *tasks: Task) -> None:
        """Wait until spawned tasks have ended."""
        for task in tasks:
            self.woken(task.join)
            assert not task.is_alive(), "a task hangs"

    def until(self, handler: Handler, condition: Callable[[], bool]) -> None:
        """Wait for a condition that no event tells of."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline, "what the test waits for did not happen"
            handler.sleep_func(0.001)

    def select(self, handler: Handler, *lists: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        """Return what is ready, which something is."""
        return self.woken(lambda timeout: handler.select(*lists, timeout))

    def dispatch(self, handler: Handler, func: Callable[..., object], *args: Any) -> None:
        """Dispatch a call of ``func``."""
        handler.dispatch_callback(Callback("test", func, args))

    def queue(
        self, handler: Handler, linked: bool, func: Callable[..., object], *args: Any
    ) -> None:
        """Have a worker call ``func(*args)``: that of the links, or that of the callbacks."""
        if linked:
            result = handler.async_result()
            result.link(calling(func, *args))
            result.set()
        else:
            self.dispatch(handler, func, *args)

    def drained(self, handler: Handler) -> None:
        """Wait until what was dispatched up to now has run."""
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

        It starts with the prelude, ``handler``, a new handler, ``Callback``, and a function
        ``exit_status(pid)`` that waits for a child. It must end by itself within :data:`LIMIT`
        seconds, with exit status 0 and without a traceback.
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
        ended = subprocess.run(
            [*self.interpreter, "-c", source],
            # CPython warns of any fork with threads; these forks are the point.
            env={**os.environ, "PYTHONWARNINGS": "ignore::DeprecationWarning"},
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )
        assert ended.returncode == 0, f"exit status {ended.returncode}:\n{ended.stderr}"
        assert "Traceback" not in ended.stderr, ended.stderr
        return ended.stdout
