"""TLS for a connection: the context, and a handshake within a deadline."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, TypeAlias

from handler_core.network._deadline import Deadline
from handler_core.network._select_arguments import SelectLists

__all__ = ["Select", "do_handshake", "new_tls_context"]

#: A function that waits for sockets, as ``select.select`` does.
Select: TypeAlias = Callable[
    [Sequence[Any], Sequence[Any], Sequence[Any], "float | None"], SelectLists
]


def new_tls_context(
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
    """Return an ``SSLContext`` of ``ssl_module`` for a client.

    The options are those of :func:`~handler_core.create_tcp_connection`.
    """
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
    """Raise an error. Without a function for the password, OpenSSL would ask at the terminal."""
    raise ValueError("the key is encrypted: give keyfile_password")


def do_handshake(ssl_module: ModuleType, sock: Any, deadline: Deadline, select: Select) -> None:
    """Do the TLS handshake as a whole within the deadline.

    The timeout of a green socket is for each of its reads and writes, and a server that sends its
    answer byte by byte can cause any number of them. So the socket does not wait here: ``select``
    waits, for what is left of the deadline.
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
            # eventlet's sockets stay non-blocking until this call, whatever `settimeout` says.
            sock.setblocking(True)
            return
