"""What the tests of connections share."""

from __future__ import annotations

import _socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.certificates import Certificates
from handler_core.testing._contract_tests.resolver import Resolver
from handler_core.testing._open_descriptors import open_descriptors
from handler_core.testing._suite import Suite

__all__ = ["ConnectionSuite"]


class ConnectionSuite(Suite):
    """Fixtures for the tests of connections."""

    @pytest.fixture
    def certificates(self, tmp_path: Path) -> Certificates:
        """Return certificates for a server, and the authority that a client must trust."""
        return Certificates(tmp_path)

    @pytest.fixture
    def no_descriptor_left(self, handler: Handler) -> Iterator[None]:
        """Check that the test closes every descriptor that it opens."""
        # A model may open something once, at its first use. Let it do so before the count.
        self.drained(handler)
        before = open_descriptors()
        yield
        assert open_descriptors() <= before, "a descriptor is left open"

    @pytest.fixture
    def resolver(self, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resolver]:
        """Replace the resolver of the model's socket module and that of the system below it."""
        resolver = Resolver(handler)
        monkeypatch.setattr(handler.socket_module, "getaddrinfo", resolver.answer_task)
        monkeypatch.setattr(_socket, "getaddrinfo", resolver.answer_thread)
        yield resolver
        resolver.release()
        resolver.close()

    def echoes(self, connection: Any) -> None:
        """Check that the other end of a connection echoes."""
        connection.sendall(b"echo")
        received = b""
        while len(received) < 4:
            received += connection.recv(4)
        assert received == b"echo"
