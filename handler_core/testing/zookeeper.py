"""A real ZooKeeper server, for tests and demonstrations.

It is Debian's package of ZooKeeper 3.8, run by itself on a loopback port, with a data folder that
ends with it. Nothing here needs more than the standard library and a POSIX shell.

**It never outlives its maker.** The shell that becomes the server leaves a watchman behind, who
reads from a pipe that only this process holds open. However this process ends (also by a signal,
or by ``os._exit``, as a test runner does on a timeout), the pipe then closes, and the watchman
kills the server and removes its data. The kernel's own way, ``PR_SET_PDEATHSIG``, is about the
death of a *thread*, and would take the server along with the worker thread that started it.

**The port** is taken from below the range from which the system gives ports to connecting
sockets. Otherwise, while the server is stopped, somebody's connection may be given its port; it
may even be that of a client which tries to reconnect, and finds that it talks to itself.

**TLS** has a port of its own, beside the plain one. The server reads certificates and keys as the
PEM files that a client takes, so nobody has to make Java's stores for it.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

__all__ = ["TLSIdentity", "ZooKeeperServer"]

_JARS = (Path("/usr/share/java/slf4j-simple.jar"), Path("/usr/share/java/zookeeper.jar"))
# What the server's TLS needs of Netty, beyond what zookeeper.jar refers to by itself.
_TLS_JARS = (
    Path("/usr/share/java/netty-all.jar"),
    Path("/usr/share/java/netty-codec.jar"),
    Path("/usr/share/java/netty-resolver.jar"),
    Path("/usr/share/java/netty-transport-native-unix-common.jar"),
)
_JAVA_OPTIONS = (
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:-UsePerfData",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    # The data need not survive the machine, only the server: what a write has given to the
    # kernel is enough, and a log of a megabyte at the start.
    "-Dzookeeper.forceSync=no",
    "-Dzookeeper.preAllocSize=1024",
    # A handful of clients, and a small machine: the threads that select do the reading and
    # writing too, or each request is handed over twice more. None is made to wait because
    # thousands are in flight.
    "-Dzookeeper.nio.numSelectorThreads=1",
    "-Dzookeeper.nio.numWorkerThreads=0",
    "-Dzookeeper.globalOutstandingLimit=1000000",
)
_MAIN_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"

# A line says that the server has been stopped in good order; the end of the pipe that nobody is
# left who could. `$$` is the shell's process, which is the server's after `exec`; `$0` the folder.
_UNDER_WATCH = """
exec 3<&0 </dev/null
(read -r line <&3 || { kill -KILL $$; rm -rf "$0"; }) &
exec "$@" 3<&-
"""

_PORTS = range(20_000, 32_000)
_TRIES = 5
# Seconds. Java may take its time on a busy machine.
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 15.0
_POLL_INTERVAL = 0.02


@dataclass(frozen=True)
class TLSIdentity:
    """Who a server is to its clients over TLS, and who they must be. All are paths of PEM files.

    Args:
        certfile: the server's certificate.
        keyfile: its private key, not encrypted.
        client_ca: the authority that must have signed a client's certificate; None asks for none.
    """

    certfile: str
    keyfile: str
    client_ca: str | None = None


class ZooKeeperServer:
    """A ZooKeeper server on a free loopback port, with a data folder of its own.

    ``with ZooKeeperServer() as server: KazooClient(server.hosts)``. A server that was stopped can
    be started again, on the same port and with its data, until it is closed (the end of the
    ``with`` block). Sessions may be as short as a second.

    Args:
        sleep_func: how to wait for the server: a handler's ``sleep_func`` where other tasks are
            to run meanwhile.
        tls: with it, the server has a second port, for TLS only. See :attr:`secure_hosts`.
    """

    def __init__(
        self,
        sleep_func: Callable[[float], object] = time.sleep,
        tls: TLSIdentity | None = None,
    ) -> None:
        self._sleep_func = sleep_func
        self._tls = tls
        self._folder: Path | None = None
        self._remove_folder: Callable[[], object] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ports: _Ports | None = None

    @staticmethod
    def why_missing(tls: bool = False) -> str | None:
        """Return None if a server can be started here, else a line that says what to install.

        Args:
            tls: whether the server is to have TLS, which needs more.
        """
        missing = [str(jar) for jar in _class_path(tls) if not jar.exists()]
        if shutil.which("java") is None:
            missing.insert(0, "java")
        if not missing:
            return None
        return f"there is no ZooKeeper server here ({', '.join(missing)} missing): " + (
            "apt-get install zookeeper" + (" libnetty-java" if tls else "")
        )

    @property
    def port(self) -> int:
        """The port on 127.0.0.1; known once the server has been started.

        Raises:
            RuntimeError: it has not been started yet.
        """
        return self._known_ports().plain

    @property
    def hosts(self) -> str:
        """The address as a client takes it: ``"127.0.0.1:PORT"``. See :attr:`port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def secure_port(self) -> int:
        """The port for TLS on 127.0.0.1; known once the server has been started.

        Raises:
            RuntimeError: it has not been started yet, or was made without ``tls``.
        """
        if self._tls is None:
            raise RuntimeError("the ZooKeeper server has no port for TLS: make it with tls=")
        secure = self._known_ports().secure
        assert secure is not None
        return secure

    @property
    def secure_hosts(self) -> str:
        """The address of the port for TLS, as a client takes it. See :attr:`secure_port`."""
        return f"127.0.0.1:{self.secure_port}"

    @property
    def pid(self) -> int:
        """The server's process: to freeze it, or to end it in bad order.

        Raises:
            RuntimeError: it does not run.
        """
        if self._process is None:
            raise RuntimeError("the ZooKeeper server does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True if the server's process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the server, and return when it answers; a second call does nothing.

        Raises:
            RuntimeError: the server is not installed, ended at once or did not answer in time.
                The message has the end of its log.
        """
        if self.running:
            return
        self.stop()
        missing = self.why_missing(tls=self._tls is not None)
        if missing is not None:
            raise RuntimeError(missing)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="zookeeper-"))
            # Also where nobody calls `close`.
            self._remove_folder = weakref.finalize(
                self, shutil.rmtree, self._folder, ignore_errors=True
            )
        folder = self._folder
        for remaining in reversed(range(_TRIES)):
            ports = self._ports or _free_ports(tls=self._tls is not None)
            self._launch(folder, ports)
            try:
                self._wait_until_it_answers(folder, ports)
            except _PortTakenError:
                self.stop()
                if self._ports is not None or not remaining:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                self._ports = ports
                return

    def stop(self) -> None:
        """End the server's process, and keep its data; without effect if it does not run."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            self._wait_for_end(process, _STOP_TIMEOUT)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            assert process.stdin is not None
            # The watchman is gone if somebody has killed all the server's processes.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.write(b"\n")
            process.stdin.close()

    def close(self) -> None:
        """Stop the server and remove its data."""
        self.stop()
        if self._remove_folder is not None:
            self._remove_folder()
        self._folder = self._remove_folder = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _known_ports(self) -> _Ports:
        if self._ports is None:
            raise RuntimeError("the ZooKeeper server has no port before its first start()")
        return self._ports

    def _launch(self, folder: Path, ports: _Ports) -> None:
        data = folder / "data"
        data.mkdir(exist_ok=True)
        settings = _settings(data, ports.plain)
        if self._tls is not None:
            settings += _tls_settings(folder, ports, self._tls)
        config = folder / "zoo.cfg"
        config.write_text("".join(f"{key}={value}\n" for key, value in settings))
        class_path = os.pathsep.join(map(str, _class_path(self._tls is not None)))
        command = ["java", *_JAVA_OPTIONS, "-cp", class_path, _MAIN_CLASS, str(config)]
        with (folder / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _UNDER_WATCH, folder, *command],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=folder,
                # A Ctrl-C at the terminal is for its maker, who may still have to stop a client.
                start_new_session=True,
            )

    def _wait_until_it_answers(self, folder: Path, ports: _Ports) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        # By its data folder it is told from another one that was quicker to take the port. The
        # port for TLS is opened last, and named in the answer as soon as it is open.
        signs = [f"dataDir={folder}".encode()]
        if ports.secure is not None:
            signs.append(b"secureClientPort=%d\n" % ports.secure)
        while not _has_all(_ask(ports.plain, b"conf"), signs):
            if not self.running:
                log = _end_of_log(folder)
                if "java.net.BindException" in log:
                    raise _PortTakenError(f"{ports} of 127.0.0.1 is taken\n{log}")
                raise RuntimeError(f"the ZooKeeper server ended as it started\n{log}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"the ZooKeeper server did not answer within {_START_TIMEOUT} seconds\n"
                    + _end_of_log(folder)
                )
            self._sleep_func(_POLL_INTERVAL)

    def _wait_for_end(self, process: subprocess.Popen[bytes], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while process.poll() is None and time.monotonic() < deadline:
            self._sleep_func(_POLL_INTERVAL)


class _PortTakenError(RuntimeError):
    pass


class _Ports(NamedTuple):
    plain: int
    secure: int | None

    def __str__(self) -> str:
        return f"port {self.plain}" + (f" or {self.secure}" if self.secure is not None else "")


def _class_path(tls: bool) -> tuple[Path, ...]:
    return _JARS + _TLS_JARS if tls else _JARS


def _settings(data: Path, port: int) -> list[tuple[str, object]]:
    return [
        ("tickTime", 500),  # milliseconds; a session lasts from 2 to 20 ticks
        ("dataDir", data),
        ("clientPort", port),
        ("clientPortAddress", "127.0.0.1"),
        ("maxClientCnxns", 0),  # no limit
        ("admin.enableServer", "false"),
        ("4lw.commands.whitelist", "*"),
    ]


def _tls_settings(folder: Path, ports: _Ports, tls: TLSIdentity) -> list[tuple[str, object]]:
    key_store = folder / "server.pem"
    key_store.write_bytes(Path(tls.certfile).read_bytes() + Path(tls.keyfile).read_bytes())
    settings: list[tuple[str, object]] = [
        # The other one knows no TLS. It serves the plain port too.
        ("serverCnxnFactory", "org.apache.zookeeper.server.NettyServerCnxnFactory"),
        ("secureClientPort", ports.secure),
        ("secureClientPortAddress", "127.0.0.1"),
        ("ssl.keyStore.location", key_store),
        ("ssl.keyStore.type", "PEM"),
        ("ssl.clientAuth", "none" if tls.client_ca is None else "need"),
    ]
    if tls.client_ca is not None:
        settings += [
            ("ssl.trustStore.location", tls.client_ca),
            ("ssl.trustStore.type", "PEM"),
        ]
    return settings


def _free_ports(tls: bool) -> _Ports:
    if not tls:
        return _Ports(_free_port(), None)
    plain = secure = _free_port()
    while secure == plain:  # it stays free until the server takes it
        secure = _free_port()
    return _Ports(plain, secure)


def _free_port() -> int:
    """Return a port that nobody listens on, for the moment."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            # As the server does it: an old connection that lingers on the port is no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("there is no free port for a ZooKeeper server on 127.0.0.1")


def _ask(port: int, command: bytes) -> bytes:
    """Return the answer to a four-letter command, empty while there is none."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(command)
            while data := connection.recv(8192):
                answer += data
    except OSError:
        return b""
    return answer


def _has_all(text: bytes, parts: list[bytes]) -> bool:
    return all(part in text for part in parts)


def _end_of_log(folder: Path) -> str:
    return (folder / "server.log").read_text(errors="replace")[-4000:]
