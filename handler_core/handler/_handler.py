"""``Handler``: what a client uses, and what a model says of itself.

The class is all that kazoo's client and its recipes ask of a handler, and all that a client of
one's own needs. A model is a subclass that names its modules and its primitives, says how to
spawn and how a caller parks (:class:`handler_core.execution.Lifecycle`), and marks the five hooks.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Sequence
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from handler_core.execution._lifecycle import Lifecycle
from handler_core.execution._result import AsyncResult
from handler_core.handler._hook_methods import bind_hooks

if TYPE_CHECKING:
    from handler_core.execution._protocols import LockLike
    from handler_core.network._resolver import AddressInfo
    from handler_core.network._select_arguments import SelectLists

__all__ = ["Handler"]


class _Imported:
    """A class attribute: a module, or what it has of a name, imported when it is asked for.

    In a process that only looks its handler up it never is.
    """

    def __init__(self, module: str, name: str | None) -> None:
        self._module = module
        self._name = name

    def __get__(self, handler: Handler | None, cls: type[Handler]) -> Any:
        module = importlib.import_module(self._module)
        return module if self._name is None else getattr(module, self._name)


def _imported(module: str, name: str | None = None) -> Any:  # what the attribute gives, not is
    return _Imported(module, name)


class Handler(Lifecycle):
    """The base of every handler class.

    Not to be used by itself: see :func:`handler_core.get_handler`. All methods are safe from any
    thread that the model knows, and all but callbacks work before ``start`` and after ``stop``
    too: a client stops its handler before its own loop has ended.

    A subclass is a plugin. It marks ``start``, ``stop``, ``select``, ``callback_object`` and
    ``dispatch_callback`` with ``@hookimpl``; its attributes and other methods are its own as
    usual. The defaults here are those of threads.
    """

    #: The model's name: that of its entry point, unless the class says another.
    name: ClassVar[str]

    #: The model's socket module. The module ``ssl`` next to it does its TLS.
    socket_module: ClassVar[ModuleType] = _imported("socket")

    #: What extends the sockets of connections without TLS.
    connection_class: ClassVar[type] = _imported("handler_core.network", "Connection")

    #: Blocks the calling task for so many seconds. The library's own function.
    sleep_func: Callable[[float], object] = staticmethod(time.sleep)

    #: The class of the model's queues.
    queue_impl: ClassVar[type[Any]] = _imported("queue", "Queue")

    #: What a queue's ``get_nowait`` raises when it is empty.
    queue_empty: ClassVar[type[Exception]] = _imported("queue", "Empty")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        bind_hooks(cls)

    @classmethod
    def is_active(cls) -> bool:
        """Return True if this model runs the caller, and ``get_handler()`` should choose it.

        For example: the library has patched this process, or its loop runs in this thread.
        """
        return False

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

    # Hooks: `start`, `stop` and `dispatch_callback` are in the lifecycle.

    def select(self, *args: Any, **kwargs: Any) -> SelectLists:
        """Wait for sockets, in one of two forms; other tasks of the model go on.

        ``select(rlist, wlist, xlist, timeout=None)`` is ``select.select``, for any number and
        any value of descriptors. ``select(sockets, timeout)`` waits until a socket is readable
        or in error, and its second list says which are writable at that moment. The timeout is
        in seconds; None waits for ever, 0 not at all.

        Returns:
            Three lists of the caller's own objects, those that are readable, those that are
            writable, and those with an exceptional condition. Hang-up and error count as ready.

        Raises:
            TypeError: something is no socket, or the timeout no number.
            ValueError: a descriptor (that of a closed socket) or the timeout is negative.
            OSError: a descriptor is not open.
            RuntimeError: the wait would block the thread that runs the event loop.
        """
        raise NotImplementedError(f"{type(self).__name__} does not implement select")

    def callback_object(self) -> AsyncResult[Any]:
        """Return a new, pending result."""
        return AsyncResult(self)

    def async_result(self) -> AsyncResult[Any]:
        """Return a new, pending result: :meth:`callback_object` by kazoo's name."""
        return self.callback_object()

    # Sockets. What makes them is imported by the methods that make them: until a client connects,
    # and many a process only looks its handler up, nobody needs it.

    def socket(self) -> Any:
        """Return a new IPv4 TCP socket of the model, with ``TCP_NODELAY`` set."""
        from handler_core.network._connect import create_tcp_socket

        return create_tcp_socket(self.socket_module)

    def create_connection(
        self, address: tuple[Any, ...], timeout: float | None = None, **tls: Any
    ) -> Any:
        """Connect to ``address``, as :func:`handler_core.create_tcp_connection` does."""
        from handler_core.network._connect import connect

        return connect(
            self.socket_module,
            address,
            timeout,
            self.look_up,
            self.select,
            self.connection_class,
            **tls,
        )

    def create_socket_pair(self) -> tuple[Any, Any]:
        """Return two connected sockets, as :func:`handler_core.create_socket_pair` does."""
        from handler_core.network._socket_pair import connect_pair

        return connect_pair(self.socket_module, self.new_native_rlock)

    def look_up(self, host: Any, port: Any, timeout: float | None) -> Sequence[AddressInfo]:
        """Look the addresses of a host up, while other tasks run.

        Raises:
            HandlerTimeoutError: it took longer than ``timeout`` seconds.
            OSError: there is no such host.
        """
        from handler_core.execution._capture import wrap

        # In a task of its own: the resolver itself knows no deadline.
        module = self.socket_module
        result: AsyncResult[Sequence[AddressInfo]] = AsyncResult(self)
        self.spawn(wrap(result)(module.getaddrinfo), host, port, 0, module.SOCK_STREAM)
        return result.get(timeout=timeout)

    # Primitives.

    def event_object(self) -> Any:
        """Return a new event with the methods of ``threading.Event``."""
        return threading.Event()

    def lock_object(self) -> LockLike:
        """Return a new lock with the methods of ``threading.Lock``."""
        return threading.Lock()

    def rlock_object(self) -> LockLike:
        """Return a new lock with the methods of ``threading.RLock``."""
        return threading.RLock()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._state.value}>"
