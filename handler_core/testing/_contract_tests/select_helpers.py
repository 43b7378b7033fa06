"""What the tests of select share."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator

import pytest

from handler_core.testing._suite import Suite

__all__ = ["SelectSuite"]


class SelectSuite(Suite):
    """Fixtures for the tests of select."""

    @pytest.fixture
    def pair(self) -> Iterator[tuple[socket.socket, socket.socket]]:
        """Yield two connected plain sockets."""
        first, second = socket.socketpair()
        with first, second:
            yield first, second

    @pytest.fixture
    def pipe(self) -> Iterator[tuple[io.FileIO, io.FileIO]]:
        """Yield the two ends of a pipe as files, which close at once.

        ``os.close`` would not do where gevent has patched it: it closes in gevent's next turn.
        """
        read, write = os.pipe()
        with io.FileIO(read) as reader, io.FileIO(write, "w") as writer:
            yield reader, writer
