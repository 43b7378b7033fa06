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
