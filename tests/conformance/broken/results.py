"""Handlers that break C10 to C16."""

from __future__ import annotations

import itertools
import threading
import time
from typing import Any

from handler_core_gevent import SequentialGeventHandler

import handler_core
from broken.base import Threads, found_by, is_stranger
from handler_core import hookimpl
from handler_core.green import GreenWaiter

# C10


class _FirstOutcomeStays(handler_core.AsyncResult[Any]):
    def set(self, value: Any = None) -> None:
        if not self.ready():
            super().set(value)

    def set_exception(self, exception: BaseException) -> None:
        if not self.ready():
            super().set_exception(exception)


@found_by("test_c10_a_later_set_replaces_the_outcome")
class C10FirstOutcomeStays(Threads):
    result_class = _FirstOutcomeStays


class _NoneIsNothing(handler_core.AsyncResult[Any]):
    def successful(self) -> bool:
        return self.value is not None


@found_by("test_c10_none_is_a_value")
class C10NoneIsNothing(Threads):
    result_class = _NoneIsNothing


class _ValueIsTheException(handler_core.AsyncResult[Any]):
    @property
    def value(self) -> Any:
        return self.exception or super().value


@found_by("test_c10_states")
class C10ValueIsTheException(Threads):
    result_class = _ValueIsTheException


class _NoExceptionIsAValue(handler_core.AsyncResult[Any]):
    def set(self, value: Any = None) -> None:
        if isinstance(value, BaseException):
            self.set_exception(value)
        else:
            super().set(value)


@found_by("test_c10_anything_is_a_value")
class C10NoExceptionIsAValue(Threads):
    result_class = _NoExceptionIsAValue


class _FirstExceptionStays(handler_core.AsyncResult[Any]):
    def set_exception(self, exception: BaseException) -> None:
        if self.exception is None:
            super().set_exception(exception)


@found_by("test_c10_a_later_set_replaces_the_outcome")
class C10FirstExceptionStays(Threads):
    result_class = _FirstExceptionStays


class _GetRemembers(handler_core.AsyncResult[Any]):
    __slots__ = ("got",)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        if self.exception is None or not hasattr(self, "got"):
            self.got = super().get(block, timeout)
        return self.got


@found_by("test_c10_a_later_set_replaces_the_outcome")
class C10GetRemembersTheValue(Threads):
    """Returns the first value again, even when an exception was set after it."""

    result_class = _GetRemembers


class _WrapsExits(handler_core.AsyncResult[Any]):
    def set_exception(self, exception: BaseException) -> None:
        if not isinstance(exception, Exception):
            exception = RuntimeError(str(exception))
        super().set_exception(exception)


@found_by("test_c10_a_later_set_replaces_the_outcome")
class C10WrapsExits(Threads):
    result_class = _WrapsExits


# C11


class _Early(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else timeout / 2)


@found_by("test_c11_get_times_out")
class C11TimesOutEarly(Threads):
    result_class = _Early


class _Late(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else timeout + 0.1)


@found_by("test_c11_a_timeout_is_neither_early_nor_late")
class C11TimesOutLate(Threads):
    result_class = _Late


