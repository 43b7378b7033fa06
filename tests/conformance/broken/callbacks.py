"""Handlers that break C7 to C9."""

from __future__ import annotations

import contextlib
import contextvars
import functools
import logging
import threading
import time
from typing import Any

from gevent import GreenletExit
from handler_core_asyncio import SequentialAsyncioHandler
from handler_core_gevent import SequentialGeventHandler

import handler_core
from broken.base import Threads, also, found_by, is_stranger
from handler_core import Callback, ThreadWaiter, hookimpl
from handler_core.execution._mailbox import Worker
from handler_core.execution._workers import State

# C7


@found_by("test_c7_callbacks_run_in_the_order_of_dispatch")
class C7LastInFirstOut(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self.running and self._callbacks.items:
            self._callbacks.items.appendleft(callback)
        else:
            super().dispatch_callback(callback)


@found_by("test_c7_a_callback_does_not_block_links")
class C7OneBlocksTheOther(Threads):
    """Runs no link while a callback runs, as if it had one worker."""

    def __init__(self) -> None:
        super().__init__()
        self.one_at_a_time = threading.Lock()
        self._run_callback = self.run_one

    def run_one(self, callback: Any) -> None:
        with self.one_at_a_time:
            callback.func(*callback.args)


@found_by("test_c7_callbacks_run_in_the_order_of_dispatch")
class C7CallbacksSideBySide(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        super().dispatch_callback(Callback("", self.spawn, (callback.func, *callback.args)))


@found_by("test_c7_wrappers_see_the_dispatched_object")
class C7QueuesAnother(Threads):
    """Queues a new callback object in place of the one that the wrappers have seen."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        with contextlib.suppress(AttributeError):
            callback = Callback("", callback.func, callback.args)
        super().dispatch_callback(callback)


@found_by("test_c7_links_run_one_at_a_time")
class C7LinksSideBySide(Threads):
    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        for link in links:
            self.spawn(link, result)
        return True


@found_by("test_c7_links_run_in_the_order_of_the_sets")
class C7FailuresFirst(Threads):
    """Queues the links of a failed result before the links that are already queued."""

    class result_class(handler_core.AsyncResult[Any]):
        def set_exception(self, exception: BaseException) -> None:
            handler: Any = self._handler
            with handler._lock:
                queued = list(handler._completions.items)
                handler._completions.items.clear()
                super().set_exception(exception)
                handler._completions.items.extend(queued)


@found_by("test_c7_whoever_sets_or_links_calls_nobody")
class C7StrangersCallLinks(Threads):
    """Calls the links in the setter's thread if ``threading`` has not started that thread."""

    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        if is_stranger():
            return False
        return super()._queue_links(result, links)


@found_by("test_c7_whoever_sets_or_links_calls_nobody")
class C7LateLinksAtOnce(Threads):
    """Calls a link to a set result at once if ``threading`` has not started the thread."""

    class result_class(handler_core.AsyncResult[Any]):
        def link(self, callback: Any) -> None:
            strange = is_stranger()
            if strange and self.ready():
                self._handler._call_links(self, [callback])
            else:
                super().link(callback)


@found_by("test_c7_a_callback_sees_no_other_request")
class C7WorkersKeepTheFirstRequest(Threads):
    """Each worker sees the context variables of whoever came first, as gevent's greenlets do."""

    context: contextvars.Context | None = None

    def _ensure_worker(self, mailbox: Any) -> None:
        self.context = self.context or contextvars.copy_context()
        super()._ensure_worker(mailbox)

    def _work(self, mailbox: Any, worker: Any) -> None:
        assert self.context is not None
        self.context.copy().run(super()._work, mailbox, worker)


@found_by("test_c7_wrappers_see_a_link_as_a_callback")
class C7LinksSeeTheSetter(Threads):
    """A link that the second worker runs sees the context variables of whoever set the result."""

    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        return super()._queue_links(
            result, [functools.partial(contextvars.copy_context().run, link) for link in links]
        )


@found_by("test_c7_a_link_does_not_see_the_request_that_sets")
class C7SetterCallsLinksAsItself(Threads):
    """The setter of a stopped handler calls the links with its own context variables."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        context = contextvars.copy_context()
        super()._call_links(result, [functools.partial(context.run, link) for link in links])


@found_by("test_c7_links_of_one_result_do_not_see_each_others_requests")
class C7LinksOfOneResultShareAContext(Threads):
    """The setter of a stopped handler calls all links in one context."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        context = contextvars.Context()
        super()._call_links(result, [functools.partial(context.run, link) for link in links])


@found_by("test_c7_wrappers_see_a_link_as_a_callback")
class C7LinksAreNotKnownAgain(Threads):
    """A link that is kept with a context is equal to no other."""

    class result_class(handler_core.AsyncResult[Any]):
        def link(self, callback: Any) -> None:
            context = contextvars.copy_context()
            super().link(functools.partial(context.run, callback) if context else callback)


@found_by("test_c7_a_callback_sees_no_other_request")
class C7WrappedCallbacksSeeTheFirstRequest(Threads):
    """Callbacks that wrappers are around run in the context of the first one."""

    context: contextvars.Context | None = None

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._run_callback is not None and self.context is None:
            run, context = self._run_callback, contextvars.copy_context()
            self.context = context
            self._run_callback = lambda callback: context.run(run, callback)
        super().dispatch_callback(callback)


@found_by("test_c7_a_callback_sees_no_other_request")
class C7DispatchedCallbacksForgetTheirRequest(SequentialAsyncioHandler):
    """It says that it keeps contexts, and keeps that of a link only."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        contextvars.Context().run(super().dispatch_callback, callback)


@found_by("test_c7_a_link_does_not_see_the_request_that_sets")
class C7PlainResultsForgetTheirRequest(SequentialAsyncioHandler):
    """It keeps the context of a link on its own results only."""

    def _queue_links(self, result: Any, links: list[Any]) -> bool:
        if type(result) is handler_core.AsyncResult:
            for link in links:
                link.context = contextvars.Context()
        return super()._queue_links(result, links)


@found_by("test_c7_wrappers_see_the_dispatched_object")
class C7CallbacksShareTheContextOfTheirRequest(SequentialAsyncioHandler):
    """The callbacks of one request run in one context, and see what the others have changed."""

    def __init__(self) -> None:
        super().__init__()
        self.contexts: dict[Any, contextvars.Context] = {}

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        here = contextvars.copy_context()
        context = self.contexts.setdefault(frozenset(here.items()), here)
        super().dispatch_callback(Callback("shared", context.run, (callback.func, *callback.args)))


@found_by("test_c7_wrappers_see_the_dispatched_object")
class C7RunsWithTheDispatchersOwnVariables(Threads):
    """What a callback changes, it changes for whoever dispatched it."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if not contextvars.copy_context():
            super().dispatch_callback(callback)
            return
        done = threading.Event()
        super().dispatch_callback(Callback("", done.wait, ()))
        callback.func(*callback.args)
        done.set()


@found_by("test_c7_what_is_dispatched_inside_waits_its_turn")
class C7DispatchedInsideRunsAtOnce(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        worker = self._callbacks.worker
        if worker is not None and worker.identity == self.current_task():
            callback.func(*callback.args)
        else:
            super().dispatch_callback(callback)


@found_by("test_c7_what_is_dispatched_inside_waits_its_turn")
class C7DispatchedByLinksRunsBesides(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        worker = self._completions.worker
        if worker is not None and worker.identity == self.current_task():
            self.spawn(callback.func, *callback.args)
        else:
            super().dispatch_callback(callback)


# C8


@found_by("test_c8_an_exception_is_logged_and_the_worker_goes_on")
class C8EndsWithATimeout(Threads):
    """Ends a worker, without a message, when a callback raises what is no ``Exception``."""

    def is_kill(self, exception: BaseException) -> bool:
        return not isinstance(exception, Exception)


@found_by("test_c8_an_exception_is_logged_and_the_worker_goes_on")
class C8SaysNothing(Threads):
    def __init__(self) -> None:
        super().__init__()
        self._run_callback = self.run_quietly

    def run_quietly(self, callback: Any) -> None:
        with contextlib.suppress(Exception):
            callback.func(*callback.args)


@found_by("test_c8_an_exception_is_logged_and_the_worker_goes_on")
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


@found_by("test_c8_a_worker_survives_what_ends_a_program")
class C8KeepsExitsForItself(Threads):
    def deliver_exit(self, exception: BaseException) -> None:
        pass


@found_by("test_c8_what_kills_tasks_ends_no_worker")
class C8EndsWithAGreenletExit(SequentialGeventHandler):
    """Mistakes a ``GreenletExit`` that a callback raises for a kill of the worker."""

    def is_kill(self, exception: BaseException) -> bool:
        return isinstance(exception, GreenletExit)


@found_by("test_c8_an_exception_is_logged_and_the_worker_goes_on")
class C8SaysNothingWhileStopped(Threads):
    def _call_links(self, result: Any, links: list[Any]) -> None:
        for link in links:
            with contextlib.suppress(BaseException):
                link(result)


@found_by("test_c8_an_exception_is_logged_and_the_worker_goes_on")
class C8SaysItTwice(Threads):
    """Logs each failure in a logger of its own as well."""

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


@found_by("test_c8_an_exception_is_logged_and_the_worker_goes_on")
class C8DoesNotSayWhere(Threads):
    """Cuts the traceback off at the place where the handler calls the callback."""

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


@also(1, 4, 7, 20)
@found_by("test_c9_dispatch_from_any_os_thread")
class C9RefusesStrangers(Threads):
    """Refuses a callback from a thread that ``threading`` has not started."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if is_stranger():
            raise RuntimeError("not from this thread")
        super().dispatch_callback(callback)


@found_by("test_c9_what_is_no_callback_is_refused")
class C9TakesAnything(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if hasattr(callback, "func"):
            super().dispatch_callback(callback)


@found_by("test_c9_dispatch_from_an_os_thread_wakes_an_idle_worker")
class C9DoesNotWakeTheWorker(Threads):
    """Does not wake the worker if ``threading`` has not started the dispatching thread."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if is_stranger():
            self._callbacks.items.append(callback)
        else:
            super().dispatch_callback(callback)


@found_by("test_c9_dispatch_from_an_os_thread_while_stopped")
class C9ForgetsStrangersWhileStopped(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        strange = is_stranger()
        if not strange or self._state is not State.STOPPED:
            super().dispatch_callback(callback)


@found_by("test_c9_dispatch_from_an_os_thread_in_the_drain")
class C9ForgetsStrangersInTheDrain(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        strange = is_stranger()
        if not strange or self._state is not State.DRAINING:
            super().dispatch_callback(callback)


@found_by("test_c9_dispatch_from_any_os_thread")
class C9IsWokenLate(Threads):
    """Notices late what a thread dispatches that ``threading`` has not started."""

    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if is_stranger() and self.running:
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


class _DeafWaiter(ThreadWaiter):
    """Is not woken by its own thread, as a loop that sleeps is not woken by ``call_soon``."""

    __slots__ = ("thread",)

    def __init__(self) -> None:
        super().__init__()
        self.thread = threading.get_ident()

    def wake(self) -> None:
        if threading.get_ident() != self.thread:
            super().wake()


@found_by("test_c9_a_signal_handler_wakes")
class C9SleepsThroughSignals(Threads):
    """A signal handler wakes nobody in the thread that it interrupts."""

    def new_waiter(self) -> ThreadWaiter:
        return _DeafWaiter()


@found_by("test_c9_a_signal_handler_may_interrupt_a_set_anywhere")
class C9ForgetsAWorkerThatIsMade(Threads):
    """A signal handler that sets a result as a worker is made keeps that worker from its start."""

    def _ensure_worker(self, mailbox: Any) -> None:
        if mailbox.worker is None and self._needs_worker(mailbox):
            self._unstarted = True
            mailbox.worker = Worker()
        else:
            super()._ensure_worker(mailbox)


@found_by("test_c9_a_signal_handler_wakes")
class C9EventsExcludeSignals(Threads):
    """A signal handler that interrupts a wait for an event cannot set that event."""

    class event_object(threading.Event):
        def __init__(self, *_: Any) -> None:
            super().__init__()

        def wait(self, timeout: float | None = None) -> bool:
            with self._cond:  # type: ignore[attr-defined]
                time.sleep(0.001)
            return super().wait(timeout)


@found_by("test_c9_what_is_no_callback_is_refused")
class C9TakesWhatHasNoArgs(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if hasattr(callback, "func") and not hasattr(callback, "args"):
            callback = Callback("", callback.func, ())
        super().dispatch_callback(callback)


@found_by("test_c9_whatever_has_func_and_args_is_a_callback")
class C9KnowsOneClassOfCallbacks(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if not isinstance(callback, Callback):
            raise TypeError(f"no callback: {callback!r}")
        super().dispatch_callback(callback)
