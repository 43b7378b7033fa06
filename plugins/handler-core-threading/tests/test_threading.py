"""What the plugin imports, and when."""

import subprocess
import sys


def test_the_green_wing_is_imported_in_a_patched_process_only() -> None:
    program = (
        "import sys; from handler_core import get_handler; "
        "get_handler('threading').spawn(print, end='').join(); "
        "print('handler_core.green' in sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "False\n"


def test_a_process_whose_threads_a_debugger_follows_is_not_patched() -> None:
    program = """
import _thread, sys
start = _thread.start_new_thread
def followed(*args, **kwargs):
    return start(*args, **kwargs)
_thread.start_new_thread = followed
import threading
threading._start_new_thread = followed
from handler_core import get_handler
with get_handler('threading') as handler:
    handler.spawn(print, 'spawned').join()
print('handler_core.green' in sys.modules)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "spawned\nFalse\n"
