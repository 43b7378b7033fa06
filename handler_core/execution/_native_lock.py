"""The re-entrant lock of OS threads, which a ``with`` block always gives back.

CPython 3.14 runs signal handlers between the end of a lock's ``__enter__`` and the beginning of the
``with`` block (https://github.com/python/cpython/issues/148874). If a signal handler raises there,
as that of Ctrl-C does, the lock stays locked, and every thread that needs it waits for ever. Older
and newer versions run no signal handler there.

It is native in a patched process too. The green ``threading.RLock`` of such a process is Python
code. A signal handler may come in the midst of that, when the lock is taken and has no owner yet.
If it wants the lock, it waits for the very task that it interrupts, for ever. The tasks of one
thread all own a native lock together. It excludes none of them, nor must it: none of them lets
another one run while it has the lock.
"""

from __future__ import annotations

import _thread
import sys

__all__ = ["NativeRLock"]

if sys.version_info[:2] == (3, 14):

    class NativeRLock(_thread.RLock):
        """A lock for OS threads, in a patched process too: no library patches ``_thread.RLock``."""

        __slots__ = ()

        def __enter__(self) -> bool:
            # A signal handler that raises in here finds an `except` clause. None runs between the
            # `return` of a Python function and the `with` block.
            depth = self._recursion_count()
            try:
                return self.acquire()
            except BaseException:
                if self._recursion_count() > depth:
                    self.release()
                raise

else:
    NativeRLock = _thread.RLock
