"""The look-ups of the module ``socket``: names, addresses and services, while the loop goes on.

The loop's own resolver looks up what ``getaddrinfo`` asks. A loop has nothing like the older
functions. For them the system's resolver is asked in a thread, as the loop's resolver does it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import greenlet  # type: ignore[import-untyped]

from handler_core_greenlet._find_hub import find_hub
from handler_core_greenlet._native import start_os_thread, unpatched

if TYPE_CHECKING:
    import socket as _native
else:
    _native = unpatched("socket")

__all__ = [
    "getaddrinfo",
    "getfqdn",
    "gethostbyaddr",
    "gethostbyname",
    "gethostbyname_ex",
    "getnameinfo",
    "without_name",
]

T = TypeVar("T")

# Hosts that the C library replaces without a look-up.
_NO_NAMES = ("", "<broadcast>", b"", b"<broadcast>")


def getaddrinfo(
    host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
) -> Sequence[Any]:
    """Look addresses up, by the loop's own resolver."""
    hub = find_hub()
    if hub is None:
        return _native.getaddrinfo(host, port, family, type, proto, flags)
    try:  # an address in numbers needs no look-up, and no wait
        numeric = flags | _native.AI_NUMERICHOST | _native.AI_NUMERICSERV
        return _native.getaddrinfo(host, port, family, type, proto, numeric)
    except _native.gaierror:
        return hub.getaddrinfo(host, port, family, type, proto, flags)


def gethostbyname(hostname: Any) -> str:
    """Return the IPv4 address of a host."""
    return _in_thread(_native.gethostbyname, hostname)


def gethostbyname_ex(hostname: Any) -> tuple[str, list[str], list[str]]:
    """Return the name of a host, its other names, and its IPv4 addresses."""
    return _in_thread(_native.gethostbyname_ex, hostname)


def gethostbyaddr(ip_address: Any) -> tuple[str, list[str], list[str]]:
    """Return the name of the host with an address, its other names, and its addresses."""
    return _in_thread(_native.gethostbyaddr, ip_address)


def getfqdn(name: str = "") -> str:
    """Return the fully qualified name of a host; without a name, of this one."""
    return _in_thread(_native.getfqdn, name)


def getnameinfo(sockaddr: Any, flags: Any) -> tuple[str, str]:
    """Return the names of a host and a service."""
    return _in_thread(_native.getnameinfo, sockaddr, flags)


def without_name(address: Any, family: int) -> Any:
    """Return an address for the C code of a socket, which would block the loop to look a name up.

    What is no proper address is returned as it is. The C code says what is wrong with it.
    """
    if family == _native.AF_INET:
        longest = 2
    elif family == _native.AF_INET6:
        longest = 4
    else:
        return address
    if not isinstance(address, tuple) or not 2 <= len(address) <= longest:
        return address
    host, *numbers = address
    if find_hub() is None or not isinstance(host, (str, bytes, bytearray)) or host in _NO_NAMES:
        return address
    try:
        for number in numbers:
            operator.index(number)
    except TypeError:
        return address
    infos = getaddrinfo(host, None, family)
    return infos[0][4][0], *numbers


def _in_thread(func: Callable[..., T], *args: Any) -> T:
    """Call ``func(*args)`` in a thread while the current greenlet is parked.

    If the greenlet does not wait to the end, nobody gets what the thread finds out.
    """
    hub = find_hub()
    if hub is None:
        return func(*args)
    waiter = hub.new_waiter(greenlet.getcurrent())
    values: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            values.append(func(*args))
        except BaseException as error:
            errors.append(error)
        waiter.wake()

    start_os_thread(call, "handler-core look-up")
    waiter.park()
    if errors:
        raise errors.pop()
    return values.pop()
