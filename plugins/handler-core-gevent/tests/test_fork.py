"""What happens to greenlets at fork."""

from __future__ import annotations

import pytest
from gevent_process import PATCHED, OwnTests


class TestFork(OwnTests):
    def test_c5_the_child_does_not_read_the_parents_bytes(self) -> None:
        printed = self.run_script(
            """
            import gevent, os
            from gevent import socket
            pairs = [socket.socketpair() for _ in range(3)]
            got = [b"", b"", b""]
            def by_recv():
                while data := pairs[0][1].recv(1):
                    got[0] += data
            def by_select():
                while handler.select([pairs[1][1]], [], []):
                    data = pairs[1][1].recv(1)
                    if not data:
                        break
                    got[1] += data
            def dispatched():
                while data := pairs[2][1].recv(1):
                    got[2] += data
            handler.start()
            tasks = [handler.spawn(by_recv), handler.spawn(by_select)]
            handler.dispatch_callback(Callback("test", dispatched, ()))
            handler.sleep_func(0.01)
            for pair in pairs:
                pair[0].send(b"0")
            pid = os.fork()
            if pid == 0:
                handler.start()
                handler.sleep_func(0.3)
                os._exit(1 if got != [b"", b"", b""] else 0)
            for number in range(1, 100):
                for pair in pairs:
                    pair[0].send(b"%d" % (number % 10))
                handler.sleep_func(0.001)
            for pair in pairs:
                pair[0].shutdown(socket.SHUT_WR)
            for task in tasks:
                task.join()
            handler.stop()
            assert got == [bytes(48 + number % 10 for number in range(100))] * 3, got
            print(exit_status(pid))
            """
        )
        assert printed == "0\n"

    @pytest.mark.parametrize("loop", ["libev-cext", "libev-cffi", "libuv-cffi"])
    @pytest.mark.parametrize("model", ["gevent", "threading"])
    def test_c5_what_waits_in_gevents_own_ways_stands_still(self, model: str, loop: str) -> None:
        """Its watchers do not keep the child's hub busy, nor from its end."""
        if model == "threading" and not PATCHED:
            return  # its tasks are threads
        printed = self.run_script(
            f"""
            import os, time, traceback
            os.environ["GEVENT_LOOP"] = {loop!r}
            import gevent, gevent.event, gevent.lock, gevent.select, gevent.socket
            assert gevent.get_hub().loop.__class__.__module__.split(".")[1] == {loop[:5]!r}
            handler = get_handler({model!r})
            pairs = [gevent.socket.socketpair() for _ in range(4)]
            poll = gevent.select.poll()
            poll.register(pairs[1][1], 1)
            event, result = gevent.event.Event(), gevent.event.AsyncResult()
            semaphore = gevent.lock.Semaphore(0)
            begun, gone_on = [], []
            def in_task(wait):
                begun.append(wait)
                try:
                    wait()
                finally:
                    gone_on.append(wait)
            ways = [
                event.wait,
                lambda: event.wait(1000),
                result.get,
                semaphore.acquire,
                lambda: gevent.sleep(1000),
                lambda: gevent.with_timeout(1000, event.wait),
                lambda: gevent.spawn(event.wait).join(),
                lambda: gevent.select.select([pairs[0][1]], [], []),
                poll.poll,
                lambda: pairs[2][1].recv(1),
                lambda: gevent.socket.wait_read(pairs[3][1].fileno()),
            ]
            tasks = [handler.spawn(in_task, way) for way in ways]
            while len(begun) < len(ways):
                gevent.sleep(0.001)
            gevent.sleep(0.01)
            pid = os.fork()
            if not pid:
                status = 1
                try:
                    for pair in pairs:
                        pair[0].send(b"x")
                    taken = []
                    task = handler.spawn(lambda: taken.append(semaphore.acquire()))
                    gevent.sleep(0.01)
                    semaphore.release()
                    task.join(20)
                    event.set()
                    result.set(1)
                    gevent.sleep(0.01)
                    assert taken == [True] and gone_on == [], (taken, gone_on)
                    before = time.process_time()
                    gevent.sleep(0.5)
                    assert time.process_time() - before < 0.1
                    if {model == "gevent" and loop != "libuv-cffi"}:  # there, `wait` never returns
                        gevent.spawn(gevent.sleep, 0.01)
                        assert gevent.wait(timeout=20), "the hub waits for what only the parent has"
                    status = 0
                except BaseException:
                    traceback.print_exc()
                finally:
                    os._exit(status)
            print(exit_status(pid), flush=True)
            event.set()
            tasks[0].join()
            os._exit(0)
            """
        )
        assert printed == "0\n"

    def test_c5_the_programs_own_greenlets_do_not_run_inside_fork(self) -> None:
        """A subprocess of gevent is forked in Python, and calls exec. Each byte arrives once."""
        printed = self.run_script(
            """
            import gevent, gevent.socket, gevent.subprocess as subprocess
            handler.start()
            def task():
                try:
                    handler.event_object().wait()
                finally:
                    handler.sleep_func(0)
            handler.spawn(task)
            ours, theirs = gevent.socket.socketpair()
            def client():
                for number in range(40):
                    ours.sendall(b"%d " % number)
                    gevent.sleep(0)
                ours.close()
            sender = gevent.spawn(client)
            gevent.sleep(0)
            for _ in range(3):
                subprocess.run(["true"])
            sender.join()
            data = b""
            while chunk := theirs.recv(4096):
                data += chunk
            print(data.split() == [b"%d" % number for number in range(40)])
            """
        )
        assert printed == "True\n"

    def test_c5_a_task_that_forks_in_a_greenlet_of_its_own_goes_on(self) -> None:
        printed = self.run_script(
            """
            import os
            from greenlet import greenlet
            pids, went_on = [], []
            def forks():
                pids.append(greenlet(os.fork).switch())
                if not pids[0]:
                    handler.sleep_func(0.01)
                    os._exit(7)
                went_on.append(exit_status(pids[0]))
            handler.spawn(forks).join()
            print(went_on)
            """
        )
        assert printed == "[7]\n"

    def test_c5_multiprocessing(self) -> None:
        printed = self.run_script(
            """
            import multiprocessing, os, signal
            def work(number):
                handler.start()
                result = handler.async_result()
                handler.dispatch_callback(Callback("test", result.set, (number,)))
                assert result.get(timeout=20) == number
                handler.spawn(handler.sleep_func, 0).join()
                handler.stop()
            context = multiprocessing.get_context("fork")
            handler.start()
            handler.dispatch_callback(Callback("test", handler.sleep_func, (0.2,)))
            handler.sleep_func(0.01)
            children = [context.Process(target=work, args=(number,)) for number in range(3)]
            for child in children:
                child.start()
            while any(child.is_alive() for child in children):
                os.kill(os.getpid(), signal.SIGCHLD)  # see `exit_status`
                handler.sleep_func(0.01)
            handler.stop()
            print([child.exitcode for child in children])
            """
        )
        assert printed == "[0, 0, 0]\n"

    def test_c5_a_name_can_be_looked_up_in_the_child(self) -> None:
        """The hub's thread pool looks it up, and its threads are the parent's."""
        printed = self.run_script(
            """
            import os, socket
            from gevent import monkey
            handler.start()
            def connect():
                with monkey.get_original("socket", "socket")() as server:
                    server.bind(("127.0.0.1", 0))
                    server.listen()
                    address = ("localhost", server.getsockname()[1])
                    handler.create_connection(address, timeout=20).close()
            connect()
            pid = os.fork()
            if pid == 0:
                handler.start()
                connect()
                os._exit(0)
            print(exit_status(pid))
            """
        )
        assert printed == "0\n"
