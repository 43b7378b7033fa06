"""The pool of connections, with connections that are none."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pytest
from handler_core_clients import Pool, PoolTimeoutError

from handler_core import Handler

from .models import CANCELS, LONG, cancelled, eventually, in_task

needs_cancellation = pytest.mark.skipif(not CANCELS, reason="threads are not cancelled")


class Connection:
    """Notes what is done with it."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.closed = False

    def rollback(self) -> None:
        self.calls.append("rollback")

    def close(self) -> None:
        self.calls.append("close")
        self.closed = True


def use(pool: Pool[Connection], timeout: float | None = LONG) -> None:
    with pool.connection(timeout):
        pass


def waiting(pool: Pool[Any]) -> int:
    return len(pool._turns._waiting)


def test_who_gives_a_connection_back_waits_behind_the_others(handler: Handler) -> None:
    pool = Pool(handler, Connection, size=1)
    order: list[str] = []

    def hog() -> None:
        for number in range(3):
            with pool.connection(LONG):
                order.append("hog")
                if not number:
                    eventually(handler, lambda: waiting(pool) == 2)

    def other(name: str) -> None:
        with pool.connection(LONG):
            order.append(name)

    results = [in_task(handler, hog)]
    eventually(handler, lambda: bool(order))
    results.append(in_task(handler, other, "first"))
    eventually(handler, lambda: waiting(pool) == 1)
    results.append(in_task(handler, other, "second"))
    for result in results:
        result.get(timeout=LONG)
    assert order == ["hog", "first", "second", "hog", "hog"]


def test_who_waits_hears_at_once_that_the_pool_is_closed(handler: Handler) -> None:
    pool = Pool(handler, Connection, size=1)
    with pool.connection() as lent:
        results = [in_task(handler, use, pool, None) for _ in range(3)]
        eventually(handler, lambda: waiting(pool) == 3)
        pool.close()
        results.append(in_task(handler, use, pool, None))
        for result in results:
            with pytest.raises(RuntimeError, match="closed"):
                result.get(timeout=LONG)
        assert not lent.closed
    assert lent.closed


@needs_cancellation
def test_a_connection_for_who_is_cancelled_meanwhile_goes_to_the_next(handler: Handler) -> None:
    pool = Pool(handler, Connection, size=1)
    for number in range(30):
        with pool.connection(LONG) as lent:
            next_one = in_task(handler, cancelled, handler, 0.002, lambda: use(pool))
            last = in_task(handler, use, pool)
            handler.sleep_func(0.0015 + 0.00003 * number)
        next_one.get(timeout=LONG)
        last.get(timeout=LONG)
    with pool.connection(0) as again, pytest.raises(PoolTimeoutError), pool.connection(0.01):
        pass
    assert again is lent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
def test_a_forked_child_leaves_the_connections_of_its_parent_alone(handler: Handler) -> None:
    made: list[Connection] = []

    def connect() -> Connection:
        made.append(Connection())
        return made[-1]

    pool = Pool(handler, connect, size=2)
    with pool.connection(), pool.connection():
        pass
    parent = os.getpid()
    try:
        with warnings.catch_warnings(), pool.connection(0):
            warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads
            before = [list(connection.calls) for connection in made]
            pid = os.fork()
        if os.getpid() != parent:
            for _ in range(2):
                with pool.connection(0) as one, pool.connection(0) as another:
                    assert {one, another} == set(made[2:])
            pool.close()
            assert [connection.calls for connection in made[:2]] == before
            os._exit(0)
    finally:
        if os.getpid() != parent:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    with pool.connection(0) as one, pool.connection(0) as another:
        assert {one, another} == set(made)
