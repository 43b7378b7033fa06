"""Connections: name look-up, connect and TLS, under one deadline.

Everything here works on a *socket module*, ``socket`` or one with its names (``gevent.socket``,
``eventlet.green.socket``), so all waiting is done in the model's way. TLS uses the module ``ssl``
of the same package. kazoo, in comparison, connects to the first address only, gives each step the
whole timeout, and stops the event loop during the TLS handshake.
"""

from __future__ import annotations

import errno
import functools
import inspect
import math
import os
import socket
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from handler_core.network._connection import Connection
from handler_core.network._deadline import Deadline
from handler_core.network._resolver import (
    LookUp,
    look_up_in_module,
    look_up_in_thread,
    resolve,
)
from handler_core.network._select import poll_select
from handler_core.network._socket_mixin import ClosingSocket, SocketMixin, mixed_socket
from handler_core.network._socket_module import sibling_module
from handler_core.network._tls import ClientTLS, Select, client_tls

__all__ = ["Address", "connect", "create_tcp_connection", "create_tcp_socket"]

#: Host and port, or the path of a Unix socket.
Address: TypeAlias = "tuple[Any, ...] | str | bytes | os.PathLike[Any]"

# How long to wait, in seconds, for a Unix server whose queue is full. The kernel does not tell.
_PAUSE = 0.01


def create_tcp_socket(module: ModuleType = socket) -> Any:
    """Return a new IPv4 TCP socket of ``module``, with ``TCP_NODELAY`` and close-on-exec."""
    sock = _with_mixin(module, ClosingSocket)(module.AF_INET, module.SOCK_STREAM)
    _set_options(module, sock)
    return sock


def _with_mixin(module: ModuleType, mixin: type) -> Any:
    """Return what makes a socket of the module with a mixin."""
    # It is no class if somebody has patched the module with a function. Then there is no mixin.
    if not inspect.isclass(module.socket) or (
        mixin is ClosingSocket and issubclass(module.socket, SocketMixin)
    ):
        return module.socket
    return functools.partial(mixed_socket, mixin, module.socket)


def _set_options(module: ModuleType, sock: Any) -> None:
    # Python itself sets close-on-exec (PEP 446).
    sock.setsockopt(module.IPPROTO_TCP, module.TCP_NODELAY, 1)


def create_tcp_connection(
    module: ModuleType, address: Address, timeout: float | None = None, **options: Any
) -> Any:
    """Connect to ``address``, with TLS if asked for, and return the socket.

    The name is looked up, and its addresses are tried in turn until one answers: IPv6 and IPv4, in
    the order in which the system returns them. ``timeout`` limits everything together. While
    further addresses are left, an address that does not answer gets an equal share of the time
    that remains.

    Args:
        module: the socket module to use: ``socket``, or that of a green model.
        address: host and port. A text, bytes or an ``os.PathLike`` is the path of a Unix socket;
            it begins with a NUL character if it is an abstract name.
        timeout: seconds for everything together. None is the module's default timeout if one
            is set, and otherwise no limit. The socket keeps it for its later operations.
        options: ``source_address`` (host and port to connect from; 0 is any port), and those of
            TLS: ``use_ssl`` (default false), ``ssl_context`` (an ``ssl.SSLContext`` to use; it
            switches TLS on, and only ``hostname`` may go with it), ``ca`` (a file or a folder of
            certificates; default: those of the system), ``certfile``, ``keyfile`` and
            ``keyfile_password`` (for a server that asks for the client's certificate),
            ``verify_certs`` (default true), ``check_hostname`` (default: as ``verify_certs``),
            ``hostname`` (the name to check and to ask for; default: the host of ``address``),
            ``options`` (of the ``SSLContext``), ``ciphers``.

    Returns:
        A connected socket, with close-on-exec set, and ``TCP_NODELAY`` unless it is a Unix socket.
        With or without TLS it has ``pending()``: the number of bytes that a ``recv`` would return
        at once. Without TLS it is a :class:`~handler_core.network.Connection`.

    Raises:
        TimeoutError: the time was over.
        ssl.SSLError: the server's certificate or name is not what it should be
            (``SSLCertVerificationError``), or TLS could not be agreed upon.
        OSError: no address could be reached. It is the last one's error, with the others as notes.
        ValueError: options contradict each other, or the timeout is negative.
        TypeError: ``ssl_context`` is none that a socket of ``module`` can use.

    On any failure nothing is left open.
    """
    look_up: LookUp = look_up_in_thread
    if module is not socket:
        look_up = functools.partial(look_up_in_module, module)
    select = functools.partial(poll_select, select_module=sibling_module(module, "select"))
    return connect(module, address, timeout, look_up, select, Connection, **options)


