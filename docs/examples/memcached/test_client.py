"""The tests of the client. Each runs on every model that is installed.

They need a memcached. ``run`` says where; ``MEMCACHED_TLS`` and ``MEMCACHED_CA`` name one with TLS.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import ssl
import struct
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import notices
import pytest
import trustme
from notices import Client
from protocol import (
    MemcachedError,
    ProtocolError,
    get_command,
    incr_command,
    set_command,
    value_in,
)
from run import Address, address

from handler_core import AsyncResult, Handler, get_handler, list_handlers

# eventlet warns whoever imports it that it is deprecated.
pytestmark = [
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings(r"ignore:\s*Eventlet is deprecated"),
]

# Seconds. A wait that takes so long has failed.
LONG = 30.0

OnModel: TypeAlias = Callable[[Callable[[Handler], object]], None]
Script: TypeAlias = Callable[[socket.socket], object]


@pytest.fixture(params=[model.name for model in list_handlers()])
def on_model(request: pytest.FixtureRequest) -> OnModel:
    """Runs the body of a test as a program of the model, with a handler that runs."""

    def run(body: Callable[[Handler], object]) -> None:
        handler = get_handler(request.param)

        def program() -> None:
            with handler:
                body(handler)

        if handler.has_event_loop:
            handler.run_loop(handler.call, program)
        else:
            program()

    return run


@pytest.fixture
def memcached() -> Address:
    return answering(address())


def answering(address: Address) -> Address:
    """Skip the test if nothing listens there. In CI it fails: there it must not be forgotten."""
    try:
        socket.create_connection(address, timeout=LONG).close()
    except OSError as error:
        missing = f"there is no memcached at {address}: {error}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return address


@contextlib.contextmanager
def fake_server(*scripts: Script, tls: ssl.SSLContext | None = None) -> Iterator[Address]:
    """Play the server: each connection is that of one script, in this order."""
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            for script in scripts:
                connection, _ = listener.accept()
                if tls is not None:
                    connection = tls.wrap_socket(connection, server_side=True)
                with connection:
                    connection.settimeout(LONG)
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    script(connection)
        except BaseException as failure:
            failures.append(failure)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(LONG)
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()
        thread.join(LONG)
        assert failures == []
        assert not thread.is_alive()


def receive(connection: socket.socket, *commands: bytes) -> None:
    """Receive these commands and nothing else."""
    expected = b"".join(commands)
    received = b""
    while len(received) < len(expected):
        data = connection.recv(len(expected) - len(received))
        assert data, received
        received += data
    assert received == expected


def until_closed(connection: socket.socket) -> None:
    """Receive nothing, until the client closes the connection."""
    with contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def value(data: bytes) -> bytes:
    return b"VALUE k 0 %d\r\n%b\r\nEND\r\n" % (len(data), data)


class Outcomes:
    """Counts how often each result gets an outcome, by links."""

    def __init__(self, handler: Handler) -> None:
        self._queue = handler.queue_impl()

    def expect(self, *results: AsyncResult[Any]) -> None:
        for result in results:
            result.link(self._queue.put)

    def take(self, count: int) -> Counter[AsyncResult[Any]]:
        return Counter(self._queue.get(timeout=LONG) for _ in range(count))

    def is_empty(self) -> bool:
        return bool(self._queue.empty())


# With a real server.


def test_what_is_set_comes_back(on_model: OnModel, memcached: Address) -> None:
    def body(handler: Handler) -> None:
        with Client(handler, memcached) as client:
            for data in (b"", b"hello", b"END\r\n", bytes(range(256)) * 3000):
                assert client.set("k", data).get(timeout=LONG) is True
                assert client.get("k").get(timeout=LONG) == data
            assert client.delete("k").get(timeout=LONG) is True
            assert client.delete("k").get(timeout=LONG) is False
            assert client.get("k").get(timeout=LONG) is None
            assert client.incr("k", 1).get(timeout=LONG) is None
            client.set("k", b"4", expire=100)
            assert client.incr("k", 5).get(timeout=LONG) == 9

    on_model(body)


def test_a_refused_command_spoils_no_other(on_model: OnModel, memcached: Address) -> None:
    def body(handler: Handler) -> None:
        with Client(handler, memcached) as client:
            client.set("k", b"a word")
            refused = client.incr("k", 1)
            found = client.get("k")
            with pytest.raises(MemcachedError, match="non-numeric"):
                refused.get(timeout=LONG)
            assert found.get(timeout=LONG) == b"a word"

    on_model(body)


def test_5000_requests_in_flight(on_model: OnModel, memcached: Address) -> None:
    def body(handler: Handler) -> None:
        outcomes = Outcomes(handler)
        with Client(handler, memcached) as client:
            for number in range(5000):
                client.set(f"k{number}", b"%d" % number)
            results = [client.get(f"k{number}") for number in range(5000)]
            outcomes.expect(*results)
            assert outcomes.take(5000) == Counter(results)
            assert [result.value for result in results] == [b"%d" % n for n in range(5000)]
        assert outcomes.is_empty()

    on_model(body)


def test_many_tasks_share_a_client(on_model: OnModel, memcached: Address) -> None:
    def body(handler: Handler) -> None:
        def work(name: int) -> None:
            for number in range(50):
                data = b"%d %d" % (name, number)
                assert client.set(f"task{name}", data).get(timeout=LONG) is True
                assert client.get(f"task{name}").get(timeout=LONG) == data
            done.put(name)

        done = handler.queue_impl()
        with Client(handler, memcached) as client:
            for name in range(20):
                handler.spawn(work, name)
            assert {done.get(timeout=LONG) for _ in range(20)} == set(range(20))

    on_model(body)


def test_the_server_closes_the_connection(on_model: OnModel, memcached: Address) -> None:
    def body(handler: Handler) -> None:
        states = handler.queue_impl()
        with Client(handler, memcached, on_state=states.put) as client:
            for _ in range(3):
                with pytest.raises(ConnectionResetError):
                    client.request(b"quit\r\n", value_in).get(timeout=LONG)
                assert client.set("k", b"again").get(timeout=LONG) is True
        expected = ["connected", *["lost", "connected"] * 3, "closed"]
        assert [states.get(timeout=LONG) for _ in expected] == expected

    on_model(body)


def test_tls(on_model: OnModel) -> None:
    if "MEMCACHED_TLS" not in os.environ:
        pytest.skip("MEMCACHED_TLS names no server")
    host, _, port = os.environ["MEMCACHED_TLS"].rpartition(":")

    def body(handler: Handler) -> None:
        context = handler.ssl_context(ca=os.environ["MEMCACHED_CA"])
        data = bytes(range(256)) * 3000
        with Client(handler, (host, int(port)), ssl_context=context) as client:
            assert client.set("k", data).get(timeout=LONG) is True
            results = [client.get("k") for _ in range(20)]
            assert [result.get(timeout=LONG) for result in results] == [data] * 20

    on_model(body)


@pytest.fixture
def identity(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """What a server with TLS needs, and the file of the authority that a client trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context, str(tmp_path / "ca.pem")


