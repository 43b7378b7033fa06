"""An address that answers nobody, for the tests of connect."""

from __future__ import annotations

import _socket
import contextlib
import socket
from collections.abc import Iterator

import pytest

__all__ = ["silent_address"]


@contextlib.contextmanager
def silent_address() -> Iterator[tuple[str, int]]:
    """Yield an address of this machine that does not answer a connect.

    It belongs to a listener that has as many connections waiting as it takes. The system drops the
    packets of any further one.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        for _ in range(8):
            # A socket of no library; its connect blocks the thread for a moment.
            filler = _socket.socket()
            stack.callback(filler.close)
            filler.settimeout(0.05)
            try:
                filler.connect(address)
            except TimeoutError:
                break
        else:
            pytest.skip("this system takes any number of connections")
        yield address
