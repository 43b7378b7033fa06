"""The documentation's web applications, served and asked over HTTP, with a real ZooKeeper."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from kazoo.client import KazooClient
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

from handler_core import get_handler
from handler_core.testing import LIMIT, ZooKeeperServer

APPLICATIONS = Path(__file__).parents[2] / "docs" / "examples" / "web"


@pytest.fixture(scope="module")
def server() -> Iterator[ZooKeeperServer]:
    missing = ZooKeeperServer.why_missing()
    if missing is not None:
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with ZooKeeperServer() as server:
        yield server


@pytest.fixture
def hosts(server: ZooKeeperServer, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ZOOKEEPER_HOSTS", server.hosts)
    return server.hosts


def load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, APPLICATIONS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(hosts: str, test: Callable[[Any], Awaitable[None]]) -> None:
    """Run a test in a loop, with a client of its own to look at ZooKeeper; and count threads."""

    async def main() -> None:
        before = threading.active_count()
        handler: Any = get_handler("asyncio")
        async with asyncio.timeout(LIMIT), handler:
            zk = KazooClient(hosts, handler=handler)
            await handler.call(zk.start)
            await test(zk)
            await handler.call(zk.stop)
            await handler.call(zk.close)
            ours = [t for t in threading.enumerate() if not t.name.startswith("asyncio_")]
            assert len(ours) == before

    asyncio.run(main())


@contextlib.asynccontextmanager
async def starlette_client(app: Any = None) -> AsyncIterator[httpx.AsyncClient]:
    """Serve an application by uvicorn, in this loop: by default that of the documentation."""
    app = app or load("starlette_app").app
    config = uvicorn.Config(app, log_config=None, lifespan="auto")
    web = uvicorn.Server(config)
    web.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    with socket.create_server(("127.0.0.1", 0)) as listening:
        serving = asyncio.ensure_future(web.serve([listening]))
        async with new_client(listening.getsockname()[1]) as client:
            yield client
        web.should_exit = True
        await serving


def test_starlette_serves_what_a_watch_has_told_it(hosts: str) -> None:
    async def test(zk: Any) -> None:
        await zk.create_async("/web/greeting", b"hello", makepath=True)
        async with starlette_client() as client:
            assert (await client.get("/greeting")).text == "hello"
            waiting = [asyncio.ensure_future(client.get("/greeting/next")) for _ in range(10)]
            assert (await client.get("/greeting")).text == "hello"  # nothing stands still
            number = 0
            while not all(task.done() for task in waiting):  # some may have come too late
                number += 1
                await zk.set_async("/web/greeting", b"hello %d" % number)
                await asyncio.wait(waiting, timeout=0.1)
            assert all(task.result().text.startswith("hello ") for task in waiting)

    run(hosts, test)


def test_starlette_takes_a_lock(hosts: str) -> None:
    async def test(zk: Any) -> None:
        async with starlette_client() as client:
            answers = await asyncio.gather(*(client.post("/visits") for _ in range(20)))
            assert sorted(int(answer.text) for answer in answers) == list(range(1, 21))
            assert (await zk.get_async("/web/visits"))[0] == b"20"

    run(hosts, test)


def test_starlette_releases_the_lock_of_a_client_that_goes_away(hosts: str) -> None:
    async def test(zk: Any) -> None:
        handler = zk.handler
        lock = zk.Lock("/web/held", "the first")

        async def held() -> AsyncIterator[bytes]:
            async with handler.calling(lock):
                yield b"held"
                await asyncio.Event().wait()

        async def hold(_: Request) -> StreamingResponse:
            return StreamingResponse(held())

        async with starlette_client(Starlette(routes=[Route("/", hold)])) as client:
            async with client.stream("GET", "/") as answer:
                chunks = answer.aiter_raw()
                assert await anext(chunks) == b"held"
                assert await handler.call(lock.contenders) == ["the first"]
            async with handler.calling(zk.Lock("/web/held", "the next")):
                assert await handler.call(lock.contenders) == ["the next"]
            while lock.is_acquired:
                await asyncio.sleep(0.001)

    run(hosts, test)


def test_a_watch_that_is_a_coroutine_function(hosts: str) -> None:
    async def test(zk: Any) -> None:
        values: asyncio.Queue[bytes | None] = asyncio.Queue()

        async def watch(data: bytes | None, stat: Any) -> bool:
            if data:  # a request within a watch
                assert (await zk.get_async("/web/watched"))[0]
            await values.put(data)
            return data != b"last"  # kazoo ends a watch that returns False

        await zk.create_async("/web/watched", b"first", makepath=True)
        await zk.handler.call(zk.DataWatch, "/web/watched", watch)
        assert await values.get() == b"first"
        for value in (b"last", b"after that"):
            await zk.set_async("/web/watched", value)
        assert await values.get() in (b"last", b"after that")
        assert values.empty()

    run(hosts, test)


async def check_nodes(client: httpx.AsyncClient, folder: str) -> None:
    answers = await asyncio.gather(*(client.get(f"{folder}/node") for _ in range(50)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, "data")}
    assert answers[0].headers["ETag"] == '"0"'
    assert (await client.get(f"{folder}/other")).status_code == 404


def new_client(port: int) -> httpx.AsyncClient:
    url = f"http://127.0.0.1:{port}"
    return httpx.AsyncClient(base_url=url, timeout=LIMIT, trust_env=False)


def test_tornado_reads_nodes(hosts: str) -> None:
    async def test(zk: Any) -> None:
        await zk.create_async("/tornado/node", b"data", makepath=True)
        started, stop = asyncio.get_running_loop().create_future(), asyncio.Event()
        serving = asyncio.ensure_future(load("tornado_app").main(0, started, stop))
        server = await started
        (listening,) = server._sockets.values()
        async with new_client(listening.getsockname()[1]) as client:
            await check_nodes(client, "/nodes/tornado")
        stop.set()
        await serving

    run(hosts, test)


def test_quart_reads_nodes(hosts: str) -> None:
    async def test(zk: Any) -> None:
        await zk.create_async("/quart/node", b"data", makepath=True)
        async with starlette_client(load("quart_app").app) as client:  # any ASGI application
            await check_nodes(client, "/nodes/quart")

    run(hosts, test)


def test_twisted_reads_nodes(hosts: str) -> None:
    async def test(zk: Any) -> None:
        await zk.create_async("/twisted/node", b"data", makepath=True)
        program = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", APPLICATIONS / "twisted_app.py"),
            env=os.environ | {"PORT": "0"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            assert program.stdout is not None
            words = (await program.stdout.readline()).split()
            assert words[:3] == [b"listening", b"on", b"port"]
            async with new_client(int(words[3])) as client:
                await check_nodes(client, "/twisted")
            program.send_signal(signal.SIGINT)
            _, errors = await program.communicate()
            assert (program.returncode, errors) == (0, b"")
        finally:
            if program.returncode is None:
                program.kill()
                await program.wait()

    run(hosts, test)


def test_twisted_says_why_it_cannot_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody_answers:
        hosts = f"127.0.0.1:{nobody_answers.getsockname()[1]}"
    done = subprocess.run(
        [sys.executable, "-W", "error", APPLICATIONS / "twisted_app.py"],
        env=os.environ | {"PORT": "0", "ZOOKEEPER_HOSTS": hosts},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith("handler_core_asyncio.AsyncioTimeoutError: Connection time-out\n")