@pytest.mark.parametrize("chunk", [1, 1000, 65_536])
def test_tls_leaves_nothing_decrypted(
    on_model: OnModel,
    identity: tuple[ssl.SSLContext, str],
    chunk: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However little the client receives at once, it has all answers of a record."""
    monkeypatch.setattr(notices, "_CHUNK", chunk)
    tls, ca = identity
    data = value(bytes(range(256)) * 100)

    def answer(connection: socket.socket) -> None:
        for _ in range(3):
            receive(connection, get_command("k") * 3)
            connection.sendall(data * 3)
        until_closed(connection)

    def body(handler: Handler) -> None:
        context = handler.ssl_context(ca=ca)
        with (
            fake_server(answer, tls=tls) as address,
            Client(handler, address, ssl_context=context, timeout=LONG) as client,
        ):
            for _ in range(3):
                results = [client.get("k"), client.get("k"), client.get("k")]
                for result in results:
                    assert result.get(timeout=LONG) == bytes(range(256)) * 100
            client.close()

    on_model(body)


def test_tls_with_more_than_the_connection_takes(
    on_model: OnModel, identity: tuple[ssl.SSLContext, str]
) -> None:
    """The client must send and receive at the same time, or neither side goes on."""
    tls, ca = identity
    command = set_command("k", b"v" * 100_000)

    def answer(connection: socket.socket) -> None:
        for _ in range(100):
            receive(connection, command)
            connection.sendall(b"STORED\r\n")
        until_closed(connection)

    def body(handler: Handler) -> None:
        context = handler.ssl_context(ca=ca)
        with (
            fake_server(answer, tls=tls) as address,
            Client(handler, address, ssl_context=context, timeout=LONG) as client,
        ):
            results = [client.set("k", b"v" * 100_000) for _ in range(100)]
            assert [result.get(timeout=LONG) for result in results] == [True] * 100
            client.close()

    on_model(body)


# With servers that misbehave.


def test_an_answer_byte_by_byte(on_model: OnModel) -> None:
    def dribble(connection: socket.socket) -> None:
        receive(connection, get_command("k"), get_command("k"))
        for byte in value(b"END\r\nof it") + b"END\r\n":
            connection.sendall(bytes([byte]))
        until_closed(connection)

    def body(handler: Handler) -> None:
        with fake_server(dribble) as address, Client(handler, address) as client:
            results = [client.get("k"), client.get("k")]
            assert [r.get(timeout=LONG) for r in results] == [b"END\r\nof it", None]
            client.close()

    on_model(body)


@pytest.mark.parametrize("key", ["", "two words", "k\r\nflush_all", "k\0", "k\t", "k" * 251])
def test_an_illegal_key_is_refused_before_anything_is_sent(on_model: OnModel, key: str) -> None:
    def answer_once(connection: socket.socket) -> None:
        receive(connection, get_command("k"))
        connection.sendall(b"END\r\n")
        until_closed(connection)

    def body(handler: Handler) -> None:
        with fake_server(answer_once) as address, Client(handler, address) as client:
            calls: list[Callable[[], object]] = [
                lambda: client.get(key),
                lambda: client.set(key, b"v"),
                lambda: client.delete(key),
                lambda: client.incr(key, 1),
            ]
            for call in calls:
                with pytest.raises(ValueError, match="a key has 1 to 250 bytes"):
                    call()
            assert client.get("k").get(timeout=LONG) is None
            client.close()

    on_model(body)


@pytest.mark.parametrize("expire", [-1, 2**31, 10**20])
def test_a_value_is_never_taken_for_a_command(
    on_model: OnModel, memcached: Address, expire: int
) -> None:
    def body(handler: Handler) -> None:
        with Client(handler, memcached) as client:
            client.set("k", b"stays").get(timeout=LONG)
            with pytest.raises(ValueError, match="a time has 0 to"):
                client.set("other", b"delete k", expire=expire)
            assert client.get("k").get(timeout=LONG) == b"stays"

    on_model(body)


def test_a_float_is_not_cut_to_an_integer() -> None:
    """Half a second would be 0, which is for ever."""
    with pytest.raises(TypeError, match="float"):
        set_command("k", b"v", 0.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="float"):
        incr_command("k", 2.9)  # type: ignore[arg-type]


def test_a_late_answer_belongs_to_its_request(on_model: OnModel) -> None:
    late = threading.Event()

    def answer_late(connection: socket.socket) -> None:
        receive(connection, get_command("slow"))
        assert late.wait(LONG)
        receive(connection, get_command("quick"))
        connection.sendall(value(b"slow") + value(b"quick"))
        until_closed(connection)

    def body(handler: Handler) -> None:
        outcomes = Outcomes(handler)
        late.clear()
        with fake_server(answer_late) as address, Client(handler, address, timeout=LONG) as client:
            slow = client.get("slow", timeout=0.05)
            outcomes.expect(slow)
            with pytest.raises(handler.timeout_exception, match=r"no answer within 0\.05 seconds"):
                slow.get(timeout=LONG)
            late.set()
            assert client.get("quick").get(timeout=LONG) == b"quick"
            assert isinstance(slow.exception, TimeoutError)
            client.close()
        assert outcomes.take(1) == Counter([slow])
        assert outcomes.is_empty()

    on_model(body)


def test_a_request_whose_time_is_over_is_not_sent(on_model: OnModel) -> None:
    def answer_once(connection: socket.socket) -> None:
        receive(connection, get_command("second"))
        connection.sendall(value(b"second"))
        until_closed(connection)

    def body(handler: Handler) -> None:
        with fake_server(answer_once) as address:
            client = Client(handler, address)
            first = client.get("first", timeout=0)
            assert isinstance(wait_for(first).exception, TimeoutError)
            with client:
                assert client.get("second").get(timeout=LONG) == b"second"

    on_model(body)


def test_a_frozen_server_is_left(on_model: OnModel) -> None:
    """Each request fails in time. The next ones have a new connection."""

    def freeze(connection: socket.socket) -> None:
        receive(connection, get_command("k") * 3)
        until_closed(connection)

    def answer(connection: socket.socket) -> None:
        receive(connection, get_command("k"))
        connection.sendall(value(b"thawed"))
        until_closed(connection)

    def body(handler: Handler) -> None:
        states = handler.queue_impl()
        with (
            fake_server(freeze, answer) as address,
            Client(handler, address, timeout=0.2, on_state=states.put) as client,
        ):
            results = [client.get("k"), client.get("k"), client.get("k", timeout=LONG)]
            for result in results:
                with pytest.raises(TimeoutError):
                    result.get(timeout=LONG)
                assert isinstance(result.exception, handler.timeout_exception)
            assert [states.get(timeout=LONG) for _ in range(2)] == ["connected", "lost"]
            assert client.get("k", timeout=LONG).get(timeout=LONG) == b"thawed"
            client.close()

    on_model(body)


def test_a_reset_in_the_middle_of_an_answer(on_model: OnModel) -> None:
    def break_off(connection: socket.socket) -> None:
        receive(connection, get_command("k") * 1000)
        connection.sendall(value(b"the first") + value(b"the second")[:20])
        reset(connection)

    def answer(connection: socket.socket) -> None:
        receive(connection, get_command("k"))
        connection.sendall(value(b"again"))
        until_closed(connection)

    def body(handler: Handler) -> None:
        outcomes = Outcomes(handler)
        with fake_server(break_off, answer) as address, Client(handler, address) as client:
            results = [client.get("k") for _ in range(1000)]
            outcomes.expect(*results)
            assert outcomes.take(1000) == Counter(results)
            # A reset overtakes what was sent before it, so the first answer may be lost too.
            for result in results[1:]:
                assert isinstance(result.exception, ConnectionError)
            assert client.get("k").get(timeout=LONG) == b"again"
            client.close()
        assert outcomes.is_empty()

    on_model(body)


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"x" * 4000,
        b"VALUE k 0 much\r\n",
        b"VALUE k 0 99999999999\r\n",
        b"VALUE k 0 1\r\na\r\nVALUE k 0 1\r\nb\r\nEND\r\n",
        b"VALUE k 0 3\r\nlonger\r\nEND\r\n",
        b"STORED\r\n",
    ],
)
def test_an_answer_that_is_none_ends_the_connection(on_model: OnModel, sent: bytes) -> None:
    def answer_wrongly(connection: socket.socket) -> None:
        receive(connection, get_command("k") * 2)
        connection.sendall(sent)
        until_closed(connection)

    def answer(connection: socket.socket) -> None:
        receive(connection, get_command("k"))
        connection.sendall(value(b"again"))
        until_closed(connection)

    def body(handler: Handler) -> None:
        with fake_server(answer_wrongly, answer) as address, Client(handler, address) as client:
            for result in [client.get("k"), client.get("k")]:
                with pytest.raises(ProtocolError):
                    result.get(timeout=LONG)
            assert client.get("k").get(timeout=LONG) == b"again"
            client.close()

    on_model(body)


def test_an_answer_that_nobody_asked_for_ends_the_connection(on_model: OnModel) -> None:
    def answer_twice(connection: socket.socket) -> None:
        receive(connection, get_command("k"))
        connection.sendall(b"END\r\nEND\r\n")
        until_closed(connection)

    def body(handler: Handler) -> None:
        states = handler.queue_impl()
        with (
            fake_server(answer_twice, until_closed) as address,
            Client(handler, address, on_state=states.put) as client,
        ):
            assert client.get("k").get(timeout=LONG) is None
            states_seen = [states.get(timeout=LONG) for _ in range(3)]
            assert states_seen == ["connected", "lost", "connected"]
            client.close()

    on_model(body)


def test_a_new_connection_begins_with_a_whole_command(on_model: OnModel) -> None:
    """What the old one did not take is not sent again."""

    def take_little(connection: socket.socket) -> None:
        receive(connection, set_command("k", b"v" * 10_000_000)[:1000])
        reset(connection)

    def answer(connection: socket.socket) -> None:
        receive(connection, get_command("k"))
        connection.sendall(value(b"again"))
        until_closed(connection)

    def body(handler: Handler) -> None:
        with fake_server(take_little, answer) as address, Client(handler, address) as client:
            lost = client.set("k", b"v" * 10_000_000)
            with pytest.raises(ConnectionError):
                lost.get(timeout=LONG)
            assert client.get("k").get(timeout=LONG) == b"again"
            client.close()

    on_model(body)


def test_a_request_as_the_loop_falls_asleep(on_model: OnModel) -> None:
    def answer(connection: socket.socket) -> None:
        receive(connection, get_command("k"))
        connection.sendall(value(b"late"))
        until_closed(connection)

    def body(handler: Handler) -> None:
        late = handler.queue_impl()

        class LateClient(Client):
            made = False

            def _send(self) -> None:
                # The loop has taken all requests and does not sleep yet, so no caller wakes it.
                super()._send()
                if not self.made:
                    self.made = True
                    late.put(self.get("k"))

        with fake_server(answer) as address, LateClient(handler, address) as client:
            assert late.get(timeout=LONG).get(timeout=LONG) == b"late"
            client.close()

    on_model(body)


def test_close_fails_each_request_in_flight_once(on_model: OnModel) -> None:
    def freeze(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    def body(handler: Handler) -> None:
        outcomes = Outcomes(handler)
        with fake_server(freeze) as address, Client(handler, address) as client:
            results = [client.set("k", b"v" * 1000) for _ in range(5000)]
            outcomes.expect(*results)
            client.close()
            client.close()
            results.append(client.set("k", b"too late"))
            outcomes.expect(results[-1])
            assert outcomes.take(5001) == Counter(results)
            for result in results:
                assert isinstance(result.exception, ConnectionAbortedError)
        assert outcomes.is_empty()

    on_model(body)


def test_close_while_other_tasks_send(on_model: OnModel) -> None:
    """Whenever a request comes, it gets an outcome."""

    def freeze(connection: socket.socket) -> None:
        while connection.recv(65_536):
            pass

    def body(handler: Handler) -> None:
        def send() -> None:
            after = 0
            while after < 50:
                after += closed.is_set()
                made.put(client.get("k"))
                handler.sleep_func(0)
            made.put(None)

        made = handler.queue_impl()
        closed = handler.event_object()
        with fake_server(freeze) as address, Client(handler, address) as client:
            for _ in range(4):
                handler.spawn(send)
            made.get(timeout=LONG)
            client.close()
            closed.set()
            ended = 0
            while ended < 4:
                result = made.get(timeout=LONG)
                if result is None:
                    ended += 1
                else:
                    assert isinstance(wait_for(result).exception, ConnectionAbortedError)

    on_model(body)


def test_close_from_a_link_of_a_stopped_handler(on_model: OnModel) -> None:
    """There the loop itself calls the link."""

    def answer(connection: socket.socket) -> None:
        receive(connection, set_command("k", b"v"))
        connection.sendall(b"STORED\r\n")
        until_closed(connection)

    def body(handler: Handler) -> None:
        with fake_server(answer) as address:
            client = Client(handler, address)
            client.start()
            handler.stop()
            closed = handler.callback_object()

            def close(_: AsyncResult[bool]) -> None:
                client.close()
                closed.set()

            client.set("k", b"v").link(close)
            closed.get(timeout=LONG)
            client.close()

    on_model(body)


def test_no_server(on_model: OnModel) -> None:
    def body(handler: Handler) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
        client = Client(handler, address)
        early = client.get("k")
        with pytest.raises(ConnectionRefusedError):
            client.start()
        client.close()
        assert isinstance(early.exception, ConnectionAbortedError)

    on_model(body)


def test_requests_wait_while_there_is_no_connection(on_model: OnModel) -> None:
    def body(handler: Handler) -> None:
        states = handler.queue_impl()
        with fake_server(lambda connection: connection.close()) as address:
            client = Client(handler, address, on_state=states.put)
            client.start()
        # Nobody listens now.
        assert [states.get(timeout=LONG) for _ in range(2)] == ["connected", "lost"]
        with pytest.raises(TimeoutError):
            client.get("k", timeout=0.1).get(timeout=LONG)
        waiting = client.get("k", timeout=LONG)
        client.close()
        assert isinstance(waiting.exception, ConnectionAbortedError)

    on_model(body)


def test_requests_that_nobody_waits_for_are_dropped_while_there_is_no_connection(
    on_model: OnModel,
) -> None:
    def body(handler: Handler) -> None:
        states = handler.queue_impl()
        with fake_server(lambda connection: connection.close()) as address:
            client = Client(handler, address, on_state=states.put)
            client.start()
        assert [states.get(timeout=LONG) for _ in range(2)] == ["connected", "lost"]
        left = [weakref.ref(client.get("k", timeout=0.01)) for _ in range(100)]
        end = handler.clock() + LONG
        while any(result() is not None for result in left):
            assert handler.clock() < end
            handler.sleep_func(0.01)
            gc.collect()
        client.close()

    on_model(body)


def wait_for(result: AsyncResult[Any]) -> AsyncResult[Any]:
    assert result.wait(LONG)
    return result
