"""Programs that use three servers at a time, over TLS, while queries are cancelled and servers die.

Each program runs in a process of its own, with its own model and with nothing patched.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Self

import psycopg
import pytest
from pages import DOCS, blocks_of

from handler_core.testing import LIMIT
from handler_core.testing._guarded_process import GuardedProcess

from .conftest import RESOLVERS, why_missing
from .servers import MariaDB, PostgreSQL, Redis, Server, new_files

PAGE = DOCS / "howto" / "three-servers.md"
PROGRAMS = DOCS / "examples" / "databases"
# What the page says that a program prints. The last three lines depend on the machine.
[EXPECTED] = (block.text for block in blocks_of(PAGE) if block.language == "text")

# Runs a program as Python does, and says what it has patched.
RUNNER = """
import runpy, sys
runpy.run_path(sys.argv[1], run_name="__main__")
monkey = sys.modules.get("gevent.monkey")
modules = ("socket", "ssl", "select", "threading", "time", "queue", "os", "subprocess")
print("patched:", [name for name in modules if monkey and monkey.is_module_patched(name)])
"""


class Program:
    """A program that runs, and the lines that it prints. It ends with its block."""

    def __init__(self, folder: Path, program: Path, environment: dict[str, str]) -> None:
        self._log = folder / "program.log"
        self._read = 0
        settings = [f"{name}={value}" for name, value in environment.items()]
        python = [sys.executable, "-B", "-W", "error", "-X", "faulthandler", "-c", RUNNER, program]
        command = ["env", f"PYTHONPATH={PROGRAMS}", *settings, *python]
        self._process = GuardedProcess(folder, command, self._log)
        #: How many threads the kernel knew of at a time.
        self.most_threads = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()

    @property
    def exit_code(self) -> int | None:
        return self._process.exit_code

    def line(self) -> str:
        """Return the next line. It must come in time."""
        [line] = self._lines(lambda lines: len(lines) > 0, 1)
        return line

    def rest(self) -> list[str]:
        """Wait for the end, and return the lines that are left."""
        return self._lines(lambda lines: not self._process.running, None)

    def end(self) -> None:
        os.kill(self._process.pid, signal.SIGTERM)

    def _lines(self, enough: Callable[[list[str]], bool], count: int | None) -> list[str]:
        deadline = time.monotonic() + LIMIT
        while True:
            ended = not self._process.running
            if not ended:
                self.most_threads = max(self.most_threads, self._threads())
            lines = self._log.read_text().split("\n")[self._read : -1]
            if enough(lines):
                self._read += len(lines[:count])
                return lines[:count]
            assert not ended, f"it has ended\n{self._log.read_text()}"
            assert time.monotonic() < deadline, f"it stands still\n{self._log.read_text()}"
            time.sleep(0.01)

    def _threads(self) -> int:
        with contextlib.suppress(FileNotFoundError):  # it ended just now
            return len(os.listdir(f"/proc/{self._process.pid}/task"))
        return 0


class Servers(NamedTuple):
    """The three servers, which the tests kill and start again."""

    redis: Redis
    postgresql: PostgreSQL
    mariadb: MariaDB

    def named(self, name: str) -> Server:
        """Return the one that the programs call so."""
        return {"Redis": self.redis, "PostgreSQL": self.postgresql, "MySQL": self.mariadb}[name]

    def environment(self, host: str) -> dict[str, str]:
        """Return what tells a program where they are."""
        return {
            "POSTGRESQL": f"host={host} port={self.postgresql.port} user=tester dbname=postgres",
            "REDIS": f"rediss://{host}:{self.redis.secure_port}",
            "MYSQL_HOST": host,
            "MYSQL_PORT": str(self.mariadb.port),
            "MYSQL_PASSWORD": "secret",
            "CA": str(self.redis.files.authority),
        }


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    for kind in (Redis, PostgreSQL, MariaDB):
        why_missing(kind)
    # The certificate is for an address too, which needs no resolver, and so no thread of one.
    files = new_files(tmp_path_factory.mktemp("certificates"), "localhost", "127.0.0.1")
    with Redis(files) as redis, PostgreSQL(files) as postgresql, MariaDB(files) as mariadb:
        yield Servers(redis, postgresql, mariadb)


def slow_queries(server: PostgreSQL) -> int:
    """Return how many of the program's queries the server still runs."""
    with psycopg.connect(server.dsn) as connection:
        [count] = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
            " AND pid <> pg_backend_pid() AND query LIKE '%pg_sleep%'"
        ).fetchone() or [-1]
        return int(count)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("model", ["asyncio", "gevent", "trio"])
def test_a_program(
    model: str, host: str, servers: Servers, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Program(tmp_path, PROGRAMS / f"{model}_program.py", servers.environment(host)) as program:
        for line in EXPECTED[:-3]:
            name, _, says = line.partition(" is ")
            if says.startswith("away"):
                servers.named(name).kill()
            elif says == "back":
                servers.named(name).start_again()
            assert program.line() == line
            if line.endswith("given up"):
                assert slow_queries(servers.postgresql) == 0
        program.end()
        [counts] = re.findall(
            r"^(\d+) orders taken: PostgreSQL has (\d+), MySQL (\d+)$", program.line()
        )
        taken, stored, audited = map(int, counts)
        assert taken == stored == audited > 60
        assert re.sub(r"\d+", "N", EXPECTED[-3]) == "N orders taken: PostgreSQL has N, MySQL N"
        longest = program.line()
        assert re.fullmatch(r"a pause of 0\.005 s took \d+\.\d+ s at the most", longest)
        threads = program.line().removeprefix("threads: ").split(", ")
        if host == "127.0.0.1":
            assert (threads, program.most_threads) == (["MainThread"], 1)
        assert [name for name in threads[1:] if not name.startswith(RESOLVERS)] == []
        assert program.rest() == ["patched: []"]
        assert program.exit_code == 0
    with capsys.disabled():
        print(f"\n{model}, {host}: {longest}")
