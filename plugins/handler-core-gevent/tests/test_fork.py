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

    @pytest.mark.parametrize("model", ["gevent", "threading"])
    def test_c5_a_task_that_will_not_end_does_not_hang_the_child(self, model: str) -> None:
        if model == "threading" and not PATCHED:
            return  # its tasks are threads
        printed = self.run_script(
            f"""
            import os, gevent
            handler = get_handler({model!r})
            def stubborn(how):
                while True:
                    try:
                        handler.sleep_func(0.01)
                    except gevent.GreenletExit:
                        handler.sleep_func(0.01)
                        if how == "finally":
                            raise
                        ended.append(how)
            ended = []
            handler.start()
            for how in ("finally", "go on"):
                handler.spawn(stubborn, how)
            handler.dispatch_callback(Callback("test", stubborn, ("finally",)))
            handler.sleep_func(0.05)
            pid = os.fork()
            if pid == 0:
                handler.start()
                done = handler.event_object()
                handler.dispatch_callback(Callback("test", done.set, ()))
                os._exit(0 if done.wait(20) else 1)
            print(exit_status(pid))
            """
        )
        assert printed == "0\n"

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
