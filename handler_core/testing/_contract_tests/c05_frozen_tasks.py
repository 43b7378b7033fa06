"""C5: the parent's tasks stand still in a forked child."""

from __future__ import annotations

import textwrap

import pytest

from handler_core.testing._contract_tests.c05_fork import needs_fork
from handler_core.testing._suite import Suite

__all__ = ["FrozenTaskTests"]

# The program parks tasks in every way that a handler has. Each says so before it waits, and says
# afterwards that it went on, that something was raised in it, or that it cleaned up: by a line in
# `said`, a pipe that parent and child share. A line of the child begins with `child`.
PARKED = """
import faulthandler, os, posix, sys
parent = os.getpid()
said, say = os.pipe()
def tell(what, name):
    posix.write(say, f"{'parent' if os.getpid() == parent else 'child'} {what} {name}\\n".encode())
def in_task(name, wait):
    def run(*args):
        begun.add(name)
        try:
            wait()
            tell("goes on", name)
        except BaseException as error:
            tell(f"raises {type(error).__name__}", name)
            raise
        finally:
            tell("cleans up", name)
    return run
begun = set()
def again(func, *args):
    while True:
        func(*args)
event, lock, rlock = handler.event_object(), handler.lock_object(), handler.rlock_object()
result, queue, full = handler.async_result(), handler.queue_impl(), handler.queue_impl(1)
full.put(1)
lock.acquire()
rlock.acquire()
socket_module = handler.socket_module
read, write = socket_module.socketpair()
selected, ready = socket_module.socketpair(), socket_module.socketpair()
ready[0].send(b"x")
stuffed = socket_module.socketpair()
ends = handler.create_socket_pair()
server = socket_module.socket()
server.bind(("127.0.0.1", 0))
server.listen(1)
sleeper = handler.spawn(handler.sleep_func, 1000)
ways = {
    "event": event.wait,
    "event, with a timeout": lambda: event.wait(1000),
    "result": result.get,
    "result, with a timeout": lambda: result.wait(1000),
    "lock": lock.acquire,
    "lock, with a timeout": lambda: lock.acquire(True, 1000),
    "rlock": rlock.acquire,
    "get": queue.get,
    "get, with a timeout": lambda: queue.get(True, 1000),
    "put": lambda: full.put(2),
    "sleep": lambda: handler.sleep_func(1000),
    "short sleeps": lambda: again(handler.sleep_func, 0.003),
    "giving way": lambda: again(handler.sleep_func, 0),
    "recv": lambda: read.recv(1),
    "sendall": lambda: stuffed[0].sendall(bytes(10_000_000)),
    "accept": server.accept,
    "select": lambda: handler.select([selected[0]], [], [], 1000),
    "select of a pair": lambda: handler.select([ends[0]], [], []),
    "select of a socket that is always ready": lambda: again(handler.select, [ready[1]], [], []),
    "recv of a pair": lambda: ends[1].recv(1),
    "join": sleeper.join,
}
handler.start()
tasks = {name: handler.spawn(in_task(name, wait)) for name, wait in ways.items()}
callback = in_task("callback", handler.event_object().wait)
handler.dispatch_callback(Callback("test", callback, ()))
linked = handler.async_result()
linked.link(in_task("link", handler.event_object().wait))
linked.set()
while len(begun) < len(ways) + 2:
    handler.sleep_func(0.01)
handler.sleep_func(0.05)
# Not in a child: there, it would wait at exit for a thread that only the parent has.
faulthandler.cancel_dump_traceback_later()
pid = os.fork()
if pid:
    faulthandler.dump_traceback_later(100, exit=True)
"""

# The parent ends the program. It says what the child has said.
PARENT = """
print(exit_status(pid))
tell("asks", "what was said")
lines = posix.read(said, 65536).decode().splitlines()
print(*[line for line in lines if line.startswith("child")], sep="\\n", end="")
waiting = "event", "result", "select of a pair", "recv of a pair"
assert all(tasks[name].is_alive() for name in waiting)
event.set()
result.set()
ends[1].send(b"x")
ends[0].send(b"x")
for name in waiting:
    tasks[name].join()
sys.stdout.flush()
os._exit(0)
"""


