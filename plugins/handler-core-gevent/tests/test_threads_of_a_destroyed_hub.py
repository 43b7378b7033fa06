"""Threads of a process that gevent has patched end with the hub that runs them."""

from __future__ import annotations

from handler_core.testing import Suite

PROGRAM = """
import gevent

handler.start()
ran = handler.event_object()
handler.dispatch_callback(Callback("test", ran.set, ()))
ran.wait()
task = handler.spawn(handler.sleep_func, 1000)
gevent.get_hub().destroy(destroy_loop=True)
task.join()
print(task.is_alive())
try:
    handler.stop()
except RuntimeError as error:
    print("its workers with it" in str(error))
handler.start()
handler.dispatch_callback(Callback("test", print, ("again",)))
handler.stop()
"""


class TestThreadsOfADestroyedHub(Suite):
    handler_name = "threading"
    prelude = "from gevent import monkey; monkey.patch_all()"

    def test_c4_no_call_waits_for_them(self) -> None:
        assert self.run_script(PROGRAM) == "False\nTrue\nagain\n"
