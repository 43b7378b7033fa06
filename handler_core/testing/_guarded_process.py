"""A child process that never outlives its maker.

The shell that becomes the process first starts a guard process. The guard reads from a pipe that
only the maker's process holds open. The pipe closes however that process ends: also by a signal, or
by ``os._exit``, which a test runner calls on a timeout. Then the guard kills the process and
removes its folder. The kernel's own ``PR_SET_PDEATHSIG`` is no solution. It acts on the death of a
*thread*, so the process would end with the worker thread that started it.
"""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

__all__ = ["GuardedProcess"]

# A line on the pipe means that the process was stopped in good order. The end of the pipe means
# that its maker is gone. `$$` is the process of the shell, and after `exec` that of the command.
# `$0` is the folder.
_UNDER_GUARD = """
exec 3<&0 </dev/null
(read -r line <&3 || { kill -KILL $$; rm -rf "$0"; }) &
exec "$@" 3<&-
"""

_POLL_INTERVAL = 0.02


class GuardedProcess:
    """A running process, with a folder of its own.

    Args:
        folder: where it runs, and what goes with its maker.
        command: the program, and its arguments.
        log: the file that gets what it prints.
        sleep_func: sleeps while this waits for its end.
    """

    def __init__(
        self,
        folder: Path,
        command: Sequence[str | Path],
        log: Path,
        sleep_func: Callable[[float], object] = time.sleep,
    ) -> None:
        self._sleep_func = sleep_func
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603  the shell runs a constant program
                ["/bin/sh", "-c", _UNDER_GUARD, folder, *command],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                # Ctrl-C at the terminal interrupts the maker only, which may still have to stop a
                # client.
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """What the process has returned, negative for a signal; None while it lives."""
        return self._process.poll()

    def stop(self, timeout: float) -> None:
        """End the process, and kill it if it has not ended after ``timeout`` seconds."""
        process = self._process
        process.terminate()
        deadline = time.monotonic() + timeout
        try:
            while process.poll() is None and time.monotonic() < deadline:
                self._sleep_func(_POLL_INTERVAL)
        finally:
            self.kill()

    def kill(self) -> None:
        """Kill the process at once, if it lives."""
        process = self._process
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdin is not None
        if not process.stdin.closed:
            # There is no guard left if all processes of the session were killed.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"\n")
            process.stdin.close()
