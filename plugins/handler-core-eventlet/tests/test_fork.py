"""What happens to greenlets and to the hub at fork."""

from __future__ import annotations

import pytest
from eventlet_process import PATCHED, Script

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


@pytest.mark.parametrize("model", ["eventlet", "threading"])
def test_what_waits_in_eventlets_own_ways_stands_still(model: str) -> None:
    """What is handed over goes to the child's own green threads, and the hub does not spin."""
    if model == "threading" and not PATCHED:
        return  # its tasks are threads
    printed = Script().run_script(
        f"""
        import os, queue, threading, time
        import eventlet.event, eventlet.queue, eventlet.semaphore
        from eventlet.green import socket
        from eventlet.green import threading as green_threading
        handler = get_handler({model!r})
        pairs = [socket.socketpair() for _ in range(2)]
        event, semaphore = eventlet.event.Event(), eventlet.semaphore.Semaphore(0)
        lock = semaphore if not {PATCHED} else threading.Lock()
        lock.acquire(False)
        condition = green_threading.Condition()
        items, full = eventlet.queue.Queue(), eventlet.queue.Queue(1)
        full.put("parent")
        begun, gone_on = [], []
        def in_task(wait):
            begun.append(wait)
            try:
                wait()
            finally:
                gone_on.append(wait)
        def notified():
            with condition:
                return condition.wait()
        ways = [
            event.wait,
            semaphore.acquire,
            lambda: semaphore.acquire(timeout=1000),
            lock.acquire,
            notified,
            items.get,
            lambda: items.get(timeout=1000),
            lambda: full.put("parent, too"),
            lambda: eventlet.sleep(1000),
            lambda: [eventlet.sleep(0) for _ in iter(int, 1)],
            lambda: eventlet.timeout.with_timeout(1000, event.wait),
            lambda: eventlet.spawn(eventlet.sleep, 1000).wait(),
            lambda: pairs[0][1].recv(1),
            lambda: eventlet.hubs.trampoline(pairs[1][1], read=True),
        ]
        tasks = [handler.spawn(in_task, way) for way in ways]
        while len(begun) < len(ways):
            eventlet.sleep(0.001)
        eventlet.sleep(0.01)
        pid = os.fork()
        if not pid:
            for pair in pairs:
                pair[0].send(b"x")
            def handed_over(wait, give):
                got = []
                task = handler.spawn(lambda: got.append(wait()))
                eventlet.sleep(0.01)
                give()
                task.join(20)
                return got
            def notify():
                with condition:
                    condition.notify()
            assert handed_over(semaphore.acquire, semaphore.release) == [True]
            assert handed_over(lock.acquire, lock.release) == [True]
            assert handed_over(notified, notify) == [True]
            assert handed_over(items.get, lambda: items.put("child")) == ["child"]
            assert handed_over(lambda: full.put("child"), full.get) == [None]
            assert full.get() == "child"
            event.send()
            eventlet.sleep(0.01)
            assert gone_on == []
            before = time.process_time()
            eventlet.sleep(0.5)
            assert time.process_time() - before < 0.1
            os._exit(0)
        print(exit_status(pid), flush=True)
        event.send()
        tasks[0].join()
        os._exit(0)
        """
    )
    assert printed == "0\n"


def test_the_asyncio_hub_of_eventlet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parent and child have a selector and a wake-up pipe each."""
    monkeypatch.setenv("EVENTLET_HUB", "asyncio")
    printed = Script().run_script(
        FORK
        + """
import eventlet.hubs
assert eventlet.hubs.get_hub().__module__ == "eventlet.hubs.asyncio"
handler.start()
task = handler.spawn(eventlet.sleep, 1000)
ours, theirs = socket.socketpair()
def woken():
    result = handler.async_result()
    eventlet.patcher.original("_thread").start_new_thread(result.set, (1,))
    return result.get(timeout=20)
woken()
selecting = handler.spawn(handler.select, [ours], [], [], 20)
eventlet.sleep(0.01)
def child():
    with handler:
        assert woken() == 1
        one, two = socket.socketpair()
        eventlet.spawn_n(one.send, b"x")
        assert two.recv(1) == b"x"
    assert not task.is_alive()
for _ in range(3):
    in_child(child)
    assert woken() == 1
theirs.send(b"x")
selecting.join(20)
print(selecting.is_alive())
os._exit(0)
"""
    )
    assert printed == "False\n"
