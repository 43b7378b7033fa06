"""paho-mqtt on a handler: a client whose network loop waits by ``select`` of the handler.

paho's loop is a thread, or a call that blocks. Here both wait by the handler. What is published by
another task, or from another thread, wakes the loop by a pair of sockets.
"""

from __future__ import annotations

import contextlib
import ssl
from threading import get_ident
from typing import Any, ClassVar

from paho.mqtt import client as mqtt
from paho.mqtt.enums import MQTTErrorCode, _ConnectionState

from handler_core import Handler
from handler_core.execution import Condition

__all__ = ["Client"]


class _MessageInfo(mqtt.MQTTMessageInfo):
    """What ``publish`` returns: it waits by the handler of its client."""

    __slots__ = ()
    client: ClassVar[Client]

    def _set_as_published(self) -> None:
        super()._set_as_published()
        with self.client.published:
            self.client.published.notify_all()

    def wait_for_publish(self, timeout: float | None = None) -> None:
        """Wait until it is published; see ``paho.mqtt.client.MQTTMessageInfo``."""
        clock, published = self.client.handler.clock, self.client.published
        deadline = None if timeout is None else clock() + timeout
        with published:
            while not self.is_published():
                remaining = None if deadline is None else deadline - clock()
                if remaining is not None and remaining <= 0:
                    return
                # The loop may just have begun to say it to the object as paho had made it. That
                # notifies nobody here, so a waiter looks again.
                published.wait(1.0 if remaining is None else min(remaining, 1.0))


class Client(mqtt.Client):
    """paho's client, which waits by a handler.

    ``loop_start`` begins a task of the handler, and no thread. paho calls the callbacks in that
    task. They do not wait: one that has to spawns a task, or dispatches a callback.

    Args:
        handler: what waits.
        args: those of ``paho.mqtt.client.Client``.
        kwargs: those of ``paho.mqtt.client.Client``.
    """

    def __init__(self, handler: Handler, *args: Any, **kwargs: Any) -> None:
        self.handler = handler
        self._pair: tuple[Any, Any] | None = None
        self._rung = False
        self._task: Any = None
        #: The thread in which the task of ``loop_start`` runs.
        self._loop_thread: int | None = None
        #: Notified whenever a message is published. No caller holds its lock while it waits.
        self.published = Condition(handler.new_native_rlock(), handler.new_waiter)
        self._info_class = type(
            "MQTTMessageInfo", (_MessageInfo,), {"__slots__": (), "client": self}
        )
        super().__init__(*args, **kwargs)
        # With this callback set, paho leaves the sending to the loop.
        self.on_socket_register_write = self._ring

    def _ring(self, *_: Any) -> None:
        """Wake the loop, because there is something to send. From any thread."""
        pair = self._pair
        if pair is not None and not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):  # the loop has just ended
                pair[1].send(b"\0")

    def publish(self, *args: Any, **kwargs: Any) -> mqtt.MQTTMessageInfo:
        """Publish a message; see ``paho.mqtt.client.Client``."""
        info = super().publish(*args, **kwargs)
        info.__class__ = self._info_class
        return info

    def _sock_send(self, buf: Any) -> int:
        sent = super()._sock_send(buf)
        if not sent:
            # gevent's TLS says by 0 that it has to wait. paho would drop the message.
            self._call_socket_register_write()
            raise BlockingIOError
        return sent

    def _create_socket_connection(self) -> Any:
        if self._get_proxy() or self._transport == "websockets":
            raise ValueError("a client on a handler connects without a proxy and websockets")
        source = (self._bind_address, self._bind_port) if self._bind_address else None
        return self.handler.create_connection(
            (self._host, self._port), self._connect_timeout, source_address=source
        )

    def _create_unix_socket_connection(self) -> Any:
        return self.handler.create_connection(self._host, self._connect_timeout)

    def tls_set(
        self,
        ca_certs: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        cert_reqs: ssl.VerifyMode | None = None,
        tls_version: int | None = None,
        ciphers: str | None = None,
        keyfile_password: str | None = None,
        alpn_protocols: list[str] | None = None,
    ) -> None:
        """Set TLS up; see ``paho.mqtt.client.Client``. All but ``tls_version`` counts."""
        context = self.handler.ssl_context(
            ca=ca_certs,
            certfile=certfile,
            keyfile=keyfile,
            keyfile_password=keyfile_password,
            verify_certs=cert_reqs != ssl.CERT_NONE,
            ciphers=ciphers,
        )
        if alpn_protocols is not None:
            context.set_alpn_protocols(alpn_protocols)
        self.tls_set_context(context)

    def loop_forever(
        self, timeout: float = 1.0, retry_first_connection: bool = False
    ) -> MQTTErrorCode:
        """Run the network loop until ``disconnect``; see ``paho.mqtt.client.Client``."""
        self._pair = self.handler.create_socket_pair()
        try:
            return super().loop_forever(timeout, retry_first_connection)
        finally:
            pair, self._pair, self._rung = self._pair, None, False
            for end in pair:
                end.close()

    def _loop(self, timeout: float = 1.0) -> MQTTErrorCode:
        """Wait for the server, or for something to send. Then do what is to be done."""
        sock: Any = self.socket()
        if sock is None:
            return MQTTErrorCode.MQTT_ERR_NO_CONN
        has_data = bool(sock.pending())
        reader = None if self._pair is None else self._pair[0]
        try:
            readable, writable, _ = self.handler.select(
                [sock] if reader is None else [sock, reader],
                [sock] if self.want_write() else [],
                [],
                0 if has_data else timeout,
            )
        except (OSError, ValueError):  # another task has closed it
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        if reader is not None and reader in readable:
            self._rung = False
            reader.recv(100)
        if sock in readable or has_data:
            code = self.loop_read()
            if code or self.socket() is None:
                return code
        if sock in writable:
            code = self.loop_write()
            if code or self.socket() is None:
                return code
        return self.loop_misc()

    def _reconnect_wait(self) -> None:
        delay = self._reconnect_delay
        delay = self._reconnect_min_delay if delay is None else delay * 2
        self._reconnect_delay = min(delay, self._reconnect_max_delay)
        deadline = self.handler.clock() + self._reconnect_delay
        while not self._is_told_to_end() and self.handler.clock() < deadline:
            self.handler.sleep_func(min(0.1, self._reconnect_delay))

    def _is_told_to_end(self) -> bool:
        return self._thread_terminate or self._state in (
            _ConnectionState.MQTT_CS_DISCONNECTING,
            _ConnectionState.MQTT_CS_DISCONNECTED,
        )

    def loop_start(self) -> MQTTErrorCode:
        """Run the network loop in a task of the handler."""
        if self._task is not None and self._task.is_alive():
            return MQTTErrorCode.MQTT_ERR_INVAL
        self._thread_terminate = False
        self._task = self.handler.spawn(self._run)
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _run(self) -> None:
        self._loop_thread = get_ident()
        try:
            self.loop_forever(retry_first_connection=True)
        finally:
            self._loop_thread = None

    def loop_stop(self) -> MQTTErrorCode:
        """End the network loop, and wait for its end. A callback does not wait."""
        # No other task of this thread runs during a callback.
        if self._in_callback_mutex.locked() and self._loop_thread == get_ident():
            self._thread_terminate = True
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        task, self._task = self._task, None
        if task is None:
            return MQTTErrorCode.MQTT_ERR_INVAL
        self._thread_terminate = True
        self._ring()
        task.join()
        return MQTTErrorCode.MQTT_ERR_SUCCESS
