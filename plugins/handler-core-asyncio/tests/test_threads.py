"""Threads and tasks beside each other: queues, results, sockets."""

from __future__ import annotations

from typing import Any

import pytest
from asyncio_process import AsyncioProcess

from handler_core import Handler
from handler_core.testing import LIMIT, Suite


class TestQueue(AsyncioProcess, Suite):
    def test_between_tasks_and_threads(self, handler: Handler) -> None:
        queue = handler.queue_impl(2)
        got: list[int] = []

        def consume() -> None:
            for _ in range(50):
                got.append(queue.get(timeout=LIMIT))
                queue.task_done()

        def produce() -> None:
            for number in range(50):
                queue.put(number, timeout=LIMIT)

        tasks = [handler.spawn(consume), handler.spawn(produce)]
        threads = [self.os_thread(produce), self.os_thread(consume)]
        self.ended(*tasks)
        for thread in threads:
            thread.result(handler)
        queue.join()
        assert sorted(got) == sorted([*range(50), *range(50)])

    def test_a_thread_waits_for_a_task(self, handler: Handler) -> None:
        queue = handler.queue_impl()
        thread = self.os_thread(lambda: queue.get(timeout=LIMIT))
        handler.spawn(queue.put, 1)
        assert thread.result(handler) == 1
        with pytest.raises(handler.queue_empty):
            queue.get(timeout=0.001)


class TestThreads(AsyncioProcess, Suite):
    def test_from_threads(self, handler: Handler) -> None:
        ran: list[int] = []

        def work() -> list[Any]:
            result = handler.async_result()
            result.link(lambda done: ran.append(done.value))
            self.dispatch(handler, result.set, 1)
            event = handler.event_object()
            handler.spawn(event.set)
            return [result.get(timeout=LIMIT), result.wait(), event.wait(LIMIT)]

        threads = [self.os_thread(work) for _ in range(5)]
        assert [thread.result(handler) for thread in threads] == [[1, True, True]] * 5
        handler.stop()
        assert ran == [1] * 5

    def test_sockets_in_a_thread(self, handler: Handler) -> None:
        def work() -> bytes:
            left, right = handler.create_socket_pair()
            with left, right:
                handler.spawn(right.send, b"x")
                assert handler.select([left], [], [], LIMIT) == ([left], [], [])
                data: bytes = left.recv(1)
                left.settimeout(0.001)
                with pytest.raises(TimeoutError):
                    left.recv(1)
                return data

        assert self.os_thread(work).result(handler) == b"x"
