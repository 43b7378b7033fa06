"""Memory, and the end of the program."""

from __future__ import annotations

import gc
import threading
import weakref

import pytest
from fake_plugins import run

from execution.tasks import dispatch, parked
from handler_core import Callback, Handler, get_handler

# Memory and the end of the program.


def test_an_idle_worker_keeps_no_callback_alive(handler: Handler) -> None:
    class Thing:
        pass

    handler.start()
    thing = Thing()
    reference = weakref.ref(thing)
    ran = threading.Event()
    handler.dispatch_callback(Callback("test", lambda thing: ran.set(), (thing,)))
    del thing
    assert ran.wait(10)
    parked(handler)
    assert reference() is None


def test_stopped_handlers_are_collected() -> None:
    references = []
    threads = threading.active_count()
    for _ in range(100):
        handler = get_handler("threading")
        with handler:
            dispatch(handler, int)
            result = handler.async_result()
            result.link(lambda done: None)
            result.set(1)
        references.append(weakref.ref(handler))
    del handler, result
    gc.collect()
    assert [reference for reference in references if reference() is not None] == []
    assert threading.active_count() == threads


@pytest.mark.parametrize("when", ["before", "in atexit"])
@pytest.mark.parametrize("stops", [True, False])
def test_a_dispatch_from_an_atexit_function(when: str, stops: bool) -> None:
    program = f"""
        import atexit, logging
        from handler_core import Callback, get_handler

        logging.disable()
        handler = get_handler("threading")
        ran = []
        if {when == "before"}:
            handler.start()
            handler.dispatch_callback(Callback("test", int, ()))

        def at_exit():
            handler.start()
            for number in range(3):
                handler.dispatch_callback(Callback("test", ran.append, (number,)))
            result = handler.async_result()
            result.link(lambda done: ran.append(3))
            result.set(1)
            if {stops}:
                handler.stop()
                print(sorted(ran), handler.running)

        atexit.register(at_exit)
    """
    assert run(program) == ("[0, 1, 2, 3] False\n" if stops else "")


def test_the_interpreter_exits_with_a_blocked_callback() -> None:
    assert (
        run("""
            import threading
            from handler_core import Callback, get_handler

            handler = get_handler("threading")
            handler.start()
            blocked = threading.Event()

            def block():
                blocked.set()
                threading.Event().wait()

            handler.dispatch_callback(Callback("test", block, ()))
            blocked.wait(10)
            print("at its end")
        """)
        == "at its end\n"
    )


@pytest.mark.parametrize(
    ("call", "outcomes"),
    [
        ("handler.stop()", {"returned"}),
        ("handler.dispatch_callback(last), handler.stop()", {"last returned"}),
        ("task.join()", {"refused", "returned"}),  # some Pythons have ended the thread by then
        ("task.join(0.01)", {"refused", "returned"}),  # Python 3.14 itself refuses this
        ("handler.async_result().get()", {"refused"}),
        ("handler.async_result().wait(0.01)", {"refused", "returned"}),  # Python 3.15 refuses it
        ("handler.spawn(int)", {"refused"}),
    ],
)
def test_c4_a_finalizer_that_runs_when_no_thread_runs_any_more(
    call: str, outcomes: set[str]
) -> None:
    program = f"""
        import os, threading
        from handler_core import Callback, get_handler

        handler = get_handler("threading")
        handler.start()
        idle = threading.Event()
        handler.dispatch_callback(Callback("test", idle.set, ()))
        idle.wait()
        task = handler.spawn(threading.Event().wait)
        last = Callback("test", os.write, (1, b"last "))

        class Client:
            def __del__(self, handler=handler, task=task, last=last, write=os.write):
                try:
                    {call}
                except RuntimeError as error:
                    assert "interpreter" in str(error), error
                    write(1, b"refused")
                else:
                    write(1, b"returned")

        client = Client()
    """
    assert run(program) in outcomes
