"""C4: the interpreter exits."""

from __future__ import annotations

import pytest

from handler_core.testing._suite import Suite

__all__ = ["InterpreterExitTests"]


class InterpreterExitTests(Suite):
    """C4: the interpreter exits."""

    @pytest.mark.parametrize(
        "body",
        [
            "handler.start()",
            """
            handler.start()
            handler.dispatch_callback(Callback("test", print, ("ran",)))
            handler.sleep_func(0.05)
            """,
            """
            handler.start()
            begun = handler.event_object()
            def block():
                begun.set()
                handler.event_object().wait()
            handler.dispatch_callback(Callback("test", block, ()))
            handler.dispatch_callback(Callback("test", print, ("never",)))
            begun.wait()
            """,
            """
            handler.start()
            begun = handler.event_object()
            result = handler.async_result()
            result.link(lambda result: (begun.set(), handler.async_result().get()))
            result.link(print)
            result.set()
            begun.wait()
            """,
            """
            handler.start()
            lock = handler.lock_object()
            lock.acquire()
            ours, theirs = handler.create_socket_pair()
            for func, *args in (
                (handler.sleep_func, 3600),
                (handler.select, [ours], [], []),
                (handler.async_result().get,),
                (handler.event_object().wait,),
                (handler.queue_impl().get,),
                (lock.acquire,),
            ):
                begun = handler.event_object()
                handler.spawn(lambda: (begun.set(), func(*args)))
                begun.wait()
            handler.sleep_func(0.05)
            """,
            """
            handler.start()
            turned = handler.event_object()
            queue = handler.queue_impl()
            def turn():
                ours, theirs = handler.create_socket_pair()
                while True:
                    for _ in range(100):
                        theirs.send(b"x")
                        handler.select([ours], [], [], 1)
                        ours.recv(1)
                        queue.put(None)
                        handler.sleep_func(0)
                        queue.get()
                        handler.sleep_func(0.0001)
                    turned.set()
            for _ in range(20):
                handler.spawn(turn)
            turned.wait()
            """,
            """
            import atexit
            atexit.register(handler.stop)
            handler.start()
            for _ in range(100):
                handler.dispatch_callback(Callback("test", len, ("",)))
            """,
        ],
        ids=[
            "stop forgotten",
            "idle worker",
            "callback blocks for ever",
            "link blocks for ever",
            "tasks wait for ever",
            "tasks run for ever",
            "stop at exit",
        ],
    )
    def test_c4_the_interpreter_exits(self, body: str) -> None:
        """It exits without a hang and without a traceback."""
        self.run_script(body)
