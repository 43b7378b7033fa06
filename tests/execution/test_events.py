"""Events that are set at a bad moment: by a signal handler, or as the time of a wait is over."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Any

from interrupting import at_each_instruction

from execution.tasks import in_threads
from handler_core import ThreadWaiter
from handler_core.execution import Event


def test_a_signal_handler_sets_the_event_that_it_interrupts_a_wait_for() -> None:
    woken: list[bool] = []

    def setup() -> tuple[Any, Any]:
        event = Event(ThreadWaiter)
        late = threading.Timer(0.05, event.set)  # ends a wait that nothing interrupts

        def wait() -> None:
            late.start()
            woken.append(event.wait(10))

        def interrupt() -> None:
            late.cancel()
            event.set()

        return wait, interrupt

    for number in at_each_instruction(Event.wait, setup):
        assert woken.pop(), number


def test_a_signal_handler_sets_the_event_that_is_being_set() -> None:
    waiters: list[ThreadWaiter] = []

    def setup() -> tuple[Any, Any]:
        event = Event(ThreadWaiter)
        waiters[:] = [ThreadWaiter(), ThreadWaiter()]
        event._waiters.extend(waiters)
        return event.set, event.set

    for number in at_each_instruction(Event.set, setup):
        assert all(waiter.park(0) for waiter in waiters), number


class _Meeting:
    """A guard at which a thread that withdraws its waiter waits for the event to be set."""

    def __init__(self, guard: Any) -> None:
        self.guard = guard
        self.withdraws = threading.Event()
        self.is_set = threading.Event()
        self.late: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is self.late:
            self.withdraws.set()
            assert self.is_set.wait(60)
        self.guard.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.guard.release()


def test_the_time_of_a_wait_is_over_while_another_thread_sets_the_event() -> None:
    ended = threading.Event()
    outcome: list[bool] = []

    class First(ThreadWaiter):
        def wake(self) -> None:
            meeting.is_set.set()
            assert ended.wait(60)

    class Late(ThreadWaiter):
        def park(self, timeout: float | None = None) -> bool:
            meeting.late = threading.current_thread()
            return False

    event = Event(Late)
    meeting = event._guard = _Meeting(event._guard)  # type: ignore[assignment]
    event._waiters.append(First())

    def wait() -> None:
        outcome.append(event.wait(60))
        ended.set()

    def set_event() -> None:
        assert meeting.withdraws.wait(60)
        event.set()

    in_threads(wait, set_event)
    assert outcome == [True]
