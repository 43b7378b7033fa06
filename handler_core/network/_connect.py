"""TCP connections: name look-up, connect and TLS, under one deadline.

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
import socket
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

from handler_core.network._connection import Connection
from handler_core.network._deadline import Deadline
from handler_core.network._resolver import LookUp, look_up_in_module, look_up_in_thread, resolve
from handler_core.network._select import poll_select
from handler_core.network._socket_mixin import ClosingSocket, SocketMixin, add_mixin, mixed_socket
from handler_core.network._socket_module import sibling_module
from handler_core.network._tls import Select, do_handshake, new_tls_context

__all__ = ["connect", "create_tcp_connection", "create_tcp_socket"]


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
    module: ModuleType, address: tuple[Any, ...], timeout: float | None = None, **tls: Any
) -> Any:
    """Connect to ``address``, with TLS if asked for, and return the socket.

    The name is looked up, and its addresses are tried in turn until one answers: IPv6 and IPv4, in
    the order in which the system returns them. ``timeout`` limits everything together. While
    further addresses are left, an address that does not answer gets an equal share of the time
    that remains.

    Args:
        module: the socket module to use: ``socket``, or that of a green model.
        address: host and port.
        timeout: seconds for everything together. None is the module's default timeout if one
            is set, and otherwise no limit. The socket keeps it for its later operations.
        tls: ``use_ssl`` (default false), ``ca`` (a file or a folder of certificates; default:
            those of the system), ``certfile``, ``keyfile`` and ``keyfile_password`` (for a server
            that asks for the client's certificate), ``verify_certs`` (default true),
            ``check_hostname`` (default: as ``verify_certs``), ``hostname`` (the name to check and
            to ask for; default: the host of ``address``), ``options`` (of the ``SSLContext``),
            ``ciphers``.

    Returns:
        A connected socket, with ``TCP_NODELAY`` and close-on-exec set. With or without TLS it has
        ``pending()``: the number of bytes that a ``recv`` would return at once. Without TLS it is
        a :class:`~handler_core.network.Connection`.

    Raises:
        TimeoutError: the time was over.
        ssl.SSLError: the server's certificate or name is not what it should be
            (``SSLCertVerificationError``), or TLS could not be agreed upon.
        OSError: no address could be reached. It is the last one's error, with the others as notes.
        ValueError: options contradict each other, or the timeout is negative.

    On any failure nothing is left open.
    """
    look_up: LookUp = look_up_in_thread
    if module is not socket:
        look_up = functools.partial(look_up_in_module, module)
    select = functools.partial(poll_select, select_module=sibling_module(module, "select"))
    return connect(module, address, timeout, look_up, select, Connection, **tls)


def connect(
    module: ModuleType,
    address: tuple[Any, ...],
    timeout: float | None,
    look_up: LookUp,
    select: Select,
    connection_class: type,
    clock: Callable[[], float] = time.monotonic,
    *,
    hostname: Any = None,
    use_ssl: bool = False,
    ca: str | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    keyfile_password: str | None = None,
    verify_certs: bool = True,
    check_hostname: bool | None = None,
    options: int | None = None,
    ciphers: str | None = None,
) -> Any:
    """Do what :func:`create_tcp_connection` does, with functions of the caller's.

    ``look_up`` looks the name up, and ``select`` waits for the server in the TLS handshake.
    ``connection_class`` is the mixin for the module's sockets. ``clock`` tells the time in seconds.
    """
    if not isinstance(address, (tuple, list)) or len(address) < 2:
        raise TypeError(f"an address is a pair: write (host, port), not {address!r}")
    host, port = address[0], address[1]
    if timeout is None:
        timeout = module.getdefaulttimeout()
    if timeout is not None and math.isinf(timeout) and timeout > 0:
        timeout = None
    deadline = Deadline(timeout, f"connecting to {host}:{port}", clock)
    if isinstance(port, int) and not 0 <= port <= 65535:
        # The C library would take its lower 16 bits.
        raise OverflowError(f"port must be from 0 to 65535, not {port}")
    context = None
    if use_ssl:
        # The context is made first, so that wrong options are reported before anything is opened.
        ssl_module = sibling_module(module, "ssl")
        context = new_tls_context(
            ssl_module,
            ca=ca,
            certfile=certfile,
            keyfile=keyfile,
            keyfile_password=keyfile_password,
            verify_certs=verify_certs,
            check_hostname=verify_certs if check_hostname is None else check_hostname,
            options=options,
            ciphers=ciphers,
        )
    new_socket = module.socket if context else _with_mixin(module, connection_class)
    infos = resolve(host, port, deadline, look_up)
    errors: list[OSError] = []
    for position, (family, kind, protocol, _, sockaddr) in enumerate(infos):
        if deadline.is_over():
            break
        sock = None
        try:
            sock = new_socket(family, kind, protocol)
            sock.settimeout(deadline.remaining(len(infos) - position))
            sock.connect(sockaddr)
            _set_options(module, sock)
            if context is not None:
                name = hostname if isinstance(hostname, str) else host
                sock = context.wrap_socket(
                    sock, server_hostname=name, do_handshake_on_connect=False
                )
                add_mixin(ClosingSocket, sock)
                do_handshake(ssl_module, sock, deadline, select)
            sock.settimeout(timeout)
        except OSError as error:
            if sock is not None:
                sock.close()
            if context is not None and isinstance(error, ssl_module.SSLError):
                raise  # A server has answered. Another address would not mend its certificate.
            error.add_note(f"(address {sockaddr[0]})")
            errors.append(error)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        else:
            return sock
    try:
        raise _connect_error(host, errors, deadline)
    finally:
        errors.clear()  # The errors refer to this frame, and it refers to them.


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