def connect(
    module: ModuleType,
    address: Address,
    timeout: float | None,
    look_up: LookUp,
    select: Select,
    connection_class: type,
    clock: Callable[[], float] = time.monotonic,
    *,
    source_address: tuple[Any, ...] | None = None,
    **tls_options: Any,
) -> Any:
    """Do what :func:`create_tcp_connection` does, with functions of the caller's.

    ``look_up`` looks the name up, and ``select`` waits for the server in the TLS handshake.
    ``connection_class`` is the mixin for the module's sockets. ``clock`` tells the time in seconds.
    """
    if timeout is None:
        timeout = module.getdefaulttimeout()
    if timeout is not None and math.isinf(timeout) and timeout > 0:
        timeout = None
    if isinstance(address, (str, bytes, os.PathLike)):
        path, host = os.fspath(address), None
        purpose = f"connecting to {path!r}"
    else:
        path, (host, port) = None, _checked_pair(address, "an address")
        purpose = f"connecting to {host}:{port}"
    deadline = Deadline(timeout, purpose, clock)
    # The context is made first, so that wrong options are reported before anything is opened.
    tls = client_tls(module, host, **tls_options)
    opener = _Opener(module, connection_class, tls, timeout, deadline, select)
    if path is None:
        sources = _look_up_source(source_address, deadline, look_up)
        return _connect_by_name(host, port, opener, sources, look_up)
    if source_address is not None:
        raise ValueError("source_address is for TCP, and not for the path of a Unix socket")
    return _connect_by_path(path, opener)


def _checked_pair(address: Any, what: str) -> tuple[Any, Any]:
    """Return host and port of an address."""
    if not isinstance(address, (tuple, list)) or len(address) < 2:
        raise TypeError(f"{what} is a pair: write (host, port), not {address!r}")
    host, port = address[0], address[1]
    if isinstance(port, int) and not 0 <= port <= 65535:
        # The C library would take its lower 16 bits.
        raise OverflowError(f"port must be from 0 to 65535, not {port}")
    return host, port


class _Opener(NamedTuple):
    """Makes the sockets of one call, one for each address that it tries."""

    module: Any
    connection_class: type
    tls: ClientTLS | None
    timeout: float | None
    deadline: Deadline
    select: Select

    def open(self, family: Any, kind: Any, protocol: int, connect: Callable[[Any], object]) -> Any:
        """Return a new socket that ``connect`` has connected, after the handshake.

        On any failure nothing is left open.
        """
        mixed = self.tls is None
        new_socket = (
            _with_mixin(self.module, self.connection_class) if mixed else self.module.socket
        )
        sock = new_socket(family, kind, protocol)
        try:
            connect(sock)
            if self.tls is not None:
                sock = self.tls.wrap(sock)
                self.tls.do_handshake(sock, self.deadline, self.select)
            sock.settimeout(self.timeout)
        except BaseException:
            sock.close()
            raise
        return sock


def _connect_by_path(path: str | bytes, opener: _Opener) -> Any:
    """Return a socket that is connected to a Unix socket."""

    def connect(sock: Any) -> None:
        sock.setblocking(False)
        while True:
            try:
                sock.connect(path)
            except BlockingIOError:
                left = opener.deadline.remaining()
                opener.select([], [], [], _PAUSE if left is None else min(left, _PAUSE))
            else:
                # eventlet's sockets stay non-blocking until this call.
                sock.setblocking(True)
                return

    try:
        return opener.open(opener.module.AF_UNIX, opener.module.SOCK_STREAM, 0, connect)
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            error.add_note(f"(there is no Unix socket {path!r}; for TCP, write (host, port))")
        raise


def _connect_by_name(
    host: Any, port: Any, opener: _Opener, sources: dict[Any, Any] | None, look_up: LookUp
) -> Any:
    """Return a socket that is connected to the first address that answers."""
    deadline = opener.deadline
    infos = resolve(host, port, deadline, look_up)
    errors: list[OSError] = []
    for position, (family, kind, protocol, _, sockaddr) in enumerate(infos):
        if deadline.is_over():
            break

        def connect(sock: Any, address: Any = sockaddr, rest: int = len(infos) - position) -> None:
            sock.settimeout(deadline.remaining(rest))
            if sources is not None:
                if sock.family not in sources:
                    raise OSError(errno.EADDRNOTAVAIL, "source_address is of another family")
                sock.bind(sources[sock.family])
            sock.connect(address)
            _set_options(opener.module, sock)

        try:
            return opener.open(family, kind, protocol, connect)
        except OSError as error:
            if opener.tls is not None and opener.tls.has_failed(error):
                raise  # A server has answered. Another address would not mend its certificate.
            error.add_note(f"(address {sockaddr[0]})")
            errors.append(error)
    try:
        raise _connect_error(host, errors, deadline)
    finally:
        errors.clear()  # The errors refer to this frame, and it refers to them.


def _look_up_source(
    source_address: tuple[Any, ...] | None, deadline: Deadline, look_up: LookUp
) -> dict[Any, Any] | None:
    """Return the addresses to connect from, by family; None for any."""
    if source_address is None:
        return None
    host, port = _checked_pair(source_address, "source_address")
    if not host:  # any address of this machine
        return {socket.AF_INET: ("", port), socket.AF_INET6: ("", port)}
    infos = resolve(host, port, deadline, look_up)
    return {family: sockaddr for family, _, _, _, sockaddr in reversed(infos)}


def _connect_error(host: Any, errors: list[OSError], deadline: Deadline) -> OSError:
    """Return the error that says why there is no connection."""
    if deadline.is_over():
        failure: OSError = deadline.error()
    elif errors:
        failure = errors.pop()
    else:
        failure = OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    for earlier in errors:
        failure.add_note(f"also tried: {earlier} {' '.join(earlier.__notes__)}")
    return failure
