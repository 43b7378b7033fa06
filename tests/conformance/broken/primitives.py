"""Handlers that break C20."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from typing import Any

from handler_core_gevent import SequentialGeventHandler

from broken.base import Threads, found_by
from handler_core.execution._synchronization import Lock, RLock

# C20


@found_by("test_c20_queues")
class C20QueueIsAStack(Threads):
    queue_impl = queue.LifoQueue


@found_by("test_c20_a_lifo_queue")
class C20LifoQueueIsAQueue(Threads):
    lifo_queue_impl = queue.Queue


@found_by("test_c20_a_handler_is_true")
class C20IsFalse(Threads):
    def __len__(self) -> int:
        return 0


@found_by("test_c20_sleep")
class C20SleepsShort(Threads):
    @staticmethod
    def sleep_func(seconds: float) -> None:
        time.sleep(seconds / 2)


@found_by("test_c20_events_wake_all")
class C20SleepBlocksTheHub(SequentialGeventHandler):
    sleep_func = staticmethod(time.sleep)


@found_by("test_c20_spawn")
class C20ForgetsKeywords(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        return super().spawn(func, *args)


@found_by("test_c20_locks")
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


@found_by("test_c20_locks")
class C20RLockIsPlain(Threads):
    def rlock_object(self) -> Any:
        return threading.Lock()


@found_by("test_c20_events_wake_all")
class C20EventWakesOne(Threads):
    class _Event(threading.Event):
        def set(self) -> None:
            with self._cond:  # type: ignore[attr-defined]
                self._flag = True
                self._cond.notify(1)  # type: ignore[attr-defined]

    def event_object(self) -> Any:
        return self._Event()


@found_by("test_c20_locks")
class C20LockIsReentrant(Threads):
    def lock_object(self) -> Any:
        return threading.RLock()


@found_by("test_c20_locks")
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


@found_by("test_c20_who_may_release_a_lock")
class C20AnybodyReleases(Threads):
    """Lets any thread release an rlock too."""

    class _RLock(RLock):
        def release(self) -> None:
            if self._count:
                self._owner = self._current_task()
            super().release()

    def rlock_object(self) -> Any:
        return self._RLock(self.new_waiter, threading.get_ident)


@found_by("test_c20_who_may_release_a_lock")
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


@found_by("test_c20_an_event_that_is_set_and_cleared_wakes_who_waits")
class C20EventForgetsWhoWaited(Threads):
    """Checks again after a wake-up, and so misses a ``set`` that a ``clear`` has followed."""

    class _Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            with self._cond:  # type: ignore[attr-defined]
                return bool(self._cond.wait_for(self.is_set, timeout))  # type: ignore[attr-defined]

    def event_object(self) -> Any:
        return self._Event()


@found_by("test_c20_events")
class C20EventReturnsNone(Threads):
    class _Event(threading.Event):
        def wait(self, timeout: float | None = None) -> Any:
            return super().wait(timeout) or None

    def event_object(self) -> Any:
        return self._Event()


@found_by("test_c20_events")
class C20EventTakesNoNegative(Threads):
    class _Event(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is not None and timeout < 0:
                raise ValueError("timeout must be non-negative")
            return super().wait(timeout)

    def event_object(self) -> Any:
        return self._Event()


@found_by("test_c20_a_full_queue")
class C20QueueIsNeverFull(Threads):
    class queue_impl(queue.Queue[Any]):
        def __init__(self, maxsize: int = 0) -> None:
            super().__init__()


@found_by("test_c20_a_full_queue")
class C20QueueDoesNotWaitForRoom(Threads):
    class queue_impl(queue.Queue[Any]):
        def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
            super().put(item, block=False)


@found_by("test_c20_queues")
class C20QueueIsEarly(Threads):
    class queue_impl(queue.Queue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            return super().get(block, timeout if timeout is None else timeout / 2)


@found_by("test_c20_others_run_during_a_timed_wait")
class C20JoinIsEarly(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        thread: Any = super().spawn(func, *args, **kwargs)
        join = thread.join
        thread.join = lambda timeout=None: join(timeout if timeout is None else timeout / 2)
        return thread


@found_by("test_c20_events")
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


@found_by("test_c20_what_a_task_raises_is_reported")
class C20SwallowsExceptions(Threads):
    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        def run() -> None:
            with contextlib.suppress(Exception):
                func(*args, **kwargs)

        return super().spawn(run)


@found_by("test_c20_sleep_is_one_function")
class C20SleepIsAMethod(Threads):
    def sleep_func(self, seconds: float) -> None:  # type: ignore[override]
        time.sleep(seconds)


@found_by("test_c20_events_wake_all")
class C20HasAFewThreads(Threads):
    """Runs at most 64 tasks at once. A further task waits until one of them has ended."""

    free = threading.Semaphore(64)

    def spawn(self, func: Any, *args: Any, **kwargs: Any) -> Any:
        def run() -> None:
            with self.free:
                func(*args, **kwargs)

        return super().spawn(run)
