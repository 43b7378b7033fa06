"""TCP connections: name look-up, connect and TLS, under one deadline.

Everything here works on a *socket module*, ``socket`` or one that looks like it
(``gevent.socket``, ``eventlet.green.socket``), so that whatever waits, waits in the way of the
model; its TLS is the module ``ssl`` next to it. kazoo connects to the first address only, gives
each step the whole timeout, and lets TLS stop the event loop.
"""

from __future__ import annotations

import _socket
import errno
import functools
import importlib
import inspect
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from handler_core.execution._capture import wrap
from handler_core.execution._result import AsyncResult
from handler_core.execution._timeout import HandlerTimeoutError
from handler_core.network._connection import Connection
from handler_core.network._select import poll_select
from handler_core.network._select_arguments import SelectLists
from handler_core.network._socket_mixin import mixed_socket

__all__ = [
    "AddressInfo",
    "LookUp",
    "Select",
    "connect",
    "create_tcp_connection",
    "create_tcp_socket",
]

#: What ``socket.getaddrinfo`` returns one of: family, type, protocol, name, address.
AddressInfo: TypeAlias = tuple[Any, Any, int, str, Any]

#: Looks up host and port, and gives up after so many seconds with a ``HandlerTimeoutError``.
LookUp: TypeAlias = Callable[[Any, Any, "float | None"], Sequence[AddressInfo]]

#: Waits for sockets, as ``select.select`` does.
Select: TypeAlias = Callable[
    [Sequence[Any], Sequence[Any], Sequence[Any], "float | None"], SelectLists
]


def create_tcp_socket(module: ModuleType = socket) -> Any:
    """Return a new IPv4 TCP socket of ``module``, with ``TCP_NODELAY`` and close-on-exec."""
    return _with_options(module, module.socket(module.AF_INET, module.SOCK_STREAM))


def create_tcp_connection(
    module: ModuleType, address: tuple[Any, ...], timeout: float | None = None, **tls: Any
) -> Any:
    """Connect to ``address``, with TLS if asked for, and return the socket.

    The name is looked up, and each of its addresses tried (IPv6 and IPv4, in the order in which
    the system gives them), until one answers. ``timeout`` is for everything together; while
    there are further addresses, one that does not answer gets its share of what is left.

    Args:
        module: the socket module to use, see above.
        address: host and port.
        timeout: seconds for everything together; None is the module's default timeout, if one
            is set, or else no limit. It stays on the socket, for its later operations.
        tls: ``use_ssl`` (default false), ``ca`` (a file or a folder of certificates; without
            it, those of the system), ``certfile`` and ``keyfile`` and ``keyfile_password`` (what
            to show to a server that asks), ``verify_certs`` (default true), ``check_hostname``
            (default: as ``verify_certs``), ``hostname`` (the name to check and to ask for;
            default: the host of ``address``), ``options`` (of the ``SSLContext``), ``ciphers``.

    Returns:
        A connected socket, with ``TCP_NODELAY`` and close-on-exec set. It has ``pending()``, with
        TLS or without: the number of bytes that a ``recv`` would return at once. Without TLS it is
        a :class:`~handler_core.network.Connection`.

    Raises:
        TimeoutError: the time was over.
        ssl.SSLError: the server's certificate or name is not what it should be
            (``SSLCertVerificationError``), or TLS could not be agreed upon.
        OSError: no address could be reached; the last one's error, with the others as notes.
        ValueError: options that contradict each other, or a negative timeout.

    On any failure nothing is left open.
    """
    look_up: LookUp = _look_up_in_thread
    if module is not socket:
        look_up = functools.partial(_look_up_here, module)
    select = functools.partial(poll_select, select_module=_sibling(module, "select"))
    return connect(module, address, timeout, look_up, select, Connection, **tls)


