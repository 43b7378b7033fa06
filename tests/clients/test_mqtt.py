"""paho-mqtt on every model."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from handler_core_clients import paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from handler_core import Handler

from .models import CANCELS, LONG, Ticker, cancelled, eventually, in_task
from .servers import Mosquitto

needs_cancellation = pytest.mark.skipif(not CANCELS, reason="threads are not cancelled")
NewClient = Callable[[], paho.Client]


class Listener:
    """What a client hears of."""

    def __init__(self, handler: Handler, client: paho.Client) -> None:
        self.connected, self.subscribed = handler.event_object(), handler.event_object()
        self.disconnected = handler.event_object()
        self.messages: Any = handler.queue_impl()
        client.on_connect = lambda *_: self.connected.set()
        client.on_subscribe = lambda *_: self.subscribed.set()
        client.on_disconnect = lambda *_: self.disconnected.set()
        client.on_message = lambda client, data, message: self.messages.put(message.payload)


@pytest.fixture
def new_client(handler: Handler) -> Iterator[NewClient]:
    """Makes clients, and ends them."""
    clients: list[paho.Client] = []

    def make() -> paho.Client:
        clients.append(paho.Client(handler, CallbackAPIVersion.VERSION2))
        return clients[-1]

    yield make
    for client in clients:
        client.disconnect()
        client.loop_stop()


def listening(handler: Handler, client: paho.Client, port: int, topic: str) -> Listener:
    """Connect a client, and subscribe to a topic."""
    listener = Listener(handler, client)
    client.connect("localhost", port)
    client.loop_start()
    assert listener.connected.wait(LONG)
    client.subscribe(topic, qos=1)
    assert listener.subscribed.wait(LONG)
    return listener


def test_messages_in_their_order(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient
) -> None:
    listener = listening(handler, new_client(), mosquitto.port, "order")
    sending = new_client()
    sending.connect("localhost", mosquitto.port)
    sending.loop_start()
    expected = [b"%d" % number for number in range(200)]
    for payload in expected:
        sending.publish("order", payload, qos=1)
    assert [listener.messages.get(timeout=LONG) for _ in expected] == expected


def test_tls_with_an_authority_of_its_own(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient, big: bytes
) -> None:
    client = new_client()
    client.tls_set(str(mosquitto.files.authority))
    listener = listening(handler, client, mosquitto.secure_port, "tls")
    client.publish("tls", big, qos=1)
    assert listener.messages.get(timeout=LONG) == big


def test_ten_megabytes(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient, big: bytes
) -> None:
    client = new_client()
    listener = listening(handler, client, mosquitto.port, "big")
    client.publish("big", big, qos=1)
    assert listener.messages.get(timeout=LONG) == big


def test_other_tasks_run_meanwhile(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient, ticker: Ticker
) -> None:
    listening(handler, new_client(), mosquitto.port, "silence")
    before = ticker.ticks
    handler.sleep_func(0.3)
    assert ticker.ticks - before >= 5


def test_a_message_from_another_thread(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient
) -> None:
    client = new_client()
    listener = listening(handler, client, mosquitto.port, "thread")
    thread = threading.Thread(target=client.publish, args=("thread", b"from afar"))
    thread.start()
    assert listener.messages.get(timeout=LONG) == b"from afar"
    thread.join()


def test_a_task_waits_until_a_message_is_published(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient
) -> None:
    client = new_client()
    listening(handler, client, mosquitto.port, "published")
    published = client.publish("published", b"any", qos=1)
    published.wait_for_publish(timeout=LONG)
    assert published.is_published()


def test_a_server_that_is_not_there(handler: Handler, new_client: NewClient) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectionRefusedError):
            new_client().connect("localhost", closed.getsockname()[1])


def test_the_server_is_killed_and_comes_back(
    handler: Handler, new_server: Callable[[type[Mosquitto]], Mosquitto], new_client: NewClient
) -> None:
    server = new_server(Mosquitto)
    client = new_client()
    client.reconnect_delay_set(min_delay=1, max_delay=1)
    listener = listening(handler, client, server.port, "again")
    listener.connected.clear()
    server.kill()
    assert listener.disconnected.wait(LONG)
    server.start_again()
    assert listener.connected.wait(LONG)
    client.publish("unheard", b"any", qos=1).wait_for_publish(timeout=LONG)


def test_a_loop_that_has_stopped_can_be_started_again(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient
) -> None:
    client = new_client()
    assert client.loop_stop() == MQTTErrorCode.MQTT_ERR_INVAL
    listening(handler, client, mosquitto.port, "twice")
    assert client.loop_start() == MQTTErrorCode.MQTT_ERR_INVAL
    client.disconnect()
    assert client.loop_stop() == MQTTErrorCode.MQTT_ERR_SUCCESS
    listening(handler, client, mosquitto.port, "twice")


def test_a_callback_stops_the_loop(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient
) -> None:
    client = new_client()
    codes: Any = handler.queue_impl()
    client.on_connect = lambda *_: client.disconnect()
    client.on_disconnect = lambda *_: codes.put(client.loop_stop())
    client.connect("localhost", mosquitto.port)
    client.loop_start()
    assert codes.get(timeout=LONG) == MQTTErrorCode.MQTT_ERR_SUCCESS
    assert client.loop_stop() == MQTTErrorCode.MQTT_ERR_SUCCESS
    listening(handler, client, mosquitto.port, "callback")


def test_a_loop_that_has_ended_can_be_started_again(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient
) -> None:
    client = new_client()
    listener = listening(handler, client, mosquitto.port, "ended")
    client.disconnect()
    assert listener.disconnected.wait(LONG)
    eventually(handler, lambda: not client._task.is_alive())
    listening(handler, client, mosquitto.port, "ended")


def test_a_unix_socket(handler: Handler, mosquitto: Mosquitto) -> None:
    client = paho.Client(handler, CallbackAPIVersion.VERSION2, transport="unix")
    listener = Listener(handler, client)
    client.connect(mosquitto.unix_path)
    client.loop_start()
    assert listener.connected.wait(LONG)
    client.disconnect()
    client.loop_stop()


def test_websockets_are_refused(handler: Handler, mosquitto: Mosquitto) -> None:
    client = paho.Client(handler, CallbackAPIVersion.VERSION2, transport="websockets")
    with pytest.raises(ValueError, match="websockets"):
        client.connect("localhost", mosquitto.port)


@needs_cancellation
def test_a_cancelled_loop_can_go_on(
    handler: Handler, mosquitto: Mosquitto, new_client: NewClient
) -> None:
    client = new_client()
    listener = Listener(handler, client)
    client.connect("localhost", mosquitto.port)
    assert cancelled(handler, 0.1, client.loop_forever)
    assert client.is_connected()
    going_on = in_task(handler, client.loop_forever)
    client.subscribe("on")
    assert listener.subscribed.wait(LONG)
    client.publish("on", b"and on")
    assert listener.messages.get(timeout=LONG) == b"and on"
    client.disconnect()
    going_on.get(timeout=LONG)
    eventually(handler, lambda: not client.is_connected())
