"""C18: look-ups, and names with several addresses."""

from __future__ import annotations

import errno
import os
import socket
import time
from typing import Any

import pytest

from handler_core import Handler
from handler_core.testing._contract_tests.certificates import Certificates
from handler_core.testing._contract_tests.connection_helpers import ConnectionSuite
from handler_core.testing._contract_tests.resolver import Resolver, address_info
from handler_core.testing._contract_tests.silent_address import silent_address
from handler_core.testing._time_limits import LIMIT
from handler_core.testing.echo_server import running_server

__all__ = ["LookUpTests"]


class LookUpTests(ConnectionSuite):
    """C18: look-ups, and names with several addresses."""

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_the_deadline_covers_the_look_up(
        self, handler: Handler, resolver: Resolver
    ) -> None:
        """A resolver that does not answer costs the timeout and no more."""
        with pytest.raises(TimeoutError):
            handler.create_connection(("slow.invalid", 1), timeout=0.05)
        assert not resolver.released

    def test_c18_a_look_up_lets_other_tasks_run(self, handler: Handler, resolver: Resolver) -> None:
        """The resolver answers after another task has run for a while."""
        with running_server() as server:
            resolver.found = [address_info(server.address)]

            def tick_and_release() -> None:
                for _ in range(20):
                    handler.sleep_func(0.001)
                resolver.release()

            task = handler.spawn(tick_and_release)
            with self.woken(
                lambda timeout: handler.create_connection(
                    ("slow.invalid", server.address[1]), timeout=timeout
                )
            ) as connection:
                self.echoes(connection)
            self.ended(task)

    @pytest.mark.usefixtures("no_descriptor_left")
    @pytest.mark.parametrize("use_ssl", [False, True], ids=["plain", "TLS"])
    def test_c18_the_addresses_are_tried_one_after_the_other(
        self,
        handler: Handler,
        certificates: Certificates,
        monkeypatch: pytest.MonkeyPatch,
        resolver: Resolver,
        use_ssl: bool,
    ) -> None:
        """The first few refuse or are unreachable, as far as this machine can try them."""
        module = handler.socket_module

        class Unreachable(module.socket):  # type: ignore[misc, name-defined]
            def connect(self, address: Any) -> None:
                if address[:2] == ("127.0.0.1", 1):
                    raise OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
                super().connect(address)

        certificate = certificates.issue("localhost") if use_ssl else None
        tls: dict[str, Any] = {"use_ssl": use_ssl, "ca": certificates.authority}
        with running_server(certificate=certificate) as server, socket.socket() as deaf:
            deaf.bind(("127.0.0.1", 0))
            monkeypatch.setattr(module, "socket", Unreachable)
            refusing = [address_info(deaf.getsockname())] * 3
            others = [address_info(("::1", 1)), address_info(("127.0.0.1", 1))]
            resolver.found = [*others, *refusing, address_info(server.address)]
            resolver.release()
            for timeout in (LIMIT, None):
                with handler.create_connection(
                    ("many.invalid", server.address[1]),
                    timeout=timeout,
                    hostname="localhost",
                    **tls,
                ) as connection:
                    assert connection.getpeername() == server.address
                    assert connection.gettimeout() == timeout
                    self.echoes(connection)
            resolver.found.pop()
            with pytest.raises(ConnectionRefusedError):
                handler.create_connection(("many.invalid", 1), timeout=LIMIT, **tls)

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_an_address_that_does_not_answer_leaves_time_for_the_next(
        self, handler: Handler, resolver: Resolver
    ) -> None:
        """If the first address had all the time, no timeout would be long enough."""
        with silent_address() as silent, socket.create_server(("127.0.0.1", 0)) as listener:
            resolver.found = [address_info(silent), address_info(listener.getsockname())]
            resolver.release()
            for timeout in (0.2, 2, LIMIT):  # the longer ones are for a busy machine
                try:
                    connection = handler.create_connection(("two.invalid", 1), timeout=timeout)
                except TimeoutError:
                    continue
                with connection:
                    assert connection.getpeername() == listener.getsockname()
                    assert connection.gettimeout() == timeout
                break
            else:
                pytest.fail("the first address has all the time")

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_each_step_has_what_the_earlier_ones_left(
        self,
        handler: Handler,
        certificates: Certificates,
        monkeypatch: pytest.MonkeyPatch,
        resolver: Resolver,
    ) -> None:
        """Look-up, connect and handshake share one timeout. The first two are slow here."""
        given: list[float] = []

        class SlowSocket(handler.socket_module.socket):  # type: ignore[misc, name-defined]
            def connect(self, address: Any) -> None:
                given.append(self.gettimeout())
                super().connect(address)
                handler.sleep_func(0.2)

        took: list[float] = []
        with running_server(certificate=certificates.issue("localhost"), hold=True) as server:
            monkeypatch.setattr(handler.socket_module, "socket", SlowSocket)
            resolver.found = [address_info(server.address)]
            resolver.patience = 0.2
            for _ in range(10):  # several times, for a busy machine
                begun = time.monotonic()
                with pytest.raises(TimeoutError):
                    handler.create_connection(
                        ("slow.invalid", server.address[1]),
                        timeout=0.5,
                        use_ssl=True,
                        ca=certificates.authority,
                        hostname="localhost",
                    )
                took.append(time.monotonic() - begun)
                if took[-1] < 0.7:
                    break
        assert max(given, default=0) <= 0.3, "connect is given more than what is left"
        assert min(took) < 0.7, "the handshake is given more than what is left"

    @pytest.mark.usefixtures("no_descriptor_left")
    def test_c18_what_comes_after_the_deadline_is_too_late(
        self, handler: Handler, resolver: Resolver
    ) -> None:
        """A late look-up fails, even if its address would answer at once."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            resolver.found = [address_info(listener.getsockname())]
            resolver.patience = 0.1
            with pytest.raises(TimeoutError):
                handler.create_connection(("slow.invalid", 1), timeout=0.05)

    def test_c18_a_look_up_that_outlasts_the_program_says_nothing(self) -> None:
        """Its connection has timed out, and the program, or its loop, ends before the answer."""
        printed = self.run_script(
            """
            import _socket, contextlib, socket
            answer, (deaf, _mute) = _socket.getaddrinfo, _socket.socketpair()
            deaf.settimeout(0.5)
            def answer_late(host, port, family=0, type=0, proto=0, flags=0):
                if not flags & socket.AI_NUMERICHOST:
                    with contextlib.suppress(TimeoutError):
                        deaf.recv(1)
                return answer(host, port, family, type, proto, flags)
            _socket.getaddrinfo = socket.getaddrinfo = answer_late
            with handler:
                try:
                    handler.create_connection(("slow.invalid", 1), timeout=0.05)
                except OSError as error:
                    print("no connection")
            """
        )
        assert printed == "no connection\n"