def connect(
    module: ModuleType,
    address: tuple[Any, ...],
    timeout: float | None,
    look_up: LookUp,
    select: Select,
    connection_class: type,
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
    """Do what :func:`create_tcp_connection` says.

    ``look_up`` runs the name look-up, ``select`` waits for the other side in the handshake, and
    ``connection_class`` extends the module's sockets.
    """
    if not isinstance(address, (tuple, list)) or len(address) < 2:
        raise TypeError(f"an address is a pair: write (host, port), not {address!r}")
    host, port = address[0], address[1]
    if timeout is None:
        timeout = module.getdefaulttimeout()
    if timeout is not None and math.isinf(timeout) and timeout > 0:
        timeout = None
    deadline = _Deadline(timeout, f"connecting to {host}:{port}")
    if isinstance(port, int) and not 0 <= port <= 65535:
        # The C library would take the lower half of it.
        raise OverflowError(f"port must be from 0 to 65535, not {port}")
    context = None
    if use_ssl:
        # Before anything is opened: what the caller got wrong is said at once.
        ssl_module = _sibling(module, "ssl")
        context = _tls_context(
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
    new_socket = module.socket
    if context is None and inspect.isclass(new_socket):  # and nobody has put a function there
        new_socket = functools.partial(mixed_socket, connection_class, new_socket)
    infos = _addresses(host, port, deadline, look_up)
    errors: list[OSError] = []
    for position, (family, kind, protocol, _, sockaddr) in enumerate(infos):
        if deadline.over():
            break
        sock = None
        try:
            sock = new_socket(family, kind, protocol)
            sock.settimeout(deadline.remaining(len(infos) - position))
            sock.connect(sockaddr)
            _with_options(module, sock)
            if context is not None:
                name = hostname if isinstance(hostname, str) else host
                sock = context.wrap_socket(
                    sock, server_hostname=name, do_handshake_on_connect=False
                )
                _shake_hands(ssl_module, sock, deadline, select)
            sock.settimeout(timeout)
        except OSError as error:
            if sock is not None:
                sock.close()
            if context is not None and isinstance(error, ssl_module.SSLError):
                raise  # somebody answered: another address is no cure for a certificate
            error.add_note(f"(address {sockaddr[0]})")
            errors.append(error)
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        else:
            return sock
    try:
        raise _failure(host, errors, deadline)
    finally:
        errors.clear()  # they refer to this frame, which refers to them


def _failure(host: Any, errors: list[OSError], deadline: _Deadline) -> OSError:
    """Return the error that says why there is no connection."""
    if deadline.over():
        failure: OSError = deadline.error()
    elif errors:
        failure = errors.pop()
    else:
        failure = OSError(errno.EADDRNOTAVAIL, f"{host} has no address")
    for earlier in errors:
        failure.add_note(f"also tried: {earlier} {' '.join(earlier.__notes__)}")
    return failure


def _shake_hands(ssl_module: ModuleType, sock: Any, deadline: _Deadline, select: Select) -> None:
    """Do the TLS handshake, within the deadline as a whole.

    The timeout of a green socket is for each read and write of it, of which a server that
    trickles its answer can cause any number.
    """
    sock.setblocking(False)
    while True:
        try:
            sock.do_handshake()
        except ssl_module.SSLWantReadError:
            select([sock], [], [], deadline.remaining())
        except ssl_module.SSLWantWriteError:
            select([], [sock], [], deadline.remaining())
        else:
            # An eventlet one is non-blocking until it is told the opposite in so many words.
            sock.setblocking(True)
            return


class _Deadline:
    """A point in time, for several steps that share one timeout."""

    def __init__(self, timeout: float | None, purpose: str) -> None:
        if timeout is not None and not timeout >= 0:
            raise ValueError(f"timeout must be None or a non-negative number, not {timeout!r}")
        self._timeout = timeout
        self._purpose = purpose
        self._end = None if timeout is None else time.monotonic() + timeout

    def over(self) -> bool:
        return self._end is not None and time.monotonic() >= self._end

    def remaining(self, steps: int = 1) -> float | None:
        """Return the seconds that one of the remaining steps may take, None for no limit."""
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise self.error()
        return left / steps

    def error(self) -> TimeoutError:
        return TimeoutError(
            errno.ETIMEDOUT, f"{self._purpose} took longer than {self._timeout} seconds"
        )


def _addresses(host: Any, port: Any, deadline: _Deadline, look_up: LookUp) -> Sequence[AddressInfo]:
    """Return the addresses of ``host``, without a look-up where it is one already."""
    try:
        return _socket.getaddrinfo(host, port, 0, socket.SOCK_STREAM, 0, socket.AI_NUMERICHOST)
    except socket.gaierror:
        pass

    try:
        return look_up(host, port, deadline.remaining())
    except HandlerTimeoutError:
        raise deadline.error() from None


def _look_up_in_thread(host: Any, port: Any, timeout: float | None) -> Sequence[AddressInfo]:
    """Look up in a thread of its own: the C library's resolver knows no deadline."""
    question = (host, port, 0, socket.SOCK_STREAM)
    if timeout is None:
        return socket.getaddrinfo(*question)
    result: AsyncResult[Sequence[AddressInfo]] = AsyncResult()
    threading.Thread(target=wrap(result)(socket.getaddrinfo), args=question, daemon=True).start()
    return result.get(timeout=timeout)


def _look_up_here(
    module: ModuleType, host: Any, port: Any, timeout: float | None
) -> Sequence[AddressInfo]:
    """Look up by a green module, which lets other tasks run meanwhile."""
    infos: Sequence[AddressInfo] = module.getaddrinfo(host, port, 0, module.SOCK_STREAM)
    return infos


def _sibling(module: ModuleType, name: str) -> ModuleType:
    """Return the module next to a socket module: ``gevent.ssl`` for ``gevent.socket``."""
    package = module.__name__.rpartition(".")[0]
    return importlib.import_module(f"{package}.{name}" if package else name)


def _tls_context(
    ssl_module: ModuleType,
    *,
    ca: str | None,
    certfile: str | None,
    keyfile: str | None,
    keyfile_password: str | None,
    verify_certs: bool,
    check_hostname: bool,
    options: int | None,
    ciphers: str | None,
) -> Any:
    if check_hostname and not verify_certs:
        raise ValueError("check_hostname=True needs verify_certs=True: an unverified name is none")
    if keyfile is not None and certfile is None:
        raise ValueError("keyfile is given without certfile: a key needs its certificate")
    context = ssl_module.SSLContext(ssl_module.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.verify_mode = ssl_module.CERT_REQUIRED if verify_certs else ssl_module.CERT_NONE
    if ca is None:
        context.load_default_certs()
    elif os.path.isdir(ca):
        context.load_verify_locations(capath=ca)
    else:
        context.load_verify_locations(cafile=ca)
    if certfile is not None:
        context.load_cert_chain(
            certfile, keyfile, _no_password if keyfile_password is None else keyfile_password
        )
    if options is not None:
        context.options |= options
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


def _no_password() -> str:
    """Stand in for OpenSSL's own way, which is to ask at the terminal."""
    raise ValueError("the key is encrypted: give keyfile_password")


def _with_options(module: ModuleType, sock: Any) -> Any:
    # Close-on-exec is Python's own default (PEP 446).
    sock.setsockopt(module.IPPROTO_TCP, module.TCP_NODELAY, 1)
    return sock
