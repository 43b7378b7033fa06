"""The server that the other tests run against."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from kazoo.client import KazooClient

from handler_core import Handler
from handler_core.testing import (
    TLSIdentity,
    ZooKeeperServer,
    _free_ports,
    _zookeeper_settings,
)

from .conftest import new_server
from .support import eventually

# Start a server, print where it is, and end without tidying up.
FORGETFUL = """
import os, sys
from handler_core.testing import ZooKeeperServer
server = ZooKeeperServer()
server.start()
print(server.port, server.pid, flush=True)
sys.stdin.readline()
os._exit(0)
"""


def folder_of(pid: int) -> Path:
    """Return a server's folder, from the last argument of its command line."""
    return Path(os.fsdecode(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[-2])).parent


def test_a_missing_server_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    missing = ZooKeeperServer.why_missing()
    assert missing is not None
    assert "java" in missing
    assert "apt-get install zookeeper" in missing
    assert "\n" not in missing
    with pytest.raises(RuntimeError, match="apt-get install zookeeper"):
        ZooKeeperServer().start()


def test_what_only_tls_needs_is_missed_only_by_tls(
    identity: TLSIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_server(identity)
    monkeypatch.setattr(_zookeeper_settings, "_TLS_JARS", (Path("/nowhere/netty-all.jar"),))
    assert ZooKeeperServer.why_missing() is None
    missing = ZooKeeperServer.why_missing(tls=True)
    assert missing is not None
    assert "/nowhere/netty-all.jar missing" in missing
    assert "apt-get install zookeeper libnetty-java" in missing
    with pytest.raises(RuntimeError, match="libnetty-java"):
        ZooKeeperServer(tls=identity).start()


def test_a_server_that_was_stopped_comes_back_with_its_data(
    own_server: ZooKeeperServer, new_client: Callable[..., KazooClient]
) -> None:
    client = new_client(own_server.hosts)
    client.start()
    client.create("/kept", b"value")
    client.stop()
    port = own_server.port

    own_server.stop()
    assert not own_server.running
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    own_server.stop()

    own_server.start()
    own_server.start()
    assert own_server.port == port
    client.start()
    assert client.get("/kept")[0] == b"value"


def test_a_server_killed_by_somebody_else_can_be_stopped_and_started(
    own_server: ZooKeeperServer,
) -> None:
    os.kill(own_server.pid, signal.SIGKILL)
    own_server.stop()
    own_server.start()
    assert own_server.running


def test_a_closed_server_leaves_nothing() -> None:
    with new_server() as server:
        folder = folder_of(server.pid)
        assert folder.is_dir()
    assert not server.running
    assert not folder.exists()


def test_a_server_that_has_not_started_has_no_address() -> None:
    server = ZooKeeperServer()
    with pytest.raises(RuntimeError, match="start"):
        _ = server.hosts
    with pytest.raises(RuntimeError, match="tls="):
        _ = server.secure_hosts
    secure = ZooKeeperServer(tls=TLSIdentity("certificate.pem", "key.pem"))
    with pytest.raises(RuntimeError, match="start"):
        _ = secure.secure_hosts
    with pytest.raises(RuntimeError, match="not run"):
        _ = server.pid
    assert not server.running


def test_a_server_that_dies_at_once_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    server = new_server()
    monkeypatch.setattr(_zookeeper_settings, "_JAVA_OPTIONS", ("-Xnonsense",))
    with pytest.raises(RuntimeError, match="Unrecognized option: -Xnonsense"):
        server.start()
    assert not server.running
    server.close()


def test_a_port_that_was_taken_meanwhile_is_left_to_its_owner(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = new_server()
    with socket.create_server(("127.0.0.1", 0)) as owner:
        taken, free = owner.getsockname()[1], _free_ports.free_port()
        ports = [taken, free]
        monkeypatch.setattr(_free_ports, "free_port", lambda: ports.pop(0))
        with contextlib.closing(server):
            server.start()
            assert server.port == free


def test_a_port_for_tls_that_was_taken_meanwhile_is_left_to_its_owner(
    identity: TLSIdentity, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = new_server(identity)
    with socket.create_server(("127.0.0.1", 0)) as owner:
        taken = owner.getsockname()[1]
        plain, secure = _free_ports.free_ports(tls=True)
        # The two ports must also differ from each other.
        ports = [plain, taken, plain, plain, secure]
        monkeypatch.setattr(_free_ports, "free_port", lambda: ports.pop(0))
        with contextlib.closing(server):
            server.start()
            assert (server.port, server.secure_port) == (plain, secure)
            # After a stop, the server keeps its ports and chooses no others.
            server.stop()
            with (
                socket.create_server(("127.0.0.1", secure)),
                pytest.raises(RuntimeError, match=f"port {plain} or {secure} of 127.0.0.1"),
            ):
                server.start()
            assert not server.running
            server.start()
            assert (server.port, server.secure_port) == (plain, secure)
            with socket.create_connection(("127.0.0.1", secure), timeout=30):
                pass


def test_a_certificate_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none.pem")
    server = new_server(TLSIdentity(nowhere, nowhere))
    with contextlib.closing(server):
        with pytest.raises(FileNotFoundError, match=r"none\.pem"):
            server.start()
        assert not server.running


def test_a_server_does_not_outlive_its_maker(handler: Handler) -> None:
    new_server()
    with subprocess.Popen(
        [sys.executable, "-c", FORGETFUL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as maker:
        assert maker.stdin is not None
        assert maker.stdout is not None
        port, pid = map(int, maker.stdout.readline().split())
        folder = folder_of(pid)
        assert folder.is_dir()
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            maker.communicate("\n", timeout=30)
            # The kernel closes it when the server's process ends.
            with contextlib.suppress(ConnectionResetError):
                assert connection.recv(1) == b""
        assert maker.returncode == 0
    eventually(handler, lambda: not folder.exists())
