"""A real ZooKeeper server, for tests and demonstrations.

It is Debian's package of ZooKeeper 3.8 or 3.9. It runs as a single server on a loopback port, and
its data folder is removed with it. This module needs only the standard library and a POSIX shell.

**The server never outlives its maker.** ``_guarded_process`` says how.

**The ports** are below the range of the system's own choice. ``_free_ports`` says why.

**TLS** has a port of its own, beside the plain one. The server reads certificates and keys from the
PEM files that a client takes, so nobody has to make Java's key stores.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from handler_core.testing._free_ports import Ports, free_ports
from handler_core.testing._guarded_process import GuardedProcess
from handler_core.testing._zookeeper_settings import (
    TLSIdentity,
    class_path,
    java_command,
    write_settings,
)

__all__ = ["ZooKeeperServer"]

_TRIES = 5
# In seconds. Java is slow to start on a busy machine.
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 15.0
_POLL_INTERVAL = 0.02


class ZooKeeperServer:
    """A ZooKeeper server on a free loopback port, with a data folder of its own.

    ``with ZooKeeperServer() as server: KazooClient(server.hosts)``. A server that was stopped can
    be started again, on the same port and with its data. The end of the ``with`` block closes it
    for good. A session may be as short as a second.

    Args:
        sleep_func: sleeps while this waits for the server. Give a handler's ``sleep_func`` if other
            tasks are to run meanwhile.
        tls: gives the server a second port, for TLS only. See :attr:`secure_hosts`.
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
        self._process: GuardedProcess | None = None
        self._ports: Ports | None = None

    @staticmethod
    def why_missing(tls: bool = False) -> str | None:
        """Return None if a server can be started here, or else a line that says what to install.

        Args:
            tls: whether the server needs TLS, which needs more packages.
        """
        missing = [str(jar) for jar in class_path(tls) if not jar.exists()]
        if shutil.which("java") is None:
            missing.insert(0, "java")
        if not missing:
            return None
        return f"there is no ZooKeeper server here ({', '.join(missing)} missing): " + (
            "apt-get install zookeeper" + (" libnetty-java" if tls else "")
        )

    @property
    def port(self) -> int:
        """The port on 127.0.0.1. The first start chooses it.

        Raises:
            RuntimeError: the server has not been started yet.
        """
        return self._known_ports().plain

    @property
    def hosts(self) -> str:
        """The address as clients take it, ``"127.0.0.1:PORT"``. See :attr:`port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def secure_port(self) -> int:
        """The port for TLS on 127.0.0.1. The first start chooses it.

        Raises:
            RuntimeError: the server has not been started yet, or was made without ``tls``.
        """
        if self._tls is None:
            raise RuntimeError("the ZooKeeper server has no port for TLS: make it with tls=")
        secure = self._known_ports().secure
        assert secure is not None
        return secure

    @property
    def secure_hosts(self) -> str:
        """The address for TLS in the form that clients take. See :attr:`secure_port`."""
        return f"127.0.0.1:{self.secure_port}"

    @property
    def pid(self) -> int:
        """The number of the server's process. A test may freeze or kill the process.

        Raises:
            RuntimeError: the server does not run.
        """
        if self._process is None:
            raise RuntimeError("the ZooKeeper server does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the server's process lives."""
        return self._process is not None and self._process.running

    def start(self) -> None:
        """Start the server, and return when it answers. A second call has no effect.

        Raises:
            RuntimeError: the server is not installed, ended at once or did not answer in time.
                The message shows the end of its log.
        """
        if self.running:
            return
        self.stop()
        missing = self.why_missing(tls=self._tls is not None)
        if missing is not None:
            raise RuntimeError(missing)
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="zookeeper-"))
            # This removes the folder even if nobody calls `close`.
            self._remove_folder = weakref.finalize(
                self, shutil.rmtree, self._folder, ignore_errors=True
            )
        folder = self._folder
        for remaining in reversed(range(_TRIES)):
            ports = self._ports or free_ports(tls=self._tls is not None)
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
        """End the server's process, and keep its data. No effect if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.stop(_STOP_TIMEOUT)

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

    def _known_ports(self) -> Ports:
        if self._ports is None:
            raise RuntimeError("the ZooKeeper server has no port before its first start()")
        return self._ports

    def _launch(self, folder: Path, ports: Ports) -> None:
        config = write_settings(folder, ports, self._tls)
        command = java_command(config, tls=self._tls is not None)
        self._process = GuardedProcess(folder, command, folder / "server.log", self._sleep_func)

    def _wait_until_it_answers(self, folder: Path, ports: Ports) -> None:
        deadline = time.monotonic() + _START_TIMEOUT
        # Another server may have taken the port first. The data folder in the answer tells the two
        # apart. This server opens its port for TLS last, and the answer names it from then on.
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


class _PortTakenError(RuntimeError):
    pass


def _ask(port: int, command: bytes) -> bytes:
    """Return the answer to a four-letter command; it is empty while the server gives none."""
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
