"""The sample client, against its own server and against servers that misbehave."""

from __future__ import annotations

import contextlib
import errno
import gc
import socket
import struct
import threading
import weakref
from collections.abc import Iterator

import pytest

from handler_core import AsyncResult, Handler, get_handler
from handler_core.cli.demo.sample_client import EchoServer, PipelinedClient, ProtocolError
from handler_core.cli.demo.sample_client.framing import MAX_PAYLOAD

# A wait of this many seconds counts as hanging.
LONG = 60.0


@pytest.fixture
def handler() -> Iterator[Handler]:
    with get_handler("threading") as handler:
        yield handler


@pytest.fixture
def server() -> Iterator[EchoServer]:
    with EchoServer() as server:
        yield server


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Return a listening socket. The test itself plays the server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


@contextlib.contextmanager
def connected(
    listener: socket.socket, handler: Handler, timeout: float = LONG
) -> Iterator[tuple[PipelinedClient, socket.socket]]:
    with PipelinedClient(handler, listener.getsockname(), timeout=timeout) as client:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(LONG)
            yield client, connection


def reply(frame_id: int, payload: bytes) -> bytes:
    return struct.pack("!QI", frame_id, len(payload)) + payload


def receive(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += connection.recv(count - len(data))
    return data


def test_replies_belong_to_their_requests(handler: Handler, server: EchoServer) -> None:
    payloads = [b"request %d" % number for number in range(5000)]
    with PipelinedClient(handler, server.address) as client:
        results = [client.request(payload) for payload in payloads]
        assert [result.get(timeout=LONG) for result in results] == payloads


def test_replies_in_another_order(handler: Handler, listener: socket.socket) -> None:
    with connected(listener, handler) as (client, connection):
        results = [client.request(payload) for payload in (b"a", b"b", b"c")]
        assert receive(connection, 39) == reply(1, b"a") + reply(2, b"b") + reply(3, b"c")
        connection.sendall(reply(3, b"third") + reply(1, b"first") + reply(2, b""))
        assert [result.get(timeout=LONG) for result in results] == [b"first", b"", b"third"]


def test_a_reply_in_pieces(handler: Handler, listener: socket.socket) -> None:
    with connected(listener, handler) as (client, connection):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        result = client.request(b"a")
        receive(connection, 13)
        for byte in reply(1, b"piece by piece"):
            connection.sendall(bytes([byte]))
        assert result.get(timeout=LONG) == b"piece by piece"


def test_payloads_larger_than_any_buffer(handler: Handler, server: EchoServer) -> None:
    # Neither side could take all of it before the other has read.
    payload = bytes(range(256)) * 32_768
    with PipelinedClient(handler, server.address) as client:
        results = [client.request(payload) for _ in range(4)]
        assert all(result.get(timeout=LONG) == payload for result in results)


def test_requests_from_many_threads(handler: Handler, server: EchoServer) -> None:
    results: list[tuple[bytes, AsyncResult[bytes]]] = []

    def send(name: int) -> None:
        for number in range(500):
            payload = b"%d %d" % (name, number)
            results.append((payload, client.request(payload)))

    with PipelinedClient(handler, server.address) as client:
        threads = [threading.Thread(target=send, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(results) == 4000
        assert all(result.get(timeout=LONG) == payload for payload, result in results)


def test_requests_one_after_the_other(handler: Handler, server: EchoServer) -> None:
    # The loop falls asleep between two requests, so each request must wake it.
    with PipelinedClient(handler, server.address) as client:
        for number in range(500):
            payload = b"%d" % number
            assert client.request(payload).get(timeout=LONG) == payload


def test_a_request_as_the_loop_falls_asleep(handler: Handler, server: EchoServer) -> None:
    class Client(PipelinedClient):
        late: AsyncResult[bytes] | None = None

        def _send(self) -> None:
            # The loop has taken all requests and does not sleep yet, so no caller wakes it.
            super()._send()
            if self.late is None:
                self.late = self.request(b"late")
                made.set()

    made = threading.Event()
    with Client(handler, server.address) as client:
        assert made.wait(LONG)
        assert client.late is not None
        assert client.late.get(timeout=LONG) == b"late"


def test_notices_are_dispatched_callbacks(handler: Handler, server: EchoServer) -> None:
    notices: list[bytes] = []
    with PipelinedClient(handler, server.address, on_notice=notices.append) as client:
        assert client.request(b"notify me").get(timeout=LONG) == b"notify me"
        assert client.request(b"not me").get(timeout=LONG) == b"not me"
    handler.stop()
    assert notices == [b"notify me"]


def test_a_slow_listener_does_not_hold_up_replies(handler: Handler, server: EchoServer) -> None:
    go_on = threading.Event()

    def listen(notice: bytes) -> None:
        assert go_on.wait(LONG)

    with PipelinedClient(handler, server.address, on_notice=listen) as client:
        assert client.request(b"notify me").get(timeout=LONG) == b"notify me"
        assert client.request(b"next").get(timeout=LONG) == b"next"
        go_on.set()


def test_a_server_that_closes_in_mid_flight(handler: Handler, listener: socket.socket) -> None:
    linked: list[AsyncResult[bytes]] = []
    with connected(listener, handler) as (client, connection):
        results = [client.request(b"a") for _ in range(1000)]
        for result in results:
            result.link(linked.append)
        receive(connection, 13 * 1000)
        connection.sendall(reply(1, b"the only one"))
        connection.close()
        assert results[0].get(timeout=LONG) == b"the only one"
        for result in results[1:]:
            with pytest.raises(ConnectionResetError):
                result.get(timeout=LONG)
        with pytest.raises(ConnectionResetError):
            client.request(b"too late").get(timeout=LONG)
    handler.stop()
    assert linked == results


def test_a_server_that_resets_while_threads_send(handler: Handler, listener: socket.socket) -> None:
    results: list[AsyncResult[bytes]] = []
    lost = threading.Event()

    def send() -> None:
        # Send until after the end, so that some requests arrive while the loop ends.
        after = 0
        while after < 100:
            result = client.request(b"a" * 100)
            results.append(result)
            after += lost.is_set()

    with connected(listener, handler) as (client, connection):
        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        receive(connection, 10_000)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        results[0].wait(LONG)
        lost.set()
        for thread in threads:
            thread.join()
        for result in results:
            with pytest.raises(ConnectionError):
                result.get(timeout=LONG)


def test_close_ends_what_is_pending(handler: Handler, listener: socket.socket) -> None:
    with connected(listener, handler) as (client, connection):
        results = [client.request(b"a") for _ in range(1000)]
        client.close()
        for result in results:
            assert result.ready()
            assert isinstance(result.exception, ConnectionAbortedError)
        with pytest.raises(ConnectionAbortedError):
            client.request(b"too late").get(timeout=LONG)
        client.close()
        while connection.recv(65_536):
            pass  # the client sent this before its end


def test_close_from_a_callback_of_a_stopped_handler(handler: Handler, server: EchoServer) -> None:
    handler.stop()
    closed = threading.Event()

    def close(result: AsyncResult[bytes]) -> None:
        client.close()
        closed.set()

    client = PipelinedClient(handler, server.address)
    # Linked callbacks now run in the setter, and that is the client's own loop.
    client.request(b"a").link(close)
    assert closed.wait(LONG)
    client.close()
    assert isinstance(client.request(b"b").exception, ConnectionAbortedError)


@pytest.mark.parametrize(
    "sent", [struct.pack("!QI", 1, MAX_PAYLOAD + 1), b"HTTP/1.1 400 Bad Request\r\n\r\n"]
)
def test_a_server_that_speaks_something_else(
    handler: Handler, listener: socket.socket, sent: bytes
) -> None:
    with connected(listener, handler) as (client, connection):
        result = client.request(b"a")
        connection.sendall(sent)
        with pytest.raises(ProtocolError, match="bytes; the limit is"):
            result.get(timeout=LONG)


def test_a_reply_that_nobody_asked_for(handler: Handler, listener: socket.socket) -> None:
    with connected(listener, handler) as (client, connection):
        result = client.request(b"a")
        connection.sendall(reply(7, b"b"))
        with pytest.raises(ProtocolError, match="request 7, which is not pending"):
            result.get(timeout=LONG)


def test_a_silent_server(handler: Handler, listener: socket.socket) -> None:
    with connected(listener, handler, timeout=0.2) as (client, connection):
        results = [client.request(b"a"), client.request(b"b")]
        receive(connection, 26)
        connection.sendall(reply(1, b"and no more"))
        assert results[0].get(timeout=LONG) == b"and no more"
        with pytest.raises(handler.timeout_exception, match=r"silent for 0\.2 seconds") as caught:
            results[1].get(timeout=LONG)
        assert isinstance(caught.value, TimeoutError)


def test_nobody_listens(handler: Handler, listener: socket.socket) -> None:
    address = listener.getsockname()
    listener.close()
    with pytest.raises(ConnectionRefusedError) as raised:
        PipelinedClient(handler, address)
    assert raised.value.errno == errno.ECONNREFUSED


def test_a_payload_that_is_none(handler: Handler, server: EchoServer) -> None:
    with PipelinedClient(handler, server.address) as client:
        with pytest.raises(TypeError, match="a payload is bytes, not 'text'"):
            client.request("text")  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=f"at most {MAX_PAYLOAD} bytes"):
            client.request(bytes(MAX_PAYLOAD + 1))
        assert client.request(b"still there").get(timeout=LONG) == b"still there"


def test_a_closed_client_is_garbage(handler: Handler, server: EchoServer) -> None:
    def use() -> weakref.ref[PipelinedClient]:
        with PipelinedClient(handler, server.address) as client:
            client.request(b"a").get(timeout=LONG)
        return weakref.ref(client)

    reference = use()
    gc.collect()
    assert reference() is None


def test_the_server_survives_a_client_that_is_none(handler: Handler, server: EchoServer) -> None:
    with socket.create_connection(server.address, timeout=LONG) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stranger.recv(100) == b""
    with PipelinedClient(handler, server.address) as client:
        assert client.request(b"a").get(timeout=LONG) == b"a"
