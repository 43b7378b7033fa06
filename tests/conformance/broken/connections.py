"""Handlers that break C18."""

from __future__ import annotations

import errno
import os
import socket
import ssl
import threading
import time
import types
from typing import Any

import gevent.socket
from handler_core_gevent import SequentialGeventHandler
from handler_core_threading import SequentialThreadingHandler

import handler_core
from broken.base import Threads, found_by
from handler_core.network import Connection, _connect
from handler_core.network._socket_mixin import SocketMixin

# C18


@found_by("test_c18_a_connection_with_the_context_of_the_caller")
class C18TrustsEverybody(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if tls.get("check_hostname"):
            return super().create_connection(address, timeout, **tls)
        return super().create_connection(address, timeout, **(tls | {"verify_certs": False}))


@found_by("test_c18_nobody_listens")
class C18LeaksWhatFails(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        try:
            return super().create_connection(address, timeout, **tls)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
            raise


@found_by("test_c18_create_connection")
class C18WaitsToSendMore(Threads):
    """Switches ``TCP_NODELAY`` off."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        return connection


@found_by("test_c18_create_connection")
class C18IsInherited(Threads):
    """Lets child processes inherit the connection."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        connection.set_inheritable(True)
        return connection


@found_by("test_c18_create_connection")
class C18KnowsNoDeadline(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        return super().create_connection(address, None, **tls)


@found_by("test_c18_a_connect_lets_other_tasks_run")
class C18RaisesTheBuiltinAlone(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        try:
            return super().create_connection(address, timeout, **tls)
        except TimeoutError as error:
            raise TimeoutError(*error.args) from None


@found_by("test_c18_a_busy_unix_server")
class C18BlocksTheHub(SequentialGeventHandler):
    """Connects with the standard library's sockets."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        handler = SequentialThreadingHandler()
        return handler.create_connection(address, timeout, **tls)


@found_by("test_c18_a_connection_with_the_context_of_the_caller")
class C18ChecksNoNameUnlessGiven(Threads):
    """Checks the certificate's name only for a given ``hostname``, and not for the address's."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if "hostname" not in tls and tls.get("verify_certs", True):
            tls.setdefault("check_hostname", False)
        return super().create_connection(address, timeout, **tls)


@found_by("test_c18_unix_sockets")
class C18ChecksNoAddresses(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if tls.get("hostname", address[0]) == "127.0.0.1" and tls.get("verify_certs", True):
            tls.setdefault("check_hostname", False)
        return super().create_connection(address, timeout, **tls)


@found_by("test_c18_tls_over_a_unix_socket")
class C18WaitsToSendMoreWithTls(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        if tls.get("use_ssl"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        return connection


@found_by("test_c18_tls")
class C18IsInheritedWithTls(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        connection.set_inheritable("use_ssl" in tls)
        return connection


@found_by("test_c18_the_addresses_are_tried_one_after_the_other")
class C18TlsAlwaysHasATimeout(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        connection = super().create_connection(address, timeout, **tls)
        if timeout is None and tls.get("use_ssl"):
            connection.settimeout(60)
        return connection


@found_by("test_c18_a_connect_lets_other_tasks_run")
class C18HandshakeHasATimeoutOfItsOwn(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        def select(rlist: Any, wlist: Any, xlist: Any, _: Any) -> Any:
            return self.select(rlist, wlist, xlist, timeout)

        return _connect.connect(
            self.socket_module,
            address,
            timeout,
            self.look_up,
            select,
            self.connection_class,
            **tls,
        )


class _OneByOne(Threads):
    """Tries the addresses of a name itself, one by one. Subclasses make one mistake in it."""

    def addresses(self, infos: Any, tls: Any) -> Any:
        return infos

    def is_hopeless(self, error: OSError) -> bool:
        return isinstance(error, ssl.SSLError)

    def share(self, seconds: float, addresses: int) -> float:
        return seconds / addresses

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if not address[0].endswith(".invalid"):
            return super().create_connection(address, timeout, **tls)
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            infos = self.addresses(self.look_up(*address, timeout), tls)
        except handler_core.HandlerTimeoutError:
            raise TimeoutError from None
        while True:
            left = None if deadline is None else max(0, deadline - time.monotonic())
            try:
                connection = super().create_connection(
                    infos[0][4], left and self.share(left, len(infos)), **tls
                )
            except OSError as error:
                infos = infos[1:]
                if not infos or self.is_hopeless(error):
                    raise
            else:
                connection.settimeout(timeout)
                return connection


@found_by("test_c18_unix_sockets")
class C18FirstAddressHasAllTheTime(_OneByOne):
    def share(self, seconds: float, addresses: int) -> float:
        return seconds


@found_by("test_c18_unix_sockets")
class C18TriesThreeAddresses(_OneByOne):
    def addresses(self, infos: Any, tls: Any) -> Any:
        return infos[:3]


@found_by("test_c18_unix_sockets")
class C18TriesOneAddressWithTls(_OneByOne):
    def addresses(self, infos: Any, tls: Any) -> Any:
        return infos[:1] if tls.get("use_ssl") else infos


@found_by("test_c18_unix_sockets")
class C18StopsAtWhatCannotBeReached(_OneByOne):
    def is_hopeless(self, error: OSError) -> bool:
        return super().is_hopeless(error) or error.errno == errno.EHOSTUNREACH


@found_by("test_c18_a_connect_lets_other_tasks_run")
class C18ConnectBlocksTheHub(SequentialGeventHandler):
    """Blocks the hub while it connects, but not in the look-up and the handshake."""

    class _Socket(gevent.socket.socket):
        def connect(self, address: Any) -> None:
            with socket.socket(fileno=os.dup(self.fileno())) as plain:
                plain.settimeout(self.gettimeout())
                try:
                    plain.connect(address)
                finally:
                    plain.setblocking(False)

    socket_module: Any = types.ModuleType(gevent.socket.__name__)
    vars(socket_module).update(vars(gevent.socket), socket=_Socket)


@found_by("test_c18_what_is_no_error_of_the_system_leaves_nothing_open_either")
class C18LeaksWhatIsKilled(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        try:
            return super().create_connection(address, timeout, **tls)
        except Exception:
            raise
        except BaseException:
            os.open(os.devnull, os.O_RDONLY)
            raise


@found_by("test_c18_nobody_listens")
class C18LeaksIfAuthoritiesAreMissing(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        try:
            return super().create_connection(address, timeout, **tls)
        except FileNotFoundError:
            os.open(os.devnull, os.O_RDONLY)
            raise


@found_by("test_c18_options_of_tls")
class C18KeepsItsCertificateToItself(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        return super().create_connection(address, timeout, **(tls | {"certfile": None}))


@found_by("test_c18_options_of_tls")
class C18IgnoresCiphersAndOptions(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        tls |= {"ciphers": None, "options": None}
        return super().create_connection(address, timeout, **tls)


@found_by("test_c18_create_connection")
class C18CannotLookAhead(Threads):
    """Makes connections without ``pending``."""

    connection_class = SocketMixin


@found_by("test_c18_before_start_and_after_stop")
class C18ConnectsWhileItRuns(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if not self.running:
            raise RuntimeError("not started")
        return super().create_connection(address, timeout, **tls)


@found_by("test_c18_socket")
class C18MakesSocketsThatAreInherited(Threads):
    def socket(self) -> Any:
        sock = super().socket()
        sock.set_inheritable(True)
        return sock


@found_by("test_c18_a_look_up_that_outlasts_the_program_says_nothing")
class C18LateLookUpsComplain(Threads):
    """A look-up that fails after its connection has timed out prints its traceback."""

    def look_up(self, host: Any, port: Any, timeout: float | None) -> Any:
        result: Any = handler_core.AsyncResult(self)
        in_time = True

        def ask() -> None:
            try:
                result.set(socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM))
            except OSError as error:
                result.set_exception(error)
                if not in_time:
                    raise

        threading.Thread(target=ask).start()
        try:
            return result.get(timeout=timeout)
        except handler_core.HandlerTimeoutError:
            in_time = False
            raise


@found_by("test_c18_the_handshake_of_a_library_lets_other_tasks_run")
class C18ContextBlocksTheHub(SequentialGeventHandler):
    """Gives libraries a context of the standard library."""

    def ssl_context(self, *, ca: Any = None, **options: Any) -> Any:
        return SequentialThreadingHandler().ssl_context(ca=ca, **options)


@found_by("test_c18_a_context_checks_the_server")
class C18ContextTrustsEverybody(Threads):
    def ssl_context(self, **options: Any) -> Any:
        if options.get("check_hostname"):
            return super().ssl_context(**options)
        return super().ssl_context(**(options | {"verify_certs": False}))


@found_by("test_c18_nothing_is_lost_before_tls")
class C18LosesWhatWasSentBeforeTls(Threads):
    """Keeps what it sends, and gives the descriptor away without it."""

    class _Late(Connection):
        _kept = b""

        def send(self, data: Any, flags: int = 0) -> int:
            self._kept += bytes(data)
            return len(data)

        def sendall(self, data: Any, flags: int = 0) -> None:
            kept, self._kept = self._kept, b""
            socket.socket.sendall(self, kept + bytes(data), flags)  # type: ignore[arg-type]

    connection_class: Any = _Late


@found_by("test_c18_unix_sockets")
class C18KnowsNoPaths(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        host, port = address
        return super().create_connection((host, port), timeout, **tls)


@found_by("test_c18_where_a_connection_comes_from")
class C18ComesFromAnywhere(Threads):
    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if isinstance(address, tuple):
            tls.pop("source_address", None)
        return super().create_connection(address, timeout, **tls)


@found_by("test_c18_a_connection_with_the_context_of_the_caller")
class C18MakesItsOwnContext(Threads):
    """Trusts the authorities of the system, whatever context the caller gives."""

    def create_connection(self, address: Any, timeout: Any = None, **tls: Any) -> Any:
        if tls.pop("ssl_context", None) is not None:
            tls["use_ssl"] = True
        return super().create_connection(address, timeout, **tls)


@found_by("test_c18_unix_sockets")
class C18TakesTheRestOfAPort(Threads):
    """Connects to the lower 16 bits of a port that is too large."""

    class _Socket(socket.socket):
        def connect(self, address: Any) -> None:
            host, port = address[:2]
            super().connect((host, port % 65_536, *address[2:]))

    socket_module: Any = types.ModuleType(socket.__name__)
    vars(socket_module).update(vars(socket), socket=_Socket)
