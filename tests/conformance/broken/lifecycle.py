"""Handlers that break C1 to C3."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Any

from handler_core_gevent import SequentialGeventHandler

import handler_core
from broken.base import Threads, found_by, is_stranger
from handler_core import hookimpl
from handler_core.execution._mailbox import Mailbox
from handler_core.execution._workers import State

# C1


@found_by("test_c1_start_and_stop_are_idempotent")
class C1StartsOnce(Threads):
    """Raises on a second start, as a thread does."""

    @hookimpl
    def start(self) -> None:
        if self.running:
            raise RuntimeError("already started")
        super().start()


@found_by("test_c1_start_and_stop_are_idempotent")
class C1EndsForGood(Threads):
    """Ignores a start after a stop."""

    stopped = False

    @hookimpl
    def start(self) -> None:
        if not self.stopped:
            super().start()

    @hookimpl
    def stop(self) -> None:
        self.stopped = True
        super().stop()


@found_by("test_c1_start_and_stop_are_idempotent")
class C1StopNeedsStart(Threads):
    @hookimpl
    def stop(self) -> None:
        if self._state is State.STOPPED:
            raise RuntimeError("not started")
        super().stop()


@found_by("test_c1_with_statement")
class C1WithDoesNotStart(Threads):
    def __enter__(self) -> Any:
        return self


@found_by("test_c1_with_statement_stops_after_an_error")
class C1WithStopsOnSuccessOnly(Threads):
    def __exit__(self, kind: Any, value: Any, traceback: Any) -> None:
        if kind is None:
            self.stop()


@found_by("test_c1_a_second_start_makes_no_second_worker")
class C1SecondStartMakesSecondWorker(Threads):
    @hookimpl
    def start(self) -> None:
        if self.running:
            with self._lock:
                self._callbacks = Mailbox(self.keeps_context)
                self._completions = Mailbox(self.keeps_context)
        super().start()


@found_by("test_c1_a_stop_from_an_os_thread_waits_for_the_drain")
class C1StopsForStrangersDoNotWait(Threads):
    starter = 0

    @hookimpl
    def start(self) -> None:
        self.starter = threading.get_ident()
        super().start()

    @hookimpl
    def stop(self) -> None:
        strange = is_stranger()
        if strange and self.starter != threading.get_ident():
            self.spawn(super().stop)
        else:
            super().stop()


@found_by("test_c1_a_thread_that_started_the_handler_may_end")
class C1LosesItsHomeInSilence(SequentialGeventHandler):
    @hookimpl
    def stop(self) -> None:
        with contextlib.suppress(RuntimeError):
            super().stop()


# C2


@found_by("test_c2_links_are_called_by_the_setter_while_stopped")
class C2ForgetsLastResults(Threads):
    """Calls no links of a result that is set after the stop."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        pass


@found_by("test_c2_links_are_called_by_the_setter_while_stopped")
class C2StopDoesNotWait(Threads):
    @hookimpl
    def stop(self) -> None:
        threading.Thread(target=super().stop, daemon=True).start()


@found_by("test_c2_stop_runs_what_was_dispatched")
class C2StopDropsTheQueue(Threads):
    @hookimpl
    def stop(self) -> None:
        with self._lock:
            for mailbox in (self._callbacks, self._completions):
                mailbox.items.clear()
        super().stop()


