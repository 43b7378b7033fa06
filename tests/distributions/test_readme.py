"""The README, typed as it stands: each line that installs, in an empty environment of its own."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from pages import HOSTS, blocks_of

from handler_core.testing import ZooKeeperServer

from .environments import ROOT, Environment

pytestmark = pytest.mark.timeout(900)

README = ROOT / "README.md"
LINES = re.findall(r"^    pip install (\. .*)$", README.read_text(), re.MULTILINE)
FIRST, ZOOKEEPER, COROUTINES = (
    ("\n".join(block.text), "\n".join(printed.text) + "\n")
    for block, printed in zip(blocks_of(README), blocks_of(README)[1:], strict=False)
    if block.language == "python"
)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what git knows."""
    folder = tmp_path_factory.mktemp("checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        copied = folder / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copied)
    return folder


def unused_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


def test_there_is_a_line_for_each_model() -> None:
    installed = [re.sub(".*-", "", line) for line in LINES]
    assert installed == ["threading", "gevent", "eventlet", "asyncio", "trio"]


@pytest.mark.parametrize("line", LINES, ids=[re.sub(".*-", "", line) for line in LINES])
def test_the_readme_as_it_stands(line: str, environment: Environment, checkout: Path) -> None:
    missing = ZooKeeperServer.why_missing()
    assert missing is None, missing
    environment.run("python", "-m", "pip", "install", "--quiet", *line.split(), cwd=checkout)
    assert environment.run("python", "-W", "ignore", "-c", FIRST[0]) == FIRST[1]

    environment.install("kazoo")
    blocks = [ZOOKEEPER, COROUTINES] if "asyncio" in line else [ZOOKEEPER]
    nobody = unused_address()
    for program, _ in blocks:
        arguments = ("-W", "ignore", "-c", program.replace(HOSTS, nobody))
        said = environment.run("python", *arguments, status=1)
        assert said.splitlines()[-1] == f"no ZooKeeper answers on {nobody}"
        assert "Traceback" not in said
    with ZooKeeperServer() as server:
        for program, printed in blocks:
            arguments = ("-W", "ignore", "-c", program.replace(HOSTS, server.hosts))
            assert environment.run("python", *arguments) == printed
