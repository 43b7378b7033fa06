"""Handlers that each break one line of the contract, and are otherwise in order.

Their names begin with the line. The first of each line breaks that line alone, as far as one can:
where another line relies on it, :data:`ALSO` says so. The rest are other ways to break a line,
most of them seen in real handlers.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import itertools
import logging
import os
import queue
import select
import signal
import socket
import ssl
import stat
import threading
import time
import types
from typing import Any

import gevent.socket
from gevent import GreenletExit
from handler_core_gevent import SequentialGeventHandler
from handler_core_threading import SequentialThreadingHandler

import handler_core
from handler_core import Callback, hookimpl, sockets
from handler_core.extending import Extension
from handler_core.green import GreenWaiter
from handler_core.lifecycle import _Mailbox, _State
from handler_core.synchronization import Lock, RLock

#: Lines that rely on the one that a handler breaks, and are broken with it.
ALSO: dict[str, set[int]] = {}


def also(*lines: int) -> Any:
    """Say which other lines a handler breaks."""

    def register(cls: type) -> type:
        ALSO[cls.__name__] = set(lines)
        return cls

    return register


class Threads(SequentialThreadingHandler):
    """The handler that all but a few are: one whose results may be of a class of its own."""

    result_class: Any = handler_core.AsyncResult

    @hookimpl
    def callback_object(self) -> Any:
        return self.result_class(self)


# C1


class C1StartsOnce(Threads):
    """As a thread: a second start is an error."""

    @hookimpl
    def start(self) -> None:
        if self.running:
            raise RuntimeError("already started")
        super().start()


class C1EndsForGood(Threads):
    """After a stop, a start does nothing."""

    stopped = False

    @hookimpl
    def start(self) -> None:
        if not self.stopped:
            super().start()

    @hookimpl
    def stop(self) -> None:
        self.stopped = True
        super().stop()


class C1StopNeedsStart(Threads):
    @hookimpl
    def stop(self) -> None:
        if self._state is _State.STOPPED:
            raise RuntimeError("not started")
        super().stop()


class C1WithDoesNotStart(Threads):
    def __enter__(self) -> Any:
        return self


class C1WithStopsOnSuccessOnly(Threads):
    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is None:
            self.stop()


class C1SecondStartMakesSecondWorker(Threads):
    @hookimpl
    def start(self) -> None:
        if self.running:
            with self._lock:
                self._callbacks = _Mailbox()
                self._completions = _Mailbox()
        super().start()


class C1StopsForStrangersDoNotWait(Threads):
    starter = 0

    @hookimpl
    def start(self) -> None:
        self.starter = threading.get_ident()
        super().start()

    @hookimpl
    def stop(self) -> None:
        strange = isinstance(threading.current_thread(), threading._DummyThread)
        if strange and self.starter != threading.get_ident():
            self.spawn(super().stop)
        else:
            super().stop()


class C1LosesItsHomeInSilence(SequentialGeventHandler):
    @hookimpl
    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):
            super().stop()


# C2


@also(5, 8)
class C2ForgetsLastResults(Threads):
    """A result that is set after the stop calls nobody."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        pass


class C2StopDoesNotWait(Threads):
    @hookimpl
    def stop(self) -> None:
        threading.Thread(target=super().stop, daemon=True).start()


class C2StopDropsTheQueue(Threads):
    @hookimpl
    def stop(self) -> None:
        with self._lock:
            for mailbox in (self._callbacks, self._completions):
                mailbox.items.clear()
        super().stop()


