"""C18: the model's socket module does what ``socket`` does.

Each operation runs with the module ``socket``, in the test itself, and with that of the model, in a
task. The outcome must be the same: the value, or the class of the exception and its ``errno``.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import socket
import sys
import types
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest

from handler_core import Handler
from handler_core.testing._suite import Suite

__all__ = ["SocketModuleTests"]

# What an operation gets: the module, and the address of a server.
_Operation: TypeAlias = Callable[[Any, tuple[str, int]], object]


def _with_socket(
    func: Callable[[Any, tuple[str, int]], object], kind: str = "SOCK_STREAM", closed: bool = False
) -> _Operation:
    """Return an operation that calls ``func`` with a new socket, instead of the module."""

    def operate(module: Any, address: tuple[str, int]) -> object:
        with module.socket(module.AF_INET, getattr(module, kind)) as sock:
            if closed:
                sock.close()
            return func(sock, address)

    return operate


def _connect(change: Callable[[tuple[str, int]], Any]) -> _Operation:
    return _with_socket(lambda sock, address: sock.connect(change(address)))


def _settimeout(value: Any) -> _Operation:
    return _with_socket(lambda sock, address: (sock.settimeout(value), sock.gettimeout()))


def _without_waiting(func: Callable[[Any], object], kind: str = "SOCK_DGRAM") -> _Operation:
    def operate(sock: Any, address: tuple[str, int]) -> object:
        sock.bind(("127.0.0.1", 0))
        if kind == "SOCK_STREAM":
            sock.listen()
        sock.settimeout(0)
        return func(sock)

    return _with_socket(operate, kind)


def _send_datagram(module: Any, host: str, *flags: int) -> bytes:
    with (
        module.socket(module.AF_INET, module.SOCK_DGRAM) as reader,
        module.socket(module.AF_INET, module.SOCK_DGRAM) as writer,
    ):
        reader.bind(("127.0.0.1", 0))
        writer.sendto(b"x", *flags, (host, reader.getsockname()[1]))
        data: bytes = reader.recv(10)
        return data


def _serve(module: Any, host: str, **options: Any) -> tuple[object, ...]:
    with module.create_server((host, 0), **options) as server:
        return (
            isinstance(server, module.socket),
            server.family,
            server.gettimeout(),
            server.getsockopt(module.SOL_SOCKET, module.SO_REUSEADDR) != 0,
        )


def _serve_and_connect(module: Any) -> tuple[object, ...]:
    with module.create_server(("localhost", 0)) as server:
        host, port = server.getsockname()
        with module.create_connection((host, port)) as client, server.accept()[0] as accepted:
            client.sendall(b"x")
            return isinstance(accepted, module.socket), accepted.recv(1)


def _refused(module: Any, **options: Any) -> object:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # it does not listen
        try:
            return module.create_connection(unused.getsockname(), 5, **options)
        except ExceptionGroup as group:
            return [type(error) for error in group.exceptions]


def _pair(module: Any, *args: Any) -> tuple[object, ...]:
    first, second = module.socketpair(*args)
    with first, second:
        first.sendall(b"x")
        return first.family, first.type, first.proto, first.gettimeout(), second.recv(5)


def _from_descriptor(module: Any) -> tuple[object, ...]:
    with socket.socket() as plain, module.fromfd(plain.fileno(), socket.AF_INET, 1) as sock:
        return sock.fileno() != plain.fileno(), sock.family, sock.type, sock.gettimeout()


def _starred(module: Any, address: object) -> set[str]:
    names: dict[str, Any] = {}
    exec(f"from {module.__name__} import *", names)  # noqa: S102  a name of the suite
    return {name for name in socket.__all__ if name not in names}


_OPERATIONS: dict[str, _Operation] = {
    # Connecting.
    "connect": _connect(lambda address: address),
    "connect to a name": _connect(lambda address: ("localhost", address[1])),
    "connect to no host": _connect(lambda address: ("", address[1])),
    "connect to a port that is too large": _connect(lambda at: (at[0], at[1] + 65_536)),
    "connect to a negative port": _connect(lambda address: (address[0], -1)),
    "connect to a port as text": _connect(lambda address: (address[0], str(address[1]))),
    "connect to a name and a port as text": _connect(lambda at: ("localhost", str(at[1]))),
    "connect to a port as a float": _connect(lambda address: (address[0], float(address[1]))),
    "connect to no port": _connect(lambda address: (address[0], None)),
    "connect to a host alone": _connect(lambda address: (address[0],)),
    "connect to nothing": _connect(lambda address: None),
    "connect to a list": _connect(list),
    "connect to a triple": _connect(lambda address: (*address, 0)),
    "connect to a number as host": _connect(lambda address: (1, address[1])),
    "connect a closed socket": _with_socket(lambda sock, at: sock.connect(at), closed=True),
    "connect_ex": _with_socket(lambda sock, address: sock.connect_ex(address)),
    "connect_ex to a port as text": _with_socket(lambda sock, at: sock.connect_ex((at[0], "1"))),
    "create_connection": lambda module, address: module.create_connection(address).close(),
    "create_connection to a port as text": lambda module, at: module.create_connection(
        (at[0], str(at[1]))
    ).close(),
    "create_connection to a host alone": lambda module, at: module.create_connection((at[0],)),
    "create_connection that is refused": lambda module, _: _refused(module),
    "create_connection with all errors": lambda module, _: _refused(module, all_errors=True),
    # Servers.
    "bind to a name": _with_socket(lambda sock, _: sock.bind(("localhost", 0))),
    "bind to a port as text": _with_socket(lambda sock, _: sock.bind(("127.0.0.1", "0"))),
    "bind to a port that is taken": _with_socket(lambda sock, address: sock.bind(address)),
    "create_server": lambda module, _: _serve(module, "127.0.0.1"),
    "create_server with a name": lambda module, _: _serve(module, "localhost", backlog=1),
    "create_server with a shared port": lambda module, _: _serve(module, "", reuse_port=True),
    "create_server with two families": lambda module, _: _serve(module, "", dualstack_ipv6=True),
    "a server and its client": lambda module, _: _serve_and_connect(module),
    "has_dualstack_ipv6": lambda module, _: module.has_dualstack_ipv6(),
    # Timeouts.
    "settimeout of some seconds": _settimeout(1.5),
    "settimeout of a whole number": _settimeout(2),
    "settimeout of None": _settimeout(None),
    "settimeout of a negative number": _settimeout(-1),
    "settimeout of NaN": _settimeout(math.nan),
    "settimeout of infinity": _settimeout(math.inf),
    "settimeout of text": _settimeout("1"),
    "settimeout of a closed socket": _with_socket(lambda sock, _: sock.settimeout(1), closed=True),
    "setblocking of a closed socket": _with_socket(
        lambda sock, _: sock.setblocking(1), closed=True
    ),
    "recv without waiting": _without_waiting(lambda sock: sock.recv(1)),
    "recv_into without waiting": _without_waiting(lambda sock: sock.recv_into(bytearray(1))),
    "recvfrom without waiting": _without_waiting(lambda sock: sock.recvfrom(1)),
    "accept without waiting": _without_waiting(lambda sock: sock.accept(), "SOCK_STREAM"),
    # Sending and receiving.
    "sendto an address": lambda module, _: _send_datagram(module, "127.0.0.1"),
    "sendto a name": lambda module, _: _send_datagram(module, "localhost"),
    "sendto a name with flags": lambda module, _: _send_datagram(module, "localhost", 0),
    "sendto a port as text": _with_socket(
        lambda s, _: s.sendto(b"", ("localhost", "1")), "SOCK_DGRAM"
    ),
    "sendto a large port": _with_socket(lambda s, _: s.sendto(b"", ("", 65_537)), "SOCK_DGRAM"),
    "sendall by a closed socket": _with_socket(lambda sock, _: sock.sendall(b"x"), closed=True),
    "sendall of nothing": _with_socket(lambda sock, _: sock.sendall(b""), closed=True),
    "recv by a closed socket": _with_socket(lambda sock, _: sock.recv(1), closed=True),
    "send of text": _with_socket(lambda sock, _: sock.send("x")),
    # Look-ups.
    "gethostbyname": lambda module, _: module.gethostbyname("localhost"),
    "gethostbyname of an address": lambda module, _: module.gethostbyname("127.0.0.1"),
    "gethostbyname of nothing": lambda module, _: module.gethostbyname(None),
    "gethostbyname_ex": lambda module, _: module.gethostbyname_ex("localhost"),
    "gethostbyaddr": lambda module, _: module.gethostbyaddr("127.0.0.1"),
    "getfqdn": lambda module, _: module.getfqdn("localhost"),
    "getfqdn of this host": lambda module, _: module.getfqdn(),
    "getnameinfo": lambda module, _: module.getnameinfo(("127.0.0.1", 80), 0),
    "getnameinfo in numbers": lambda module, _: module.getnameinfo(
        ("127.0.0.1", 80), module.NI_NUMERICHOST | module.NI_NUMERICSERV
    ),
    "getnameinfo of a name": lambda module, _: module.getnameinfo(("localhost", 80), 0),
    "getaddrinfo": lambda module, _: module.getaddrinfo("localhost", 80, 0, module.SOCK_STREAM),
    "getaddrinfo with a service": lambda module, _: module.getaddrinfo(
        "127.0.0.1", "http", proto=module.IPPROTO_TCP
    ),
    # The rest.
    "socketpair": lambda module, _: _pair(module),
    "socketpair of a family": lambda module, _: _pair(module, module.AF_UNIX, module.SOCK_DGRAM),
    "socketpair of a wrong family": lambda module, _: _pair(module, module.AF_INET),
    "fromfd": lambda module, _: _from_descriptor(module),
    "fromfd of nothing": lambda module, _: module.fromfd(-1, module.AF_INET, 1),
    "timeout": lambda module, _: module.timeout,
    "error": lambda module, _: (module.error, module.gaierror, module.herror),
    "SocketType": lambda module, _: module.SocketType,
    "a socket is a SocketType": _with_socket(lambda sock, _: isinstance(sock, socket.SocketType)),
    "names": lambda module, _: [name for name in socket.__all__ if not hasattr(module, name)],
    "import *": _starred,
}

# The socket classes of libraries that are no copies of the standard library's, and the operations
# whose outcome is theirs, with the reason. In a process that the library has patched, some of these
# operations have the standard library's outcome.
_NO_SERVERS = "its create_server() is that of the standard library, and makes plain sockets"
_ANY_TIMEOUT = "its settimeout() only compares the number with 0, and does not ask the system"
_NO_SUBCLASS = "its socket is an object around one of the standard library"
_DNSPYTHON = "it looks names up by dnspython, if that is installed"
_DIFFERENT: dict[str, dict[str, str]] = {
    "gevent._socket3": {
        "connect to no host": "it looks the name up first, and this is none",
        "create_server": _NO_SERVERS,
        "create_server with a name": _NO_SERVERS,
        "create_server with a shared port": _NO_SERVERS,
        "a server and its client": _NO_SERVERS,
        "settimeout of NaN": _ANY_TIMEOUT,
        "settimeout of infinity": _ANY_TIMEOUT,
        "settimeout of a closed socket": _ANY_TIMEOUT,
        "setblocking of a closed socket": _ANY_TIMEOUT,
        "sendall of nothing": "its sendall() returns at once if there is no data",
        "SocketType": "it is gevent's own class",
        "a socket is a SocketType": _NO_SUBCLASS,
        "names": "it lacks CAPI, which is for C code",
        "import *": "it lacks CAPI, which is for C code",
    },
    "eventlet.greenio.base": {
        "create_connection with all errors": "its create_connection() has no such argument",
        "create_server": _NO_SERVERS,
        "create_server with a name": _NO_SERVERS,
        "create_server with a shared port": _NO_SERVERS,
        "a server and its client": _NO_SERVERS,
        "settimeout of NaN": _ANY_TIMEOUT,
        "settimeout of infinity": _ANY_TIMEOUT,
        "settimeout of a closed socket": _ANY_TIMEOUT,
        "setblocking of a closed socket": _ANY_TIMEOUT,
        "gethostbyname of nothing": _DNSPYTHON,
        "gethostbyname_ex": _DNSPYTHON,
        "getnameinfo": _DNSPYTHON,
        "getnameinfo in numbers": _DNSPYTHON,
        "getnameinfo of a name": _DNSPYTHON,
        "a socket is a SocketType": _NO_SUBCLASS,
    },
}


class SocketModuleTests(Suite):
    """C18: ``socket_module`` is what ``socket`` is."""

    @pytest.mark.parametrize("name", _OPERATIONS)
    def test_c18_the_socket_module(self, handler: Handler, name: str) -> None:
        """Its operations have the outcomes that those of the standard library have."""
        operation = _OPERATIONS[name]
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = server.getsockname()
            outcomes: list[Any] = []
            task = handler.spawn(
                lambda: outcomes.append(_outcome(operation, handler.socket_module, address))
            )
            self.ended(task)
            ours, theirs = *outcomes, _outcome(operation, _unpatched_socket(), address)
        socket_class: Any = handler.socket_module.socket
        if name not in _DIFFERENT.get(socket_class.__module__, ()):
            assert ours == theirs


@functools.cache
def _unpatched_socket() -> types.ModuleType:
    """Return the module ``socket`` without the patches of any library."""
    name = f"{__name__}_unpatched"
    spec = importlib.util.spec_from_file_location(name, socket.__file__)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _outcome(operation: _Operation, module: types.ModuleType, address: Any) -> object:
    try:
        return "value", operation(module, address)
    except Exception as error:
        return "exception", type(error), getattr(error, "errno", None)
