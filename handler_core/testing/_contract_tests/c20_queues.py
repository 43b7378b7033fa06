"""C20: queues."""

from __future__ import annotations

import queue as standard
import warnings

import pytest

from handler_core import Callback, Handler
from handler_core.testing._suite import Suite

__all__ = ["QueueTests"]


class QueueTests(Suite):
    """C20: queues."""

    def test_c20_queues(self, idle: Handler) -> None:
        """Queues behave as ``queue.Queue``, and a wait lets other tasks run."""
        queue = idle.queue_impl()
        with pytest.raises(idle.queue_empty):
            queue.get_nowait()
        with pytest.raises(idle.queue_empty):
            queue.get(block=True, timeout=0.01)

        def get(timeout: float) -> None:
            with pytest.raises(idle.queue_empty):
                queue.get(timeout=timeout)

        self.not_early(get)
        idle.spawn(lambda: [queue.put(number) for number in range(3)])
        got = [self.woken(lambda timeout: queue.get(timeout=timeout)) for _ in range(3)]
        assert got == [0, 1, 2]
        assert queue.empty()
        assert queue.qsize() == 0
        with warnings.catch_warnings():  # gevent once gave size 0 another meaning
            warnings.simplefilter("ignore", DeprecationWarning)
            unlimited = idle.queue_impl(0)
        unlimited.put_nowait(1)
        unlimited.put_nowait(2)
        assert [unlimited.get_nowait(), unlimited.get_nowait()] == [1, 2]

    def test_c20_a_lifo_queue(self, idle: Handler) -> None:
        """It gives the last item first, and waits as the other one does."""
        queue = idle.lifo_queue_impl(maxsize=3)
        with pytest.raises(standard.Empty):
            queue.get_nowait()
        for number in range(3):
            queue.put(number)
        with pytest.raises(standard.Full):
            queue.put_nowait(3)
        with pytest.raises(standard.Full):
            queue.put(3, timeout=0.01)
        assert [queue.get() for _ in range(3)] == [2, 1, 0]
        with pytest.raises(standard.Empty):
            queue.get(timeout=0.01)
        idle.spawn(queue.put, 4)
        assert self.woken(lambda timeout: queue.get(timeout=timeout)) == 4

    def test_c20_an_item_of_another_thread(self, handler: Handler) -> None:
        """It is dispatched, and wakes who waits."""
        queue = handler.queue_impl()
        got: list[int] = []
        task = handler.spawn(lambda: got.append(queue.get()))
        put = Callback("put", queue.put_nowait, (1,))
        self.os_thread(handler.dispatch_callback, put).result(handler)
        self.ended(task)
        assert got == [1]

    def test_c20_a_full_queue(self, idle: Handler) -> None:
        """It refuses more, or waits until there is room, as ``queue.Queue`` does."""
        queue = idle.queue_impl(maxsize=1)
        queue.put(0)
        with pytest.raises(standard.Full):
            queue.put_nowait(1)
        with pytest.raises(standard.Full):
            queue.put(1, timeout=0.01)
        got: list[int] = []

        def get() -> None:
            idle.sleep_func(0.01)
            got.append(queue.get())

        task = idle.spawn(get)
        self.woken(lambda timeout: queue.put(1, timeout=timeout))
        self.ended(task)
        assert [*got, queue.get_nowait()] == [0, 1]