class C2DropsWhatComesWhileStopped(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self.running:
            super().dispatch_callback(callback)


class C2RunsAtOnceWhileStopped(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._state is _State.STOPPED:
            callback.func(*callback.args)
        else:
            super().dispatch_callback(callback)


class C2OneLinkEndsTheRest(Threads):
    """While it is stopped, a link that raises keeps the others from being called."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        try:
            for link in links:
                link(result)
        except Exception:
            logging.getLogger("handler_core").exception("link failed")


class C2LastFailuresCallNobody(Threads):
    class result_class(handler_core.AsyncResult[Any]):
        def set_exception(self, exception: BaseException) -> None:
            if self._handler._state is _State.STOPPED:
                self._links = None
            super().set_exception(exception)


class C2LinksOfAThreadOfTheirOwn(Threads):
    """While it is stopped: the setter waits for another thread, which calls the links."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        self.spawn(super()._call_links, result, links).join()


class C2KeepsOnlyTheLast(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._state is _State.STOPPED:
            self._callbacks.items.clear()
        super().dispatch_callback(callback)


class C2SecondStopDropsWhatWaits(Threads):
    @hookimpl
    def stop(self) -> None:
        if self._state is _State.STOPPED:
            self._callbacks.items.clear()
        super().stop()


class C2DropsWhatOthersDispatchInTheDrain(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        strange = isinstance(threading.current_thread(), threading._DummyThread)
        if strange or self._in_worker() or self._state is not _State.DRAINING:
            super().dispatch_callback(callback)


class C2StopAfterARestartDoesNotWait(Threads):
    restarted = False

    @hookimpl
    def start(self) -> None:
        self.restarted = self._state is _State.DRAINING
        super().start()

    @hookimpl
    def stop(self) -> None:
        if self.restarted and self._callbacks.busy and not self._in_worker():
            self.spawn(super().stop)
        else:
            super().stop()


class C2StopGivesUp(Threads):
    """After a second."""

    @hookimpl
    def stop(self) -> None:
        if self._in_worker():
            super().stop()
        else:
            self.spawn(super().stop).join(1)


# C3


class C3StopFromACallbackFails(Threads):
    """As kazoo's, which joins the thread that it is called in."""

    @hookimpl
    def stop(self) -> None:
        if self._in_worker():
            raise RuntimeError("cannot join current thread")
        super().stop()


class C3StopFromACallbackDropsTheRest(Threads):
    @hookimpl
    def stop(self) -> None:
        if self._in_worker():
            self._callbacks.items.clear()
            self._completions.items.clear()
        super().stop()


class C3StopFromACallbackDropsTheLinks(Threads):
    @hookimpl
    def stop(self) -> None:
        worker = self._callbacks.worker
        if worker is not None and worker.identity == self.current_task():
            self._completions.items.clear()
        super().stop()


class C3StopFromACallbackWaitsForTheLinks(Threads):
    @hookimpl
    def stop(self) -> None:
        worker = self._callbacks.worker
        if worker is not None and worker.identity == self.current_task():
            while self._completions.busy:
                time.sleep(0.001)
        super().stop()


class C3SecondStopDoesNotWait(Threads):
    """It takes a stop from inside for one that is over."""

    inside = False

    @hookimpl
    def start(self) -> None:
        self.inside = False
        super().start()

    @hookimpl
    def stop(self) -> None:
        self.inside = self.inside or self._in_worker()
        if not self.inside or self._in_worker() or self._state is not _State.DRAINING:
            super().stop()


class C3StopFromACallbackIsSlow(Threads):
    @hookimpl
    def stop(self) -> None:
        if self._in_worker():
            time.sleep(0.5)
        super().stop()


# C4


class C4ThreadsKeepTheProgramAlive(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread = threading.Thread(target=func, args=args, kwargs=kwargs, daemon=False)
        thread.start()
        return thread


class C4StopsAtExit(Threads):
    """Waits at exit for callbacks that may never end."""

    @hookimpl
    def start(self) -> None:
        atexit.register(self.stop)
        super().start()


class C4StopsAtExitWhatWaits(Threads):
    """Runs at exit what is queued behind a callback that may never end."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(self.run_the_rest)

    def run_the_rest(self) -> None:
        if self._callbacks.items:
            self.stop()


class C4SelectKeepsTheProgramAlive(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        result = self.async_result()
        run = handler_core.wrap(result)(handler_core.poll_select)
        threading.Thread(target=run, args=(rlist, wlist, xlist, timeout), daemon=False).start()
        return result.get()


# C5


class C5ForgetsThatItForked(Threads):
    def _after_fork_in_child(self) -> None:
        pass


class C5ChildRunsTheQueue(Threads):
    """What the parent has queued runs in the child as well."""

    def _after_fork_in_child(self) -> None:
        queued = list(self._callbacks.items)
        super()._after_fork_in_child()
        self._callbacks.items.extend(queued)


class C5ChildCallsTheLinks(Threads):
    """Those that the parent has queued."""

    def _after_fork_in_child(self) -> None:
        queued = list(self._completions.items)
        super()._after_fork_in_child()
        self._completions.items.extend(queued)


class C5ForkInALinkGoesOn(Threads):
    """A worker that forks in a link takes itself for the child's."""

    def _after_fork_in_child(self) -> None:
        completions = self._completions
        super()._after_fork_in_child()
        completions.items.popleft()


class C5ChildKeepsWhatWaitsForAStart(Threads):
    def _after_fork_in_child(self) -> None:
        if self._state is not _State.STOPPED:
            super()._after_fork_in_child()


class C5ChildStillDrains(Threads):
    def _after_fork_in_child(self) -> None:
        state, drain = self._state, self._drain
        super()._after_fork_in_child()
        if state is _State.DRAINING:
            self._state, self._drain = state, drain


# C6


class C6RegistersAtExit(Threads):
    """An exit function for each handler, which keeps it alive."""

    def __init__(self) -> None:
        super().__init__()
        atexit.register(len, [self])


class C6LeaksDescriptors(Threads):
    def __init__(self) -> None:
        super().__init__()
        self.descriptor = os.open(os.devnull, os.O_RDONLY)


class C6LeaksThreads(Threads):
    ends = threading.Event()

    @hookimpl
    def start(self) -> None:
        threading.Thread(target=self.ends.wait, daemon=True).start()
        super().start()


class C6RemembersEveryHandler(Threads):
    handlers: list[Any] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.handlers.append(self)


class C6LeaksMemory(Threads):
    names: list[bytes] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.names.append(b"handler" * 100 + str(len(self.names)).encode())


class C6RemembersEveryTask(Threads):
    tasks: list[Any] = []  # noqa: RUF012

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task = super().spawn(func, *args, **kwargs)
        if func != self._work:
            self.tasks.append(task)
        return task


class C6LeaksSockets(Threads):
    copies: list[Any] = []  # noqa: RUF012

    def create_socket_pair(self) -> Any:
        pair = super().create_socket_pair()
        self.copies.append(pair[0].dup())
        return pair


class C6RemembersWhatWaits(Threads):
    """A callback that was dispatched while it was stopped keeps the handler alive."""

    waiting: set[Any] = set()  # noqa: RUF012

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._state is _State.STOPPED:
            self.waiting.add(self)
        super().dispatch_callback(callback)


class C6RemembersWhatFailed(Threads):
    failures: list[Any] = []  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self._run_callback = self.run_and_remember

    def run_and_remember(self, callback: Any) -> None:
        try:
            callback.func(*callback.args)
        except Exception as error:
            self.failures.append(error)
            raise


# C7


@also(2, 9)
class C7LastInFirstOut(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self.running and self._callbacks.items:
            self._callbacks.items.appendleft(callback)
        else:
            super().dispatch_callback(callback)


class C7OneBlocksTheOther(Threads):
    """While a callback runs, no link does, as if there were one worker."""

    def __init__(self) -> None:
        super().__init__()
        self.one_at_a_time = threading.Lock()
        self._run_callback = self.run_one

    def run_one(self, callback: Any) -> None:
        with self.one_at_a_time:
            callback.func(*callback.args)


class C7CallbacksSideBySide(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        super().dispatch_callback(Callback("", self.spawn, (callback.func, *callback.args)))


class C7QueuesAnother(Threads):
    """Puts each callback into an object of its own, which no wrapper has seen."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        with contextlib.suppress(AttributeError):
            callback = Callback("", callback.func, callback.args)
        super().dispatch_callback(callback)


class C7LinksSideBySide(Threads):
    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        for link in links:
            self.spawn(link, result)
        return True


class C7FailuresFirst(Threads):
    """The links of a result that failed overtake those that are queued."""

    class result_class(handler_core.AsyncResult[Any]):
        def set_exception(self, exception: BaseException) -> None:
            handler: Any = self._handler
            with handler._lock:
                queued = list(handler._completions.items)
                handler._completions.items.clear()
                super().set_exception(exception)
                handler._completions.items.extend(queued)


class C7StrangersCallLinks(Threads):
    """A set in a thread that is not of ``threading`` calls the links there."""

    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        if isinstance(threading.current_thread(), threading._DummyThread):
            return False
        return super()._queue_links(result, links)


class C7LateLinksAtOnce(Threads):
    """Whoever links to a result that is set calls the link, if only in a stranger's thread."""

    class result_class(handler_core.AsyncResult[Any]):
        def link(self, callback: Any) -> None:
            strange = isinstance(threading.current_thread(), threading._DummyThread)
            if strange and self.ready():
                self._handler._call_links(self, [callback])
            else:
                super().link(callback)


class C7DispatchedInsideRunsAtOnce(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        worker = self._callbacks.worker
        if worker is not None and worker.identity == self.current_task():
            callback.func(*callback.args)
        else:
            super().dispatch_callback(callback)


class C7DispatchedByLinksRunsBesides(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        worker = self._completions.worker
        if worker is not None and worker.identity == self.current_task():
            self.spawn(callback.func, *callback.args)
        else:
            super().dispatch_callback(callback)


# C8


class C8EndsWithATimeout(Threads):
    """What is no ``Exception`` ends a worker, unseen."""

    def is_kill(self, exception: BaseException) -> bool:
        return not isinstance(exception, Exception)


class C8SaysNothing(Threads):
    def __init__(self) -> None:
        super().__init__()
        self._run_callback = self.run_quietly

    def run_quietly(self, callback: Any) -> None:
        with contextlib.suppress(Exception):
            callback.func(*callback.args)


class C8NoTraceback(Threads):
    def __init__(self) -> None:
        super().__init__()
        self._run_callback = self.run_and_log

    def run_and_log(self, callback: Any) -> None:
        try:
            callback.func(*callback.args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            logging.getLogger("handler_core").error("callback failed: %s", error)


class C8KeepsExitsForItself(Threads):
    def deliver_exit(self, exception: BaseException) -> None:
        pass


class C8EndsWithAGreenletExit(SequentialGeventHandler):
    """Takes what a callback raises for a kill."""

    def is_kill(self, exception: BaseException) -> bool:
        return isinstance(exception, GreenletExit)


class C8SaysNothingWhileStopped(Threads):
    def _call_links(self, result: Any, links: list[Any]) -> None:
        for link in links:
            with contextlib.suppress(BaseException):
                link(result)


class C8SaysItTwice(Threads):
    """In a logger of its own, too."""

    def __init__(self) -> None:
        super().__init__()
        self._run_callback = self.run_and_log

    def run_and_log(self, callback: Any) -> None:
        try:
            callback.func(*callback.args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            logging.getLogger("own").exception("callback failed")
            raise


class C8DoesNotSayWhere(Threads):
    """The traceback ends where the handler calls the callback."""

    def __init__(self) -> None:
        super().__init__()
        self._run_callback = self.run_and_log

    def run_and_log(self, callback: Any) -> None:
        try:
            callback.func(*callback.args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            here: Any = error.__traceback__
            here.tb_next = None
            logging.getLogger("handler_core").exception("callback failed")


# C9


@also(1)
class C9RefusesStrangers(Threads):
    """Dispatches for threads of ``threading`` only."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if isinstance(threading.current_thread(), threading._DummyThread):
            raise RuntimeError("not from this thread")
        super().dispatch_callback(callback)


class C9TakesAnything(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if hasattr(callback, "func"):
            super().dispatch_callback(callback)


class C9DoesNotWakeTheWorker(Threads):
    """Unless the dispatch comes from a thread that it knows."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if isinstance(threading.current_thread(), threading._DummyThread):
            self._callbacks.items.append(callback)
        else:
            super().dispatch_callback(callback)


class C9ForgetsStrangersWhileStopped(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        strange = isinstance(threading.current_thread(), threading._DummyThread)
        if not strange or self._state is not _State.STOPPED:
            super().dispatch_callback(callback)


class C9ForgetsStrangersInTheDrain(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        strange = isinstance(threading.current_thread(), threading._DummyThread)
        if not strange or self._state is not _State.DRAINING:
            super().dispatch_callback(callback)


class C9IsWokenLate(Threads):
    """What comes from a stranger's thread is noticed when the handler looks again."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if isinstance(threading.current_thread(), threading._DummyThread) and self.running:
            self.spawn(self.later, super().dispatch_callback, callback)
        else:
            super().dispatch_callback(callback)

    def later(self, func: Any, *args: Any) -> None:
        with self.in_order:
            if not self._callbacks.busy:
                time.sleep(0.2)
            func(*args)

    def __init__(self) -> None:
        super().__init__()
        self.in_order = threading.Lock()


class C9TakesWhatHasNoArgs(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if hasattr(callback, "func") and not hasattr(callback, "args"):
            callback = Callback("", callback.func, ())
        super().dispatch_callback(callback)


class C9KnowsOneClassOfCallbacks(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if not isinstance(callback, Callback):
            raise TypeError(f"no callback: {callback!r}")
        super().dispatch_callback(callback)


# C10


class _FirstOutcomeStays(handler_core.AsyncResult[Any]):
    def set(self, value: Any = None) -> None:
        if not self.ready():
            super().set(value)

    def set_exception(self, exception: BaseException) -> None:
        if not self.ready():
            super().set_exception(exception)


class C10FirstOutcomeStays(Threads):
    result_class = _FirstOutcomeStays


class _NoneIsNothing(handler_core.AsyncResult[Any]):
    def successful(self) -> bool:
        return self.value is not None


class C10NoneIsNothing(Threads):
    result_class = _NoneIsNothing


class _ValueIsTheException(handler_core.AsyncResult[Any]):
    @property
    def value(self) -> Any:
        return self.exception or super().value


class C10ValueIsTheException(Threads):
    result_class = _ValueIsTheException


class _NoExceptionIsAValue(handler_core.AsyncResult[Any]):
    def set(self, value: Any = None) -> None:
        if isinstance(value, BaseException):
            self.set_exception(value)
        else:
            super().set(value)


class C10NoExceptionIsAValue(Threads):
    result_class = _NoExceptionIsAValue


class _FirstExceptionStays(handler_core.AsyncResult[Any]):
    def set_exception(self, exception: BaseException) -> None:
        if self.exception is None:
            super().set_exception(exception)


class C10FirstExceptionStays(Threads):
    result_class = _FirstExceptionStays


class _GetRemembers(handler_core.AsyncResult[Any]):
    __slots__ = ("got",)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if self.exception is None or not hasattr(self, "got"):
            self.got = super().get(block, timeout)
        return self.got


class C10GetRemembersTheValue(Threads):
    """And so sees no exception that comes after it."""

    result_class = _GetRemembers


class _WrapsExits(handler_core.AsyncResult[Any]):
    def set_exception(self, exception: BaseException) -> None:
        if not isinstance(exception, Exception):
            exception = RuntimeError(str(exception))
        super().set_exception(exception)


class C10WrapsExits(Threads):
    result_class = _WrapsExits


# C11


class _Early(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else timeout / 2)


class C11TimesOutEarly(Threads):
    result_class = _Early


class _Late(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else timeout + 0.1)


class C11TimesOutLate(Threads):
    result_class = _Late


class _BuiltinTimeout(handler_core.AsyncResult[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return super().get(block, timeout)
        except handler_core.HandlerTimeoutError:
            raise TimeoutError from None


class C11RaisesAnotherTimeout(Threads):
    result_class = _BuiltinTimeout


class _NotTheBuiltin(handler_core.AsyncResult[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return super().get(block, timeout)
        except handler_core.HandlerTimeoutError:
            raise C11IsNoBuiltinTimeout.timeout_exception from None


class C11IsNoBuiltinTimeout(Threads):
    result_class = _NotTheBuiltin


class C11TimeoutIsAnOSError(Threads):
    timeout_exception = type("Timeout", (handler_core.HandlerTimeoutError, OSError), {})


class _WaitReturnsNothing(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> Any:
        super().wait(timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        super().wait(timeout if block else 0)
        return super().get(False)


class C11WaitReturnsNothing(Threads):
    result_class = _WaitReturnsNothing


class _SometimesLate(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        late = 0.1 * next(_ODD_AND_EVEN)
        return super().wait(timeout + late if timeout else timeout)


_ODD_AND_EVEN = itertools.cycle((0, 1))


class C11SometimesLate(Threads):
    result_class = _SometimesLate


class _LateByHalf(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else timeout * 1.5)


class C11LateByHalf(Threads):
    result_class = _LateByHalf


class _WholeMilliseconds(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else int(timeout * 1000) / 1000)


class C11WholeMilliseconds(Threads):
    result_class = _WholeMilliseconds


class _EarlyIfLong(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else min(timeout, 0.1))


class C11EarlyIfLong(Threads):
    result_class = _EarlyIfLong


class _EndsAllWaits(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        if not super().wait(timeout):
            for waiter in self._waiters or ():
                waiter.wake()
        return self.ready()


class C11EndsAllWaits(Threads):
    """Whose time is over wakes the others that wait for the result."""

    result_class = _EndsAllWaits


class _LateInOSThreads(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        stranger = isinstance(threading.current_thread(), threading._DummyThread)
        return super().wait(timeout + 0.1 if timeout and stranger else timeout)


class C11LateInOSThreads(Threads):
    result_class = _LateInOSThreads


class _NowaitIsNoTimeout(handler_core.AsyncResult[Any]):
    def get_nowait(self) -> Any:
        if not self.ready():
            raise C11NowaitIsNoBuiltinTimeout.timeout_exception
        return super().get_nowait()


class C11NowaitIsNoBuiltinTimeout(Threads):
    result_class = _NowaitIsNoTimeout


class _NegativeIsAnError(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be non-negative")
        return super().wait(timeout)


class C11NegativeIsAnError(Threads):
    """And what was left of a caller's time is no timeout."""

    result_class = _NegativeIsAnError


# C12


class _Polling(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.ready():
            left = 0.02 if deadline is None else min(0.02, deadline - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
        return self.ready()


class C12Polls(Threads):
    result_class = _Polling


class _StrangersDoNotWake(handler_core.AsyncResult[Any]):
    """As eventlet's: noticed when the wait is over."""

    def set(self, value: Any = None) -> None:
        if isinstance(threading.current_thread(), threading._DummyThread):
            self._waiters = None
        super().set(value)


class C12StrangersDoNotWake(Threads):
    result_class = _StrangersDoNotWake


class _PollsNowAndThen(handler_core.AsyncResult[Any]):
    """Too seldom to be seen by the turns that it takes."""

    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.ready():
            left = 0.3 if deadline is None else min(0.3, deadline - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
        return self.ready()


class C12PollsNowAndThen(Threads):
    result_class = _PollsNowAndThen


class _StrangersWakeLate(handler_core.AsyncResult[Any]):
    def _settle(self, outcome: Any) -> None:
        waiters = None
        if isinstance(threading.current_thread(), threading._DummyThread):
            with self._handler._lock:
                waiters, self._waiters = self._waiters, None
        super()._settle(outcome)
        if waiters:
            threading.Timer(0.2, lambda: [waiter.wake() for waiter in waiters]).start()


class C12StrangersWakeLate(Threads):
    result_class = _StrangersWakeLate


class C12IdleWorkersPoll(Threads):
    def _await_item(self, mailbox: Any) -> None:
        while not mailbox.items:
            time.sleep(0.2)


# C13


class _LinkedTwice(handler_core.AsyncResult[Any]):
    def link(self, callback: Any) -> None:
        if self.ready():
            super().link(callback)
        else:
            with self._handler._lock:
                self._links = [*(self._links or ()), callback]


class C13CountsTwice(Threads):
    result_class = _LinkedTwice


class _AllAgain(handler_core.AsyncResult[Any]):
    """As kazoo's: a link to a ready result calls those before it again."""

    __slots__ = ("called",)

    def link(self, callback: Any) -> None:
        again = [] if not self.ready() else [*getattr(self, "called", ())]
        self.called = [*getattr(self, "called", ()), callback]
        for each in (*again, callback):
            super().link(each)

    rawlink = link


class C13CallsAllAgain(Threads):
    result_class = _AllAgain


class _LateLinksAreLost(handler_core.AsyncResult[Any]):
    def link(self, callback: Any) -> None:
        if not self.ready():
            super().link(callback)

    rawlink = link


class C13LateLinksAreLost(Threads):
    result_class = _LateLinksAreLost


class _NoUnlink(handler_core.AsyncResult[Any]):
    def unlink(self, callback: Any) -> None:
        pass


class C13DoesNotUnlink(Threads):
    result_class = _NoUnlink


class C13PassesTheValue(Threads):
    """Its links get what ``set`` got."""

    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        return super()._queue_links(result.value, links)


class _RawlinkedTwice(handler_core.AsyncResult[Any]):
    def rawlink(self, callback: Any) -> None:
        if self.ready():
            self.link(callback)
        else:
            with self._handler._lock:
                self._links = [*(self._links or ()), callback]


class C13RawlinkCountsTwice(Threads):
    result_class = _RawlinkedTwice


class _LateLinksGetTheValue(handler_core.AsyncResult[Any]):
    def link(self, callback: Any) -> None:
        if self.ready():
            super().link(lambda result: callback(result.value))
        else:
            super().link(callback)

    rawlink = link


class C13PassesTheValueToLateLinks(Threads):
    result_class = _LateLinksGetTheValue


class _UnlinksWhatIsLinked(handler_core.AsyncResult[Any]):
    def unlink(self, callback: Any) -> None:
        if self._links and callback not in self._links:
            raise ValueError("not linked")
        super().unlink(callback)


class C13UnlinksOnlyWhatIsLinked(Threads):
    result_class = _UnlinksWhatIsLinked


# C14


@also(12, 15)
class C14WakesOne(Threads):
    class result_class(handler_core.AsyncResult[Any]):
        """Of those who wait, the first goes on."""

        def _settle(self, outcome: Any) -> None:
            with self._handler._lock:
                if self._waiters:
                    del self._waiters[1:]
            super()._settle(outcome)


class C14WakesThirty(Threads):
    class result_class(handler_core.AsyncResult[Any]):
        def _settle(self, outcome: Any) -> None:
            with self._handler._lock:
                if self._waiters:
                    del self._waiters[30:]
            super()._settle(outcome)


class C14AnExceptionWakesOne(Threads):
    class result_class(handler_core.AsyncResult[Any]):
        def set_exception(self, exception: BaseException) -> None:
            with self._handler._lock:
                if self._waiters:
                    del self._waiters[1:]
            super().set_exception(exception)


# C15


class _Growing(handler_core.AsyncResult[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if block:
            self.wait(timeout)
        if self.exception is not None:
            raise self.exception
        return super().get(False)


class C15TracebackGrows(Threads):
    result_class = _Growing


class _GrowsWithoutWaiting(handler_core.AsyncResult[Any]):
    def get_nowait(self) -> Any:
        if self.exception is not None:
            raise self.exception
        return super().get_nowait()


class C15GrowsWithoutWaiting(Threads):
    result_class = _GrowsWithoutWaiting


# C16


class C16BlocksTheHub(SequentialGeventHandler):
    def new_waiter(self) -> Any:
        hub = self.current_hub()
        return super().new_waiter() if hub is None else GreenWaiter(hub, self.current_task())


class _MayNotWait(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        if self._handler.current_hub().may_park(self._handler.current_task()):  # type: ignore[attr-defined]
            return super().wait(timeout)
        raise RuntimeError("call it in a greenlet")


class C16RefusesWhatIsOver(SequentialGeventHandler):
    @hookimpl
    def callback_object(self) -> Any:
        return _MayNotWait(self)


class _InTheHub(SequentialGeventHandler):
    """Knows where nobody may park."""

    def in_hub(self) -> bool:
        hub = self.current_hub()
        return hub is not None and not hub.may_park(self.current_task())


class C16TimedEventBlocksTheHub(_InTheHub):
    def event_object(self) -> Any:
        event: Any = super().event_object()
        wait = event.wait

        def wait_or_block(timeout: Any = None) -> Any:
            if timeout and self.in_hub() and not event.is_set():
                time.sleep(timeout)
            return wait(0 if timeout and self.in_hub() else timeout)

        event.wait = wait_or_block
        return event


class C16TimedLockBlocksTheHub(_InTheHub):
    def lock_object(self) -> Any:
        lock: Any = super().lock_object()
        acquire = lock.acquire

        def acquire_or_block(blocking: bool = True, timeout: float = -1) -> Any:
            if timeout > 0 and self.in_hub() and lock.locked():
                time.sleep(timeout)
                return acquire(False)
            return acquire(blocking, timeout)

        lock.acquire = acquire_or_block
        return lock


class C16TimedJoinBlocksTheHub(_InTheHub):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        task: Any = super().spawn(func, *args, **kwargs)
        join = task.join

        def join_or_block(timeout: Any = None) -> None:
            if timeout and self.in_hub() and task.is_alive():
                time.sleep(timeout)
            else:
                join(timeout)

        task.join = join_or_block
        return task


class C16RefusesToStopTwice(_InTheHub):
    @hookimpl
    def stop(self) -> None:
        if self.in_hub():
            raise RuntimeError("stop may not be called here: call it in a greenlet")
        super().stop()


class _MayNotAsk(handler_core.AsyncResult[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if not self.ready() and self._handler.in_hub():  # type: ignore[attr-defined]
            raise RuntimeError("get may not be called here: call it in a greenlet")
        return super().get(block, timeout)


class C16RefusesNowait(_InTheHub):
    @hookimpl
    def callback_object(self) -> Any:
        return _MayNotAsk(self)


class C16RefusesToTry(_InTheHub):
    def lock_object(self) -> Any:
        lock: Any = super().lock_object()
        acquire = lock.acquire

        def acquire_or_refuse(blocking: bool = True, timeout: float = -1) -> Any:
            if lock.locked() and self.in_hub():
                raise RuntimeError("acquire may not be called here: call it in a greenlet")
            return acquire(blocking, timeout)

        lock.acquire = acquire_or_refuse
        return lock


class C16SaysNothing(SequentialGeventHandler):
    def new_waiter(self) -> Any:
        try:
            return super().new_waiter()
        except RuntimeError:
            raise RuntimeError("no") from None


# C17


class C17ForgetsExceptionalConditions(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, _ = super().select(rlist, wlist, xlist, timeout)
        return readable, writable, []


class C17ReturnsDescriptors(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, timeout)
        return tuple([handler_core.fileobj_to_fd(each) for each in part] for part in lists)


class C17HasALimit(Threads):
    """``select.select`` itself, which knows descriptors below 1,024."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        return select.select(rlist, wlist, xlist, timeout)


class C17ReadableIsNotWritable(Threads):
    """As kazoo's."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, exceptional = super().select(rlist, wlist, xlist, timeout)
        return readable, [each for each in writable if each not in readable], exceptional


class C17TakesNegativeTimeouts(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        return super().select(rlist, wlist, xlist, None if timeout is None else max(0, timeout))


class C17BlocksTheHub(SequentialGeventHandler):
    """Nobody else runs while it waits."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        return handler_core.poll_select(rlist, wlist, xlist, timeout)


class C17LooksForOutOfBandDataOnce(Threads):
    """When it begins; what it then waits for is the rest."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        ready = super().select(rlist, wlist, xlist, 0)
        return ready if any(ready) else super().select(rlist, wlist, [], timeout)


class C17OneListAtATime(Threads):
    """Out-of-band data is not reported of what is readable."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, exceptional = super().select(rlist, wlist, xlist, timeout)
        return readable, writable, [each for each in exceptional if each not in readable]


class C17CountsWholeMilliseconds(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if isinstance(timeout, float):
            timeout = timeout // 0.001 / 1000
        return super().select(rlist, wlist, xlist, timeout)


class C17ReturnsEachOnce(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, timeout)
        return tuple(list({id(each): each for each in part}.values()) for part in lists)


class C17ResetIsNotWritable(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        readable, writable, exceptional = super().select(rlist, wlist, xlist, timeout)
        poll = select.poll()
        for each in writable:
            if each in readable and isinstance(each, socket.socket):
                poll.register(each, select.POLLOUT)
        reset = [number for number, event in poll.poll(0) if event & select.POLLERR]
        return (
            readable,
            [each for each in writable if handler_core.fileobj_to_fd(each) not in reset],
            exceptional,
        )


class C17ChecksTheFirstListOnly(Threads):
    """Of what is not open."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        try:
            return super().select(rlist, wlist, xlist, timeout)
        except OSError:
            return super().select(rlist, [], [], timeout)


class C17NotANumberIsZero(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        timeout = 0 if timeout != timeout else timeout
        return super().select(rlist, wlist, xlist, timeout)


class C17WatchesNoFiles(Threads):
    """As ``epoll``."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, timeout)
        for each in (*rlist, *wlist, *xlist):
            if stat.S_ISREG(os.fstat(handler_core.fileobj_to_fd(each)).st_mode):
                raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        return lists


class C17EndsAtASignal(Threads):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        lists = super().select(rlist, wlist, xlist, 0)
        if any(lists) or timeout == 0:
            return lists
        if threading.current_thread() is not threading.main_thread():
            return super().select(rlist, wlist, xlist, timeout)
        bell, button = socket.socketpair()
        with bell, button:
            button.setblocking(False)
            before = signal.set_wakeup_fd(button.fileno(), warn_on_full_buffer=False)
            try:
                lists = super().select([*rlist, bell], wlist, xlist, timeout)
            finally:
                signal.set_wakeup_fd(before)
        return [each for each in lists[0] if each is not bell], *lists[1:]


class C17RefusesStrangers(SequentialGeventHandler):
    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if self.current_hub() is None:
            raise RuntimeError("this thread has no hub")
        return self.select_in_hub(rlist, wlist, xlist, timeout)


class C17BlocksTheHubForAMoment(SequentialGeventHandler):
    """Short waits are not worth a turn, it thinks."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if timeout and timeout < 0.5:
            return handler_core.poll_select(rlist, wlist, xlist, timeout)
        return self.select_in_hub(rlist, wlist, xlist, timeout)


class C17LooksWithoutATurn(SequentialGeventHandler):
    """With the timeout 0, nobody else runs ever."""

    @hookimpl
    def select(self, rlist: Any, wlist: Any, xlist: Any, timeout: Any) -> Any:
        if timeout == 0:
            return handler_core.poll_select(rlist, wlist, xlist, timeout)
        return self.select_in_hub(rlist, wlist, xlist, timeout)


# C18


class C18TrustsEverybody(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if tls.get("check_hostname"):
            return super().create_connection(address, timeout, **tls)
        return super().create_connection(address, timeout, **(tls | {"verify_certs": False}))


class C18LeaksWhatFails(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        try:
            return super().create_connection(address, timeout, **tls)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
            raise


class C18WaitsToSendMore(Threads):
    """Without ``TCP_NODELAY``."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        return connection


class C18IsInherited(Threads):
    """Children get the connection too."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        connection.set_inheritable(True)
        return connection


class C18KnowsNoDeadline(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        return super().create_connection(address, None, **tls)


class C18BlocksTheHub(SequentialGeventHandler):
    """Connects by the standard library's sockets."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        handler = SequentialThreadingHandler()
        return handler.create_connection(address, timeout, **tls)


class C18ChecksNoNameUnlessGiven(Threads):
    """Who leaves the name out means that of the address."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if "hostname" not in tls and tls.get("verify_certs", True):
            tls.setdefault("check_hostname", False)
        return super().create_connection(address, timeout, **tls)


class C18ChecksNoAddresses(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if tls.get("hostname", address[0]) == "127.0.0.1" and tls.get("verify_certs", True):
            tls.setdefault("check_hostname", False)
        return super().create_connection(address, timeout, **tls)


class C18WaitsToSendMoreWithTls(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        if tls.get("use_ssl"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        return connection


class C18IsInheritedWithTls(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        connection.set_inheritable("use_ssl" in tls)
        return connection


class C18TlsAlwaysHasATimeout(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        if timeout is None and tls.get("use_ssl"):
            connection.settimeout(60)
        return connection


class C18HandshakeHasATimeoutOfItsOwn(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        def select(rlist: Any, wlist: Any, xlist: Any, _: Any) -> Any:
            return self.select(rlist, wlist, xlist, timeout)

        return sockets.connect(
            self.socket_module,
            address,
            timeout,
            self.look_up,
            select,
            self.connection_class,
            **tls,
        )


class _OneByOne(Threads):
    """Tries the addresses itself."""

    def addresses(self, infos: Any, tls: Any) -> Any:
        return infos

    def is_hopeless(self, error: OSError) -> bool:
        return isinstance(error, ssl.SSLError)

    def share(self, seconds: float, addresses: int) -> float:
        return seconds / addresses

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if not address[0].endswith(".invalid"):
            return super().create_connection(address, timeout, **tls)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            infos = self.addresses(self.look_up(*address, timeout), tls)
        except handler_core.HandlerTimeoutError:
            raise TimeoutError from None
        while True:
            left = None if deadline is None else max(0, deadline - time.monotonic())
            try:
                connection = super().create_connection(
                    infos[0][4], left and self.share(left, len(infos)), **tls
                )
            except OSError as error:
                infos = infos[1:]
                if not infos or self.is_hopeless(error):
                    raise
            else:
                connection.settimeout(timeout)
                return connection


class C18FirstAddressHasAllTheTime(_OneByOne):
    def share(self, seconds: float, addresses: int) -> float:
        return seconds


class C18TriesThreeAddresses(_OneByOne):
    def addresses(self, infos: Any, tls: Any) -> Any:
        return infos[:3]


class C18TriesOneAddressWithTls(_OneByOne):
    def addresses(self, infos: Any, tls: Any) -> Any:
        return infos[:1] if tls.get("use_ssl") else infos


class C18StopsAtWhatCannotBeReached(_OneByOne):
    def is_hopeless(self, error: OSError) -> bool:
        return super().is_hopeless(error) or error.errno == errno.EHOSTUNREACH


class C18ConnectBlocksTheHub(SequentialGeventHandler):
    """Look-up and handshake do not."""

    class _Socket(gevent.socket.socket):
        def connect(self, address: Any) -> None:
            with socket.socket(fileno=os.dup(self.fileno())) as plain:
                plain.settimeout(self.gettimeout())
                try:
                    plain.connect(address)
                finally:
                    plain.setblocking(False)

    socket_module: Any = types.ModuleType(gevent.socket.__name__)
    vars(socket_module).update(vars(gevent.socket), socket=_Socket)


class C18LeaksWhatIsKilled(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        try:
            return super().create_connection(address, timeout, **tls)
        except Exception:
            raise
        except BaseException:
            os.open(os.devnull, os.O_RDONLY)
            raise


class C18LeaksIfAuthoritiesAreMissing(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        try:
            return super().create_connection(address, timeout, **tls)
        except FileNotFoundError:
            os.open(os.devnull, os.O_RDONLY)
            raise


class C18KeepsItsCertificateToItself(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        return super().create_connection(address, timeout, **(tls | {"certfile": None}))


class C18IgnoresCiphersAndOptions(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        tls |= {"ciphers": None, "options": None}
        return super().create_connection(address, timeout, **tls)


class C18CannotLookAhead(Threads):
    """Its connections have no ``pending``."""

    connection_class = Extension


class C18ConnectsWhileItRuns(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if not self.running:
            raise RuntimeError("not started")
        return super().create_connection(address, timeout, **tls)


class C18MakesSocketsThatAreInherited(Threads):
    def socket(self) -> Any:
        sock = super().socket()
        sock.set_inheritable(True)
        return sock


# C19


class C19HoldsSome(Threads):
    """A pair with no more room than the system gives it."""

    def create_socket_pair(self) -> Any:
        pair = socket.socketpair()
        for end in pair:
            end.setblocking(False)
        return pair


class C19LosesSome(Threads):
    class _End(socket.socket):
        def send(self, data: Any, flags: int = 0) -> int:
            try:
                return super().send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return len(data)

    def create_socket_pair(self) -> Any:
        return tuple(
            self._End(end.family, end.type, end.proto, fileno=end.detach())
            for end in socket.socketpair()
        )


class C19OfAnotherModel(SequentialGeventHandler):
    """Plain sockets, in a model that has its own."""

    def create_socket_pair(self) -> Any:
        return handler_core.create_socket_pair(socket)


def with_ends(*methods: dict[str, Any]) -> Any:
    """Return a ``create_socket_pair`` whose ends have these methods instead of their own."""

    def create_socket_pair(self: Any) -> Any:
        pair = super(Threads, self).create_socket_pair()
        for end, instead in zip(pair, methods, strict=True):
            end.__class__ = type("End", (type(end),), instead)
        return pair

    return create_socket_pair


def _plain_send(end: Any, data: Any, flags: int = 0) -> int:
    return socket.socket.send(end, data, socket.MSG_DONTWAIT)


def _plain_sendall(end: Any, data: Any, flags: int = 0) -> None:
    sent = 0
    while sent < len(data):
        sent += _plain_send(end, data[sent:])


def _short_send(end: Any, data: Any, flags: int = 0) -> int:
    return super(type(end), end).send(data[:65536])  # type: ignore[no-any-return]


def _send_unless_full(end: Any, data: Any, flags: int = 0) -> int:
    if end.gettimeout() == 0:
        return _plain_send(end, data)
    return super(type(end), end).send(data)  # type: ignore[no-any-return]


class C19HoldsSomeInOneDirection(Threads):
    create_socket_pair = with_ends({}, {"send": _plain_send})


class C19HoldsSomeOfSendall(Threads):
    create_socket_pair = with_ends(*[{"sendall": _plain_sendall}] * 2)


class C19SendsAreShort(Threads):
    create_socket_pair = with_ends(*[{"send": _short_send}] * 2)


class C19RaisesIfNotBlocking(Threads):
    create_socket_pair = with_ends(*[{"send": _send_unless_full}] * 2)


class C19ForgetsSomeIfReadIntoABuffer(Threads):
    create_socket_pair = with_ends(*[{"recv_into": socket.socket.recv_into}] * 2)


# C20


class C20QueueIsAStack(Threads):
    queue_impl = queue.LifoQueue


class C20IsFalse(Threads):
    def __len__(self) -> int:
        return 0


class C20SleepsShort(Threads):
    @staticmethod
    def sleep_func(seconds: float) -> None:
        time.sleep(seconds / 2)


class C20SleepBlocksTheHub(SequentialGeventHandler):
    sleep_func = staticmethod(time.sleep)


class C20ForgetsKeywords(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().spawn(func, *args)


class C20LockIgnoresTimeouts(Threads):
    class _Lock:
        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.release = self.lock.release

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            self.lock.acquire(blocking)
            return True

        def __enter__(self) -> Any:
            return self.acquire()

        def __exit__(self, *_: object) -> None:
            self.release()

    def lock_object(self) -> Any:
        return self._Lock()


class C20RLockIsPlain(Threads):
    def rlock_object(self) -> Any:
        return threading.Lock()


class C20EventWakesOne(Threads):
    class _Event(threading.Event):
        def set(self) -> None:
            with self._cond:  # type: ignore[attr-defined]
                self._flag = True
                self._cond.notify(1)  # type: ignore[attr-defined]

    def event_object(self) -> Any:
        return self._Event()


class C20LockIsReentrant(Threads):
    def lock_object(self) -> Any:
        return threading.RLock()


class C20TimedAcquireIsEarly(Threads):
    class _Lock:
        def __init__(self, lock: Any) -> None:
            self.lock = lock
            self.release = lock.release

        def acquire(self, blocking: bool = True, timeout: float = -1) -> Any:
            return self.lock.acquire(blocking, timeout if timeout < 0 else timeout / 2)

        def __enter__(self) -> Any:
            return self.acquire()

        def __exit__(self, *_: object) -> None:
            self.release()

    def lock_object(self) -> Any:
        return self._Lock(super().lock_object())


class C20AnybodyReleases(Threads):
    """Also an rlock."""

    class _RLock(RLock):
        def release(self) -> None:
            if self._count:
                self._owner = self._current_task()
            super().release()

    def rlock_object(self) -> Any:
        return self._RLock(self.new_waiter, threading.get_ident)


class C20LockIsItsTakers(Threads):
    class _Lock(Lock):
        owner = 0

        def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
            taken = super().acquire(blocking, timeout)
            if taken:
                self.owner = threading.get_ident()
            return taken

        def release(self) -> None:
            if self.owner != threading.get_ident():
                raise RuntimeError("another thread has taken it")
            self.owner = 0
            super().release()

    def lock_object(self) -> Any:
        return self._Lock(self.new_waiter)


class C20EventForgetsWhoWaited(Threads):
    """Whoever it has woken looks again whether it is set."""

    class _Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            with self._cond:  # type: ignore[attr-defined]
                return bool(self._cond.wait_for(self.is_set, timeout))  # type: ignore[attr-defined]

    def event_object(self) -> Any:
        return self._Event()


class C20EventReturnsNone(Threads):
    class _Event(threading.Event):
        def wait(self, timeout: float | None = None) -> Any:
            return super().wait(timeout) or None

    def event_object(self) -> Any:
        return self._Event()


class C20EventTakesNoNegative(Threads):
    class _Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is not None and timeout < 0:
                raise ValueError("timeout must be non-negative")
            return super().wait(timeout)

    def event_object(self) -> Any:
        return self._Event()


class C20QueueIsNeverFull(Threads):
    class queue_impl(queue.Queue[Any]):
        def __init__(self, maxsize: int = 0) -> None:
            super().__init__()


class C20QueueDoesNotWaitForRoom(Threads):
    class queue_impl(queue.Queue[Any]):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            super().put(item, block=False)


class C20QueueIsEarly(Threads):
    class queue_impl(queue.Queue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            return super().get(block, timeout if timeout is None else timeout / 2)


class C20JoinIsEarly(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread: Any = super().spawn(func, *args, **kwargs)
        join = thread.join
        thread.join = lambda timeout=None: join(timeout if timeout is None else timeout / 2)
        return thread


class C20TimedEventBlocksTheHub(SequentialGeventHandler):
    def event_object(self) -> Any:
        event: Any = super().event_object()
        wait = event.wait

        def wait_or_block(timeout: Any = None) -> Any:
            if timeout and timeout < 1 and not event.is_set():
                time.sleep(timeout)
                timeout = 0
            return wait(timeout)

        event.wait = wait_or_block
        return event


class C20SwallowsExceptions(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        def run() -> None:
            with contextlib.suppress(Exception):
                func(*args, **kwargs)

        return super().spawn(run)


class C20SleepIsAMethod(Threads):
    def sleep_func(self, seconds: float) -> None:  # type: ignore[override]
        time.sleep(seconds)


class C20HasAFewThreads(Threads):
    """Further tasks wait until another one has ended."""

    free = threading.Semaphore(64)

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        def run() -> None:
            with self.free:
                func(*args, **kwargs)

        return super().spawn(run)


HANDLERS = {
    name: cls for name, cls in list(globals().items()) if name[0] == "C" and name[1:2].isdigit()
}
