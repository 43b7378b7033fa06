"""What happens to greenlets and to the hub at fork."""

from __future__ import annotations

from eventlet_process import (
    Script,
)

FORK = """
import os, time
from eventlet.green import socket
def in_child(func):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            func()
            status = 0
        finally:
            os._exit(status)
    while True:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            assert status == 0, status
            return
        eventlet.sleep(0.005)
"""


def test_a_fork_leaves_the_parents_hub_alone() -> None:
    """The parent's hub still watches what the child's hub watches no more."""
    printed = Script().run_script(
        FORK
        + """
ours, theirs = socket.socketpair()
received = []
def reader():
    while data := ours.recv(100):
        received.append((data, os.getpid()))
handler.start()
task = handler.spawn(reader)
selected = []
other, more = socket.socketpair()
selecting = handler.spawn(lambda: selected.append(handler.select([other], [], [], 20)[0]))
parked = handler.async_result()
waiting = handler.spawn(parked.get)
eventlet.sleep(0.02)
def child():
    assert not handler.running
    with handler:
        result = handler.async_result()
        handler.dispatch_callback(Callback("test", result.set, (1,)))
        assert result.get(timeout=20) == 1
    from_thread = handler.async_result()
    eventlet.patcher.original("_thread").start_new_thread(from_thread.set, (2,))
    assert from_thread.get(timeout=20) == 2
    one, two = socket.socketpair()
    eventlet.spawn_n(one.send, b"x")
    assert two.recv(1) == b"x"
    eventlet.sleep(0.05)
    assert received == []
for _ in range(5):
    in_child(child)
theirs.send(b"data")
more.send(b"y")
selecting.join(20)
assert selected == [[other]], selected
while not received:
    eventlet.sleep(0.001)
assert received == [(b"data", os.getpid())], received
parked.set()
waiting.join(20)
theirs.close()
task.join(20)
assert not task.is_alive()
ring = handler.async_result()
eventlet.patcher.original("_thread").start_new_thread(ring.set, ("the doorbell rings",))
print(ring.get(timeout=20))
handler.stop()
"""
    )
    assert printed == "the doorbell rings\n"


def test_a_fork_in_a_thread_without_a_hub() -> None:
    printed = Script().run_script(
        FORK
        + """
handler.start()
task = handler.spawn(eventlet.sleep, 1000)
done = handler.async_result()
def fork():
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            with handler:
                result = handler.async_result()
                handler.dispatch_callback(Callback("test", result.set, (1,)))
                assert result.get(timeout=20) == 1
            status = 0
        finally:
            os._exit(status)
    done.set(pid)
eventlet.patcher.original("_thread").start_new_thread(fork, ())
print(os.waitstatus_to_exitcode(os.waitpid(done.get(timeout=20), 0)[1]))
handler.stop()
"""
    )
    assert printed == "0\n"


def test_a_process_of_multiprocessing() -> None:
    printed = Script().run_script(
        """
        import multiprocessing
        def work(queue):
            with handler:
                result = handler.async_result()
                handler.dispatch_callback(Callback("test", result.set, ("child",)))
                queue.send(result.get(timeout=20))
        context = multiprocessing.get_context("fork")
        handler.start()
        task = handler.spawn(eventlet.sleep, 1000)
        eventlet.sleep(0)
        for _ in range(3):
            receive, send = context.Pipe(False)
            process = context.Process(target=work, args=(send,))
            process.start()
            print(receive.recv())
            process.join()
            assert process.exitcode == 0
        assert handler.running
        handler.stop()
        """
    )
    assert printed == "child\n" * 3