class FrozenTaskTests(Suite):
    """C5: the parent's tasks stand still in a forked child."""

    def run_parked(self, child: str) -> str:
        """Return what the child's exit status is, and what its copies of the tasks have said."""
        in_child = textwrap.indent(textwrap.dedent(child), "    ")
        return self.run_script(f"{PARKED}if not pid:\n{in_child}\n{PARENT}")

    @needs_fork
    @pytest.mark.parametrize(
        "end",
        ["os._exit(7)", "sys.exit(7)", 'os.execv("/bin/sh", ["sh", "-c", "exit 7"])'],
        ids=["_exit", "exit", "exec"],
    )
    def test_c5_tasks_of_the_parent_stand_still(self, end: str) -> None:
        """None of their code runs, though all that they wait for comes, and not at exit either."""
        printed = self.run_parked(
            f"""
            event.set()
            result.set()
            lock.release()
            rlock.release()
            write.send(b"x")
            selected[1].send(b"x")
            handler.start()
            done = handler.event_object()
            handler.dispatch_callback(Callback("test", done.set, ()))
            assert done.wait(60)
            handler.sleep_func(0.1)
            handler.stop()
            import gc
            gc.collect()
            {end}
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_tasks_of_the_parent_count_as_ended(self) -> None:
        printed = self.run_parked(
            """
            assert not [name for name, task in tasks.items() if task.is_alive()]
            for task in tasks.values():
                task.join()
                task.join(1000)
            os._exit(7)
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_a_child_idles(self) -> None:
        """Its hub does not turn for what the parent's tasks wait for, and may be ready for ever."""
        printed = self.run_parked(
            """
            import time
            write.send(b"x")
            selected[1].send(b"x")
            handler.sleep_func(0.05)
            before, began = time.process_time(), time.monotonic()
            handler.sleep_func(1)
            spent, passed = time.process_time() - before, time.monotonic() - began
            assert spent < passed / 50, (spent, passed)
            os._exit(7)
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_a_lock_is_handed_over_to_a_task_of_the_child(self) -> None:
        """The parent's tasks have waited longer, but will never give it back."""
        printed = self.run_parked(
            """
            for each in (lock, rlock):
                taken = handler.event_object()
                def take():
                    with each:
                        taken.set()
                task = handler.spawn(take)
                handler.sleep_func(0.02)
                each.release()
                assert taken.wait(60)
                task.join()
                with each:
                    pass
            os._exit(7)
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_a_lock_is_free_when_the_child_has_released_it(self) -> None:
        """At once, before the hub has turned: the parent's tasks do not get it."""
        printed = self.run_parked(
            """
            for each in (lock, rlock):
                each.release()
                assert each.acquire(True, 60)
                each.release()
            os._exit(7)
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_a_task_that_forks_goes_on_and_forks_again(self) -> None:
        """The second child has neither the tasks of the first one nor those of the parent."""
        printed = self.run_script(
            """
            import os
            def sleep():
                try:
                    handler.sleep_func(1000)
                finally:
                    os._exit(9)
            def fork():
                handler.sleep_func(0.01)
                pid = os.fork()
                if pid:
                    return pid
                handler.start()
                result = handler.async_result()
                handler.dispatch_callback(Callback("test", result.set, ("callback",)))
                assert result.get(timeout=60) == "callback"
                handler.stop()
                return 0
            statuses = []
            def forks():
                first = fork()
                if not first:
                    handler.spawn(sleep)
                    handler.sleep_func(0.01)
                    second = fork()
                    if not second:
                        handler.sleep_func(0.05)
                        os._exit(7)
                    os._exit(exit_status(second) + 1)
                statuses.append(exit_status(first))
            handler.start()
            handler.spawn(sleep)
            handler.sleep_func(0.01)
            task = handler.spawn(forks)
            task.join()
            print(statuses, flush=True)
            os._exit(0)
            """
        )
        assert printed == "[8]\n"
