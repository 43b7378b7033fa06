"""``Handler.started``: a client from its start to its end. ``Handler``'s methods for coroutines."""

from __future__ import annotations

import weakref
from typing import Any

import pytest

from handler_core import Handler, get_handler


class Client:
    """Notes what is called, and raises where it is told to."""

    def __init__(self, **failures: BaseException) -> None:
        self.called: list[object] = []
        self.failures = failures

    def _call(self, name: str, *details: object) -> None:
        self.called.append((name, *details) if details else name)
        if name in self.failures:
            raise self.failures[name]

    def start(self, *args: object, **kwargs: object) -> None:
        self._call("start", *args, *kwargs.items())

    def stop(self) -> None:
        self._call("stop")

    def close(self) -> None:
        self._call("close")


@pytest.fixture
def handler() -> Handler:
    return get_handler("threading")


def test_it_is_started_and_ended_in_order(handler: Handler) -> None:
    client = Client()
    with handler.started(client) as given:
        assert given is client
        assert client.called == ["start"]
    assert client.called == ["start", "stop", "close"]


def test_the_arguments_are_those_of_start(handler: Handler) -> None:
    client = Client()
    with handler.started(client, 1, timeout=5):
        assert client.called == [("start", 1, ("timeout", 5))]


def test_nothing_is_called_before_it_is_entered(handler: Handler) -> None:
    client = Client()
    handler.started(client)
    assert client.called == []


def test_an_exception_in_the_block_goes_on(handler: Handler) -> None:
    client = Client()
    with pytest.raises(ZeroDivisionError), handler.started(client):
        raise ZeroDivisionError
    assert client.called == ["start", "stop", "close"]


@pytest.mark.parametrize("failure", [OSError("no server"), KeyboardInterrupt()])
def test_a_client_that_does_not_start_is_ended(handler: Handler, failure: BaseException) -> None:
    client = Client(start=failure)
    with pytest.raises(type(failure)) as caught, handler.started(client):
        pytest.fail("the block ran")
    assert caught.value is failure
    assert client.called == ["start", "stop", "close"]


def test_it_is_closed_though_its_stop_fails(handler: Handler) -> None:
    client = Client(stop=OSError("stop"))
    with pytest.raises(OSError, match="stop"), handler.started(client):
        pass
    assert client.called == ["start", "stop", "close"]


@pytest.mark.parametrize("failure", [OSError("start"), KeyboardInterrupt()])
def test_the_exception_of_start_goes_on(handler: Handler, failure: BaseException) -> None:
    client = Client(start=failure, stop=OSError("stop"), close=OSError("close"))
    with pytest.raises(type(failure)) as caught, handler.started(client):
        pass
    assert caught.value is failure
    assert failure.__notes__ == ["The client did not end well after that: OSError('close')"]
    assert client.called == ["start", "stop", "close"]


def test_it_may_be_entered_again_but_not_meanwhile(handler: Handler) -> None:
    client = Client()
    life = handler.started(client)
    with life:
        with pytest.raises(RuntimeError, match="not ended it"):
            life.__enter__()
        assert client.called == ["start"]
    with life:
        pass
    assert client.called == ["start", "stop", "close"] * 2
    client.failures["start"] = OSError("start")
    for _ in range(2):
        with pytest.raises(OSError, match="start"), life:
            pass


def test_it_refers_to_its_client_alone(handler: Handler) -> None:
    client = Client()
    with handler.started(client):
        pass
    gone = weakref.ref(client)
    del client
    assert gone() is None


@pytest.mark.parametrize("missing", ["stop", "close"])
def test_a_client_may_have_one_end(handler: Handler, missing: str) -> None:
    ends = {"start", "stop", "close"} - {missing}
    called: list[str] = []
    methods: dict[str, Any] = {end: lambda self, end=end: called.append(end) for end in ends}
    with handler.started(type("Small", (), methods)()):
        assert called == ["start"]
    assert called == ["start", *sorted(ends - {"start"})]


class NoStart:
    def close(self) -> None: ...


class NoEnd:
    stop = None

    def start(self) -> None: ...


class Coroutines(Client):
    async def start(self) -> None:  # type: ignore[override]
        pass


def test_a_client_of_coroutines_is_refused_at_once(handler: Handler) -> None:
    with pytest.raises(TypeError, match=r"start\(\) is a coroutine function: await it"):
        handler.started(Coroutines())


@pytest.mark.parametrize(
    "client",
    [None, NoStart(), NoEnd(), len, Client],
    ids=["None", "no start", "no end", "function", "class"],
)
def test_what_is_no_client_is_refused_at_once(handler: Handler, client: object) -> None:
    with pytest.raises(TypeError, match=r"started\(\) takes a client with start\(\), and stop\(\)"):
        handler.started(client)


def advice(call: Any) -> str:
    with pytest.raises(TypeError) as caught:
        call().send(None)
    return str(caught.value)


def test_a_model_without_an_event_loop_says_what_to_write(handler: Handler) -> None:
    assert handler.has_event_loop is False
    start = "the threading model has no event loop: "
    use_with = (
        f"{start}write `with`, not `async with`. In a coroutine, take the handler of its loop"
    )
    assert advice(handler.__aenter__).startswith(use_with)
    assert advice(lambda: handler.call(len, "abc")).startswith(f"{start}call the function. ")
    assert advice(lambda: handler.run_loop(main)).startswith(f"{start}call the function. ")
    client = Client()
    life = handler.started(client)
    assert advice(lambda: handler.calling(life)).startswith(use_with)
    assert advice(lambda: handler.iterating([])).startswith(f"{start}write `for`, not `async for`")
    assert advice(life.__aenter__).startswith(use_with)
    assert client.called == []


async def main() -> None: ...
