"""TLS for a connection: the context, a socket of the model, and a handshake within a deadline."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NamedTuple, TypeAlias

from handler_core.network._deadline import Deadline
from handler_core.network._select_arguments import SelectLists
from handler_core.network._socket_module import sibling_module
from handler_core.network._tls_socket import close_as_others_do

__all__ = ["ClientTLS", "Select", "client_tls", "new_tls_context"]

#: A function that waits for sockets, as ``select.select`` does.
Select: TypeAlias = Callable[
    [Sequence[Any], Sequence[Any], Sequence[Any], "float | None"], SelectLists
]


def new_tls_context(
    ssl_module: ModuleType,
    *,
    ca: str | None = None,
    certfile: str | None = None,
    keyfile: str | None = None,
    keyfile_password: str | None = None,
    verify_certs: bool = True,
    check_hostname: bool | None = None,
    options: int | None = None,
    ciphers: str | None = None,
) -> Any:
    """Return an ``SSLContext`` of ``ssl_module`` for a client.

    The options are those of :func:`~handler_core.create_tcp_connection`.
    """
    if check_hostname is None:
        check_hostname = verify_certs
    if check_hostname and not verify_certs:
        raise ValueError("check_hostname=True needs verify_certs=True: an unverified name is none")
    if keyfile is not None and certfile is None:
        raise ValueError("keyfile is given without certfile: a key needs its certificate")
    context = _context_class(ssl_module.SSLContext)(ssl_module.PROTOCOL_TLS_CLIENT)
    context.check_hostname = check_hostname
    context.verify_mode = ssl_module.CERT_REQUIRED if verify_certs else ssl_module.CERT_NONE
    if ca is None:
        if verify_certs:
            context.load_default_certs()  # 50 ms
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


class _Context:
    """A mixin for the ``SSLContext`` of a model. Its sockets close as the model's others do."""

    def wrap_socket(
        self,
        sock: Any,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: Any = None,
        session: Any = None,
    ) -> Any:
        """Do what ``SSLContext.wrap_socket`` does.

        eventlet would leave the socket open if the handshake fails, and so would CPython 3.11 if
        the task is killed meanwhile.
        """
        secure: Any = super().wrap_socket(  # type: ignore[misc]
            sock,
            server_side=server_side,
            do_handshake_on_connect=False,
            suppress_ragged_eofs=suppress_ragged_eofs,
            server_hostname=server_hostname,
            session=session,
        )
        close_as_others_do(secure)
        secure.do_handshake_on_connect = do_handshake_on_connect
        try:
            if do_handshake_on_connect and secure._sslobj is not None:  # it is connected
                if secure.gettimeout() == 0:
                    raise ValueError("a non-blocking socket needs do_handshake_on_connect=False")
                secure.do_handshake()
        except BaseException:
            secure.close()
            raise
        return secure


@functools.cache
def _context_class(context_class: Any) -> Any:
    return type("SSLContext", (_Context, context_class), {"__doc__": context_class.__doc__})


def _no_password() -> str:
    """Raise an error. Without a function for the password, OpenSSL would ask at the terminal."""
    raise ValueError("the key is encrypted: give keyfile_password")


class ClientTLS(NamedTuple):
    """How a client does TLS on a new connection."""

    ssl_module: ModuleType
    context: Any
    hostname: Any

    def has_failed(self, error: OSError) -> bool:
        """Return True if the error says that TLS has failed, and not the connection."""
        return isinstance(error, self.ssl_module.SSLError)

    def wrap(self, sock: Any) -> Any:
        """Return a TLS socket of the model in the place of a plain one, before its handshake."""
        socket_class, context = self.ssl_module.SSLSocket, self.context
        arguments = {"server_hostname": self.hostname, "do_handshake_on_connect": False}
        if isinstance(context, self.ssl_module.SSLContext):
            secure = context.wrap_socket(sock, **arguments)
        elif "__init__" in vars(socket_class):  # a class that may be called, as gevent's
            secure = socket_class(sock, _context=context, **arguments)
        else:
            secure = socket_class._create(sock, context=context, **arguments)
        return close_as_others_do(secure)

    def do_handshake(self, sock: Any, deadline: Deadline, select: Select) -> None:
        """Do the TLS handshake as a whole within the deadline.

        The timeout of a green socket is for each of its reads and writes, and a server that sends
        its answer byte by byte can cause any number of them. So the socket does not wait here:
        ``select`` waits, for what is left of the deadline.
        """
        sock.setblocking(False)
        while True:
            try:
                sock.do_handshake()
            except self.ssl_module.SSLWantReadError:
                select([sock], [], [], deadline.remaining())
            except self.ssl_module.SSLWantWriteError:
                select([], [sock], [], deadline.remaining())
            else:
                # eventlet's sockets stay non-blocking until this call, whatever `settimeout` says.
                sock.setblocking(True)
                return


def client_tls(
    module: ModuleType,
    host: Any,
    *,
    hostname: Any = None,
    use_ssl: bool = False,
    ssl_context: Any = None,
    **options: Any,
) -> ClientTLS | None:
    """Return how a client does TLS; None if it does none.

    Args:
        module: the model's socket module.
        host: the name of the server, for a caller that gives no ``hostname``.
        hostname: see :func:`~handler_core.create_tcp_connection`, as for the other arguments.
        use_ssl: whether it does TLS.
        ssl_context: the context to use.
        options: those of :func:`new_tls_context`.
    """
    given = _given(options)
    if ssl_context is None and not use_ssl:
        return None
    ssl_module = sibling_module(module, "ssl")
    if ssl_context is None:
        context = new_tls_context(ssl_module, **options)
    elif given:
        raise ValueError(
            f"ssl_context is given, so {' and '.join(given)} would have no effect: set it in the "
            "context, by handler.ssl_context(...) for example"
        )
    elif isinstance(ssl_context, ssl_module.SSLContext) or _is_plain(ssl_context):
        context = ssl_context
    else:
        raise TypeError(
            "ssl_context must be an SSLContext of this model or of the module ssl, and not of "
            f"{type(ssl_context)}: make one by handler.ssl_context(...)"
        )
    name = hostname if isinstance(hostname, str) else host
    if context.check_hostname and name is None:
        raise ValueError("TLS over a Unix socket needs hostname=...: it is the name to check")
    return ClientTLS(ssl_module, context, name)


def _given(options: dict[str, Any]) -> list[str]:
    """Return the names of the options that are not as they are by default.

    Raises:
        TypeError: there is no such option.
    """
    defaults = new_tls_context.__kwdefaults__ or {}
    for name in options:
        if name not in defaults:
            raise TypeError(f"a connection has no option {name!r}")
    return [name for name, value in options.items() if value != defaults[name]]


# The modules whose contexts differ only in the class of the sockets that they make.
_PLAIN_MODULES = ("ssl", "gevent.ssl", "eventlet.green.ssl")


def _is_plain(context: Any) -> bool:
    """Return True if a context makes sockets as the standard library does, or a green library.

    The model's class can make them then, and the context has the settings and the certificates. A
    context may check certificates in a ``wrap_socket`` of its own, which must not be left out.
    """
    context_class: Any = type(context)
    if isinstance(context, _Context):  # of another model
        context_class = context_class.__mro__[2]
    wrap = getattr(context_class, "wrap_socket", None)
    made = getattr(context, "sslsocket_class", None)
    return all(getattr(each, "__module__", "") in _PLAIN_MODULES for each in (wrap, made))