class _BuiltinTimeout(handler_core.AsyncResult[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return super().get(block, timeout)
        except handler_core.HandlerTimeoutError:
            raise TimeoutError from None


@found_by("test_c11_get_times_out")
class C11RaisesAnotherTimeout(Threads):
    result_class = _BuiltinTimeout


class _NotTheBuiltin(handler_core.AsyncResult[Any]):
    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        try:
            return super().get(block, timeout)
        except handler_core.HandlerTimeoutError:
            raise C11IsNoBuiltinTimeout.timeout_exception from None


@found_by("test_c11_get_times_out")
class C11IsNoBuiltinTimeout(Threads):
    result_class = _NotTheBuiltin


@found_by("test_c11_a_client_raises_the_same")
class C11ClientsRaiseAnother(Threads):
    @classmethod
    def timeout_error(cls, *args: Any) -> Exception:
        return cls.timeout_exception(*args)


@found_by("test_c11_the_timeout_exception_is_no_os_error")
class C11TimeoutIsAnOSError(Threads):
    timeout_exception = type("Timeout", (handler_core.HandlerTimeoutError, OSError), {})


class _WaitReturnsNothing(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> Any:
        super().wait(timeout)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        super().wait(timeout if block else 0)
        return super().get(False)


@found_by("test_c11_wait_times_out")
class C11WaitReturnsNothing(Threads):
    result_class = _WaitReturnsNothing


class _SometimesLate(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        late = 0.1 * next(_ODD_AND_EVEN)
        return super().wait(timeout + late if timeout else timeout)


_ODD_AND_EVEN = itertools.cycle((0, 1))


@found_by("test_c11_a_timeout_is_neither_early_nor_late")
class C11SometimesLate(Threads):
    result_class = _SometimesLate


class _LateByHalf(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else timeout * 1.5)


@found_by("test_c11_a_timeout_is_neither_early_nor_late")
class C11LateByHalf(Threads):
    result_class = _LateByHalf


class _WholeMilliseconds(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else int(timeout * 1000) / 1000)


@found_by("test_c11_get_times_out")
class C11WholeMilliseconds(Threads):
    result_class = _WholeMilliseconds


class _EarlyIfLong(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(timeout if timeout is None else min(timeout, 0.1))


@found_by("test_c11_a_timeout_is_neither_early_nor_late")
class C11EarlyIfLong(Threads):
    result_class = _EarlyIfLong


class _EndsAllWaits(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        if not super().wait(timeout):
            for waiter in self._waiters or ():
                waiter.wake()
        return self.ready()


@found_by("test_c11_a_timeout_is_of_one_wait")
class C11EndsAllWaits(Threads):
    """Wakes all waiters of a result when the time of one of them is over."""

    result_class = _EndsAllWaits


class _LateInOSThreads(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        stranger = is_stranger()
        return super().wait(timeout + 0.1 if timeout and stranger else timeout)


@found_by("test_c11_a_timeout_is_neither_early_nor_late")
class C11LateInOSThreads(Threads):
    result_class = _LateInOSThreads


class _NowaitIsNoTimeout(handler_core.AsyncResult[Any]):
    def get_nowait(self) -> Any:
        if not self.ready():
            raise C11NowaitIsNoBuiltinTimeout.timeout_exception
        return super().get_nowait()


@found_by("test_c11_without_blocking")
class C11NowaitIsNoBuiltinTimeout(Threads):
    result_class = _NowaitIsNoTimeout


class _NegativeIsAnError(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        if timeout is not None and timeout < 0:
            raise ValueError("timeout must be non-negative")
        return super().wait(timeout)


@found_by("test_c11_get_times_out")
class C11NegativeIsAnError(Threads):
    """Refuses a negative timeout, which a caller gets when its own time is used up."""

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


@found_by("test_c12_who_waits_does_not_poll")
class C12Polls(Threads):
    result_class = _Polling


class _StrangersDoNotWake(handler_core.AsyncResult[Any]):
    """Does not wake a waiter from a thread that ``threading`` has not started.

    The waiter notices the result when its wait is over. kazoo's eventlet handler does the same.
    """

    def set(self, value: Any = None) -> None:
        if is_stranger():
            self._waiters = None
        super().set(value)


@found_by("test_c12_an_os_thread_sets_what_a_task_waits_for")
class C12StrangersDoNotWake(Threads):
    result_class = _StrangersDoNotWake


class _PollsNowAndThen(handler_core.AsyncResult[Any]):
    """Polls too seldom for a test that counts turns to notice it."""

    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.ready():
            left = 0.3 if deadline is None else min(0.3, deadline - time.monotonic())
            if left <= 0:
                break
            time.sleep(left)
        return self.ready()


@found_by("test_c12_who_waits_is_woken_at_once")
class C12PollsNowAndThen(Threads):
    result_class = _PollsNowAndThen


class _StrangersWakeLate(handler_core.AsyncResult[Any]):
    def _settle(self, outcome: Any) -> None:
        waiters = None
        if is_stranger():
            with self._handler._lock:
                waiters, self._waiters = self._waiters, None
        super()._settle(outcome)
        if waiters:
            threading.Timer(0.2, lambda: [waiter.wake() for waiter in waiters]).start()


@found_by("test_c12_who_waits_is_woken_at_once")
class C12StrangersWakeLate(Threads):
    result_class = _StrangersWakeLate


@found_by("test_c12_an_idle_worker_is_woken_at_once")
class C12IdleWorkersPoll(Threads):
    def _park_worker(self, mailbox: Any) -> None:
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


@found_by("test_c13_linked_twice_while_pending")
class C13CountsTwice(Threads):
    result_class = _LinkedTwice


class _AllAgain(handler_core.AsyncResult[Any]):
    """Calls the earlier links again for each link to a ready result, as kazoo's result does."""

    __slots__ = ("called",)

    def link(self, callback: Any) -> None:
        again = [] if not self.ready() else [*getattr(self, "called", ())]
        self.called = [*getattr(self, "called", ()), callback]
        for each in (*again, callback):
            super().link(each)

    rawlink = link


@found_by("test_c13_a_link_after_the_outcome")
class C13CallsAllAgain(Threads):
    result_class = _AllAgain


class _LateLinksAreLost(handler_core.AsyncResult[Any]):
    def link(self, callback: Any) -> None:
        if not self.ready():
            super().link(callback)

    rawlink = link


@found_by("test_c13_a_link_after_the_outcome")
class C13LateLinksAreLost(Threads):
    result_class = _LateLinksAreLost


class _NoUnlink(handler_core.AsyncResult[Any]):
    def unlink(self, callback: Any) -> None:
        pass


@found_by("test_c13_unlink")
class C13DoesNotUnlink(Threads):
    result_class = _NoUnlink


@found_by("test_c13_a_link_before_the_outcome")
class C13PassesTheValue(Threads):
    """Passes the value of the result to its links, and not the result."""

    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        return super()._queue_links(result.value, links)


class _RawlinkedTwice(handler_core.AsyncResult[Any]):
    def rawlink(self, callback: Any) -> None:
        if self.ready():
            self.link(callback)
        else:
            with self._handler._lock:
                self._links = [*(self._links or ()), callback]


@found_by("test_c13_linked_twice_while_pending")
class C13RawlinkCountsTwice(Threads):
    result_class = _RawlinkedTwice


class _LateLinksGetTheValue(handler_core.AsyncResult[Any]):
    def link(self, callback: Any) -> None:
        if self.ready():
            super().link(lambda result: callback(result.value))
        else:
            super().link(callback)

    rawlink = link


@found_by("test_c13_a_link_after_the_outcome")
class C13PassesTheValueToLateLinks(Threads):
    result_class = _LateLinksGetTheValue


class _UnlinksWhatIsLinked(handler_core.AsyncResult[Any]):
    def unlink(self, callback: Any) -> None:
        if self._links and callback not in self._links:
            raise ValueError("not linked")
        super().unlink(callback)


@found_by("test_c13_unlink")
class C13UnlinksOnlyWhatIsLinked(Threads):
    result_class = _UnlinksWhatIsLinked


# C14


@found_by("test_c14_all_waiters_wake")
class C14WakesOne(Threads):
    class result_class(handler_core.AsyncResult[Any]):
        """Wakes only the first waiter."""

        def _settle(self, outcome: Any) -> None:
            with self._handler._lock:
                if self._waiters:
                    del self._waiters[1:]
            super()._settle(outcome)


@found_by("test_c14_all_waiters_wake")
class C14WakesThirty(Threads):
    class result_class(handler_core.AsyncResult[Any]):
        def _settle(self, outcome: Any) -> None:
            with self._handler._lock:
                if self._waiters:
                    del self._waiters[30:]
            super()._settle(outcome)


@found_by("test_c14_all_waiters_wake")
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


@found_by("test_c15_getting_an_exception_often_keeps_its_traceback_short")
class C15TracebackGrows(Threads):
    result_class = _Growing


class _GrowsWithoutWaiting(handler_core.AsyncResult[Any]):
    def get_nowait(self) -> Any:
        if self.exception is not None:
            raise self.exception
        return super().get_nowait()


@found_by("test_c15_getting_an_exception_often_keeps_its_traceback_short")
class C15GrowsWithoutWaiting(Threads):
    result_class = _GrowsWithoutWaiting


# C16


@found_by("test_c16_a_wait_in_the_loop_is_refused")
class C16BlocksTheHub(SequentialGeventHandler):
    def new_waiter(self) -> Any:
        hub = self.current_hub()
        return super().new_waiter() if hub is None else GreenWaiter(hub, self.current_task())


class _MayNotWait(handler_core.AsyncResult[Any]):
    def wait(self, timeout: float | None = None) -> bool:
        if self._handler.current_hub().may_park(self._handler.current_task()):  # type: ignore[attr-defined]
            return super().wait(timeout)
        raise RuntimeError("call it in a greenlet")


@found_by("test_c16_a_wait_that_is_over_returns_in_the_loop_too")
class C16RefusesWhatIsOver(SequentialGeventHandler):
    @hookimpl
    def callback_object(self) -> Any:
        return _MayNotWait(self)


class _InTheHub(SequentialGeventHandler):
    """Knows whether it is called in the hub, where no task may park."""

    def in_hub(self) -> bool:
        hub = self.current_hub()
        return hub is not None and not hub.may_park(self.current_task())


@found_by("test_c16_a_wait_in_the_loop_is_refused")
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


@found_by("test_c16_a_wait_in_the_loop_is_refused")
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


@found_by("test_c16_a_wait_in_the_loop_is_refused")
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


@found_by("test_c16_a_wait_that_is_over_returns_in_the_loop_too")
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


@found_by("test_c16_a_wait_that_is_over_returns_in_the_loop_too")
class C16RefusesNowait(_InTheHub):
    @hookimpl
    def callback_object(self) -> Any:
        return _MayNotAsk(self)


@found_by("test_c16_a_wait_that_is_over_returns_in_the_loop_too")
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


@found_by("test_c16_a_wait_in_the_loop_is_refused")
class C16SaysNothing(SequentialGeventHandler):
    def new_waiter(self) -> Any:
        try:
            return super().new_waiter()
        except RuntimeError:
            raise RuntimeError("no") from None