@found_by("test_c2_dispatched_while_stopped_waits_for_start")
class C2DropsWhatComesWhileStopped(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self.running:
            super().dispatch_callback(callback)


@found_by("test_c2_dispatched_while_stopped_waits_for_start")
class C2RunsAtOnceWhileStopped(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._state is State.STOPPED:
            callback.func(*callback.args)
        else:
            super().dispatch_callback(callback)


@found_by("test_c2_links_are_called_by_the_setter_while_stopped")
class C2OneLinkEndsTheRest(Threads):
    """Skips the remaining links if one raises while the handler is stopped."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        try:
            for link in links:
                link(result)
        except Exception:
            logging.getLogger("handler_core").exception("link failed")


@found_by("test_c2_links_are_called_by_the_setter_while_stopped")
class C2LastFailuresCallNobody(Threads):
    class result_class(handler_core.AsyncResult[Any]):
        def set_exception(self, exception: BaseException) -> None:
            if self._handler._state is State.STOPPED:
                self._links = None
            super().set_exception(exception)


@found_by("test_c2_links_are_called_by_the_setter_while_stopped")
class C2LinksOfAThreadOfTheirOwn(Threads):
    """Calls the links in a new thread while it is stopped. The setter waits for that thread."""

    def _call_links(self, result: Any, links: list[Any]) -> None:
        self.spawn(super()._call_links, result, links).join()


@found_by("test_c2_dispatched_while_stopped_waits_for_start")
class C2KeepsOnlyTheLast(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        if self._state is State.STOPPED:
            self._callbacks.items.clear()
        super().dispatch_callback(callback)


@found_by("test_c2_dispatched_while_stopped_waits_for_start")
class C2SecondStopDropsWhatWaits(Threads):
    @hookimpl
    def stop(self) -> None:
        if self._state is State.STOPPED:
            self._callbacks.items.clear()
        super().stop()


@found_by("test_c2_what_others_dispatch_in_the_drain_waits_for_start")
class C2DropsWhatOthersDispatchInTheDrain(Threads):
    @hookimpl
    def dispatch_callback(self, callback: Any) -> None:
        strange = is_stranger()
        if strange or self.in_callback() or self._state is not State.DRAINING:
            super().dispatch_callback(callback)


@found_by("test_c2_a_stop_after_a_start_in_the_drain_waits")
class C2StopAfterARestartDoesNotWait(Threads):
    restarted = False

    @hookimpl
    def start(self) -> None:
        self.restarted = self._state is State.DRAINING
        super().start()

    @hookimpl
    def stop(self) -> None:
        if self.restarted and self._callbacks.busy and not self.in_callback():
            self.spawn(super().stop)
        else:
            super().stop()


@found_by("test_c2_stop_waits_as_long_as_it_takes")
class C2StopGivesUp(Threads):
    """Stops waiting for the callbacks after a second."""

    @hookimpl
    def stop(self) -> None:
        if self.in_callback():
            super().stop()
        else:
            self.spawn(super().stop).join(1)


# C3


@found_by("test_c3_stop_from_inside")
class C3StopFromACallbackFails(Threads):
    """Raises, as kazoo's handler does: it joins the thread that ``stop`` is called in."""

    @hookimpl
    def stop(self) -> None:
        if self.in_callback():
            raise RuntimeError("cannot join current thread")
        super().stop()


@found_by("test_c3_stop_from_inside")
class C3StopFromACallbackDropsTheRest(Threads):
    @hookimpl
    def stop(self) -> None:
        if self.in_callback():
            self._callbacks.items.clear()
            self._completions.items.clear()
        super().stop()


@found_by("test_c3_stop_from_inside_leaves_the_other_worker_alone")
class C3StopFromACallbackDropsTheLinks(Threads):
    @hookimpl
    def stop(self) -> None:
        worker = self._callbacks.worker
        if worker is not None and worker.identity == self.current_task():
            self._completions.items.clear()
        super().stop()


@found_by("test_c3_stop_from_inside_leaves_the_other_worker_alone")
class C3StopFromACallbackWaitsForTheLinks(Threads):
    @hookimpl
    def stop(self) -> None:
        worker = self._callbacks.worker
        if worker is not None and worker.identity == self.current_task():
            while self._completions.busy:
                time.sleep(0.001)
        super().stop()


@found_by("test_c3_stop_from_inside_leaves_the_other_worker_alone")
class C3SecondStopDoesNotWait(Threads):
    """Treats a stop that a callback has called as complete while it still drains."""

    inside = False

    @hookimpl
    def start(self) -> None:
        self.inside = False
        super().start()

    @hookimpl
    def stop(self) -> None:
        self.inside = self.inside or self.in_callback()
        if not self.inside or self.in_callback() or self._state is not State.DRAINING:
            super().stop()


@found_by("test_c3_stop_from_inside_is_prompt")
class C3StopFromACallbackIsSlow(Threads):
    @hookimpl
    def stop(self) -> None:
        if self.in_callback():
            time.sleep(0.5)
        super().stop()
