"""``Handler``: the class that a client uses, and the base class of every model.

The class has everything that kazoo's client and its recipes use of a handler, and everything that
a client of your own needs. A model is a subclass. It names its modules and primitives, overrides
how to spawn and how a caller parks (:class:`handler_core.execution.Lifecycle`), and marks the
five hooks.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from handler_core.execution._lifecycle import Lifecycle
from handler_core.execution._result import AsyncResult
from handler_core.handler._for_coroutines import ForCoroutines
from handler_core.handler._hook_methods import bind_hooks

if TYPE_CHECKING:
    import ssl

    from handler_core.execution._interfaces import LockLike
    from handler_core.handler._client_life import ClientLife
    from handler_core.network._connect import Address
    from handler_core.network._resolver import AddressInfo
    from handler_core.network._select_arguments import SelectLists

__all__ = ["Handler"]

C = TypeVar("C")


class _LazyAttribute:
    """A class attribute that is a module, or a name of it, and is imported on first use.

    A process that only looks its handler up does not pay for the import.
    """

    def __init__(self, module: str, name: str | None) -> None:
        self._module = module
        self._name = name

    def __get__(self, handler: Handler | None, cls: type[Handler]) -> Any:
        module = importlib.import_module(self._module)
        return module if self._name is None else getattr(module, self._name)


def _lazy(module: str, name: str | None = None) -> Any:  # typed as the value of the attribute
    return _LazyAttribute(module, name)


class Handler(Lifecycle, ForCoroutines):
    """The base of every handler class.

    :func:`handler_core.get_handler` returns a handler; this class is not used by itself. All
    methods are safe from any thread that the model knows. Callbacks run between ``start`` and
    ``stop``. Everything else works before ``start`` and after ``stop`` too, because a client
    stops its handler before its own loop has ended.

    A subclass is a plugin. It marks ``start``, ``stop``, ``select``, ``callback_object`` and
    ``dispatch_callback`` with ``@hookimpl``. It may override the other methods and the
    attributes. The defaults here are those of threads.
    """

    #: The model's name. If the class has none, it gets the name of its entry point.
    name: ClassVar[str]

    #: The model's socket module. The module ``ssl`` next to it does the TLS.
    socket_module: ClassVar[ModuleType] = _lazy("socket")

    #: The mixin class for the sockets of connections without TLS.
    connection_class: ClassVar[type] = _lazy("handler_core.network", "Connection")

    #: Blocks the calling task for a number of seconds. It is the library's own function.
    sleep_func: Callable[[float], object] = staticmethod(time.sleep)

    #: The time in seconds, by which timeouts are counted where the caller is.
    clock: Callable[[], float] = staticmethod(time.monotonic)

    #: The class of the model's queues. ``put``, ``get``, ``put_nowait`` and ``get_nowait`` take the
    #: arguments that those of ``queue.Queue`` take.
    queue_impl: ClassVar[type[Any]] = _lazy("queue", "Queue")

    #: The class of those that give the last item first. Pools of connections ask for one.
    lifo_queue_impl: ClassVar[type[Any]] = _lazy("queue", "LifoQueue")

    #: The exception of a queue's ``get_nowait`` when the queue is empty.
    queue_empty: ClassVar[type[Exception]] = _lazy("queue", "Empty")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bind_hooks(cls)

    @classmethod
    def is_active(cls) -> bool:
        """Return True if this model runs the caller. Then ``get_handler()`` may choose it.

        For example, the library has patched this process, or its loop runs the calling task. A loop
        that runs in this thread need not run the caller: a greenlet beside it is no task of the
        loop. If several models run the caller, :meth:`distance_to_caller` decides.
        """
        return False

    @classmethod
    def distance_to_caller(cls) -> float:
        """Return how far from the caller this model runs.

        If several models are active, ``get_handler()`` takes the one with the smallest distance.
        It asks only those whose :meth:`is_active` returns True.

        The distance is counted in greenlets. It is 0, the default, if the caller runs in the
        greenlet that runs the model's loop, and 1 in a greenlet that was made in that one. The
        distance to a hub is a half less than the number of steps from a greenlet up to the hub. So
        the hub is nearer than a loop around it, and farther than a loop in the calling greenlet.
        ``math.inf`` means that the library has patched the process, and runs nothing here.
        """
        return 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def started(self, client: C, /, *args: Any, **kwargs: Any) -> ClientLife[C]:
        """Return a context manager that starts a client, and stops and closes it at the end.

        It is for ``with``, and for ``async with`` on an event loop::

            async with get_handler("asyncio") as handler:
                async with handler.started(KazooClient(handler=handler)) as zk:
                    ...

        If the client does not start, it is stopped and closed all the same, and the exception of
        ``start`` goes on. It has a note of what these two have raised then.

        Args:
            client: an object with ``start``, and with ``stop``, ``close`` or both. Each is called
                without arguments, except for ``start``. They block, and are no coroutine functions.
            args: for ``client.start``.
            kwargs: for ``client.start``.

        Raises:
            TypeError: the client has no such methods.
            RuntimeError: it is entered again before it was left.
        """
        from handler_core.handler._client_life import ClientLife

        return ClientLife(client, args, kwargs, self.calling)

    # Hooks. `Lifecycle` has `start` and `stop`, its base `Dispatch` has `dispatch_callback`.

    def select(self, *args: Any, **kwargs: Any) -> SelectLists:
        """Wait for sockets while other tasks of the model go on. There are two forms.

        ``select(rlist, wlist, xlist, timeout=None)`` works like ``select.select``, for any
        number and any value of descriptors. ``select(sockets, timeout)`` waits until a socket
        is readable or in error; its second list has the sockets that are writable at that
        moment. The timeout is in seconds. None waits for ever, and 0 does not wait.

        Returns:
            Three lists of the caller's own objects: the readable ones, the writable ones, and
            those with an exceptional condition. Hang-up and error count as ready.

        Raises:
            TypeError: an object is no socket, or the timeout is no number.
            ValueError: the timeout is negative, or a descriptor is, as that of a closed socket.
            OSError: a descriptor is not open.
            RuntimeError: the wait would block the thread that runs the event loop.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement select")

    def callback_object(self) -> AsyncResult[Any]:
        """Return a new, pending result."""
        return AsyncResult(self)

    def async_result(self) -> AsyncResult[Any]:
        """Return a new, pending result. This is kazoo's name for :meth:`callback_object`."""
        return self.callback_object()

    # Sockets. These methods import the modules that they need. A process that only looks its
    # handler up never connects, and does not pay for them.

    def socket(self) -> Any:
        """Return a new IPv4 TCP socket of the model, with ``TCP_NODELAY`` set."""
        from handler_core.network._connect import create_tcp_socket

        return create_tcp_socket(self.socket_module)

    def create_connection(
        self,
        address: Address,
        timeout: float | None = None,
        *,
        source_address: tuple[Any, ...] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        **tls: Any,
    ) -> Any:
        """Connect to ``address``, as :func:`handler_core.create_tcp_connection` does.

        The ``TimeoutError`` that it raises is the handler's :attr:`timeout_exception` too.

        Returns:
            A socket of the model. It has the methods of ``socket.socket``, or with TLS those of
            ``ssl.SSLSocket``, and :meth:`~handler_core.network.Connection.pending`.
        """
        from handler_core.network._connect import connect

        try:
            return connect(
                self.socket_module,
                address,
                timeout,
                self.look_up,
                self.select,
                self.connection_class,
                self.clock,
                source_address=source_address,
                ssl_context=ssl_context,
                **tls,
            )
        except TimeoutError as error:
            failure = self.timeout_error(*error.args)
            for note in getattr(error, "__notes__", ()):
                failure.add_note(note)
            raise failure from None

    def ssl_context(
        self,
        *,
        ca: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        keyfile_password: str | None = None,
        verify_certs: bool = True,
        check_hostname: bool | None = None,
        options: int | None = None,
        ciphers: str | None = None,
    ) -> ssl.SSLContext:
        """Return a new context for a library that sets TLS up by itself.

        The library calls ``context.wrap_socket(sock, server_hostname=...)`` with a socket of
        :meth:`create_connection` or :meth:`socket`. It gets a TLS socket of the model, whose
        handshake, reads and writes let other tasks run. A context of the module ``ssl`` would make
        one that stops them. The context is an ``ssl.SSLContext`` for clients. Any thread may use
        it, for any number of connections.

        Args:
            ca: a file or a folder of certificates to trust; default: those of the system.
            certfile: the client's certificate, for a server that asks for one.
            keyfile: its key, unless it is in the same file.
            keyfile_password: the password of the key.
            verify_certs: whether the server's certificate is checked.
            check_hostname: whether its name is; default: as ``verify_certs``.
            options: flags to set in ``SSLContext.options``.
            ciphers: the ciphers to allow, in OpenSSL's notation.

        Raises:
            ssl.SSLError: a file or the ciphers are not what they should be.
            OSError: a file cannot be read.
            ValueError: arguments contradict each other, or the key needs a password.
        """
        from handler_core.network._socket_module import sibling_module
        from handler_core.network._tls import new_tls_context

        context: ssl.SSLContext = new_tls_context(
            sibling_module(self.socket_module, "ssl"),
            ca=ca,
            certfile=certfile,
            keyfile=keyfile,
            keyfile_password=keyfile_password,
            verify_certs=verify_certs,
            check_hostname=check_hostname,
            options=options,
            ciphers=ciphers,
        )
        return context

    def create_socket_pair(self) -> tuple[Any, Any]:
        """Return two connected sockets, as :func:`handler_core.create_socket_pair` does."""
        from handler_core.network._socket_pair import connect_pair

        return connect_pair(self.socket_module, self.new_native_rlock)

    def look_up(self, host: Any, port: Any, timeout: float | None) -> Sequence[AddressInfo]:
        """Look up the addresses of a host while other tasks run.

        Raises:
            HandlerTimeoutError: the look-up took longer than ``timeout`` seconds.
            OSError: there is no such host.
        """
        from handler_core.execution._result_decorators import wrap

        # It runs in a task of its own, because the resolver itself has no timeout.
        module = self.socket_module
        result: AsyncResult[Sequence[AddressInfo]] = AsyncResult(self)
        self.spawn(wrap(result)(module.getaddrinfo), host, port, 0, module.SOCK_STREAM)
        return result.get(timeout=timeout)

    def home_clock(self) -> Callable[[], float]:
        """Return what tells the time of timers; see :attr:`clock`."""
        return self.clock

    # Primitives.

    def event_object(self) -> Any:
        """Return a new event with the methods of ``threading.Event``.

        A signal handler may set it at any point of a wait in its own thread. It would wait for ever
        for the lock inside of a ``threading.Event``, which is not re-entrant.
        """
        from handler_core.execution._synchronization import Event

        return Event(self.new_waiter)

    def lock_object(self) -> LockLike:
        """Return a new lock with the methods of ``threading.Lock``."""
        return threading.Lock()

    def rlock_object(self) -> LockLike:
        """Return a new lock with the methods of ``threading.RLock``."""
        return threading.RLock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value}>"
