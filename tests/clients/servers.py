"""Servers from Debian's packages: on loopback, in temporary folders, gone with who started them."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import trustme

from handler_core.testing._free_ports import free_port
from handler_core.testing._guarded_process import GuardedProcess

_TRIES = 5
# In seconds.
_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 15.0


class Files(NamedTuple):
    """The files of a server's certificate, in PEM."""

    authority: Path
    certificate: Path
    key: Path


def new_files(folder: Path, *hosts: str) -> Files:
    """Write a certificate for these hosts, by an authority of its own, into a folder."""
    authority = trustme.CA()
    issued = authority.issue_cert(*hosts)
    names = Files(*(folder / name for name in ("authority.pem", "server.pem", "server.key")))
    authority.cert_pem.write_to_path(str(names.authority))
    issued.cert_chain_pems[0].write_to_path(str(names.certificate))
    issued.private_key_pem.write_to_path(str(names.key))
    return names


def _unprivileged() -> tuple[list[str], pwd.struct_passwd | None]:
    """Return the prefix of a command that runs as nobody, since some servers refuse root."""
    if os.getuid() != 0:
        return [], None
    nobody = pwd.getpwnam("nobody")
    identity = f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"
    return ["setpriv", *identity, "--"], nobody


class Server:
    """A server with a port for plain connections, and another one for TLS if it has one.

    It listens on 127.0.0.1. Clients name it ``localhost``, for which its certificate is.
    """

    #: The package of Debian's that has it.
    package: ClassVar[str]
    #: The program.
    program: ClassVar[str]
    #: What its log says when it is ready; None asks it by a connection.
    ready: ClassVar[str | None] = None

    host = "localhost"

    def __init__(self, files: Files) -> None:
        self._prefix, self._user = _unprivileged()
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.package}-"))
        self._log = self.folder / "server.log"
        self._process: GuardedProcess | None = None
        self.files = Files(*(self._own_copy(file) for file in files))
        self._give(self.folder)
        self.prepare()

    @classmethod
    def why_missing(cls) -> str | None:
        """Return None if it can be started here, or else a line that says what to install."""
        if shutil.which(cls.program, path=_PATH):
            return None
        return f"there is no {cls.program} here: apt-get install {cls.package}"

    def prepare(self) -> None:
        """Do what is needed once, before the first start."""

    def command(self) -> list[str | Path]:
        """Return the arguments of the program."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it on free ports, and return when it answers."""
        for remaining in reversed(range(_TRIES)):
            self.port, self.secure_port = free_port(), free_port()
            if self._launch():
                return
            self.kill()
            log = self._log.read_text(errors="replace")[-4000:]
            # Another process may have been given the same port at the same time.
            if "in use" not in log.lower() or not remaining:
                raise RuntimeError(f"{self.program} has not started\n{log}")

    def start_again(self) -> None:
        """Start it on the ports that it has had."""
        assert self._launch(), self._log.read_text(errors="replace")[-4000:]

    def kill(self) -> None:
        """Kill it, as the kernel kills what has too much memory."""
        assert self._process is not None
        self._process.kill()

    def close(self) -> None:
        """Stop it and remove its folder."""
        if self._process is not None:
            self._process.stop(_STOP_TIMEOUT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def run(self, program: str, *arguments: str | Path) -> None:
        """Run a program to its end, as the server's user."""
        done = subprocess.run(
            [*self._prefix, _found(program), *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"HOME": str(self.folder), "TMPDIR": str(self.folder)},
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _launch(self) -> bool:
        command = [*self._prefix, _found(self.program), *self.command()]
        self._process = GuardedProcess(self.folder, command, self._log)
        return self._answers_in_time(self._process)

    def _answers_in_time(self, process: GuardedProcess) -> bool:
        deadline = time.monotonic() + _START_TIMEOUT
        while process.running and time.monotonic() < deadline:
            if self._is_ready():
                return True
            time.sleep(0.01)
        return False

    def _is_ready(self) -> bool:
        if self.ready is not None:
            return self.ready in self._log.read_text(errors="replace")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
            return True
        return False

    def _own_copy(self, file: Path) -> Path:
        copy = self.folder / file.name
        shutil.copy(file, copy)
        copy.chmod(0o600)
        self._give(copy)
        return copy

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)


# Debian keeps servers where only root looks for programs, and PostgreSQL's in a folder for each
# version, the newest one last.
_PATH = os.pathsep.join(
    [
        os.environ["PATH"],
        "/usr/sbin",
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
)


def _found(program: str) -> str:
    found = shutil.which(program, path=_PATH)
    assert found is not None, program
    return found


class Redis(Server):
    package = "redis-server"
    program = "redis-server"
    ready = "eady to accept connections"

    @property
    def unix_path(self) -> str:
        return str(self.folder / "redis.sock")

    def command(self) -> list[str | Path]:
        return [
            *("--bind", "127.0.0.1", "--port", str(self.port), "--unixsocket", self.unix_path),
            *("--unixsocketperm", "777", "--save", "", "--dir", self.folder),
            *("--tls-port", str(self.secure_port), "--tls-auth-clients", "no"),
            *("--tls-cert-file", self.files.certificate, "--tls-key-file", self.files.key),
            *("--tls-ca-cert-file", self.files.authority),
        ]

    def prepare(self) -> None:
        self.folder.chmod(0o755)


class Memcached(Server):
    package = "memcached"
    program = "memcached"

    def command(self) -> list[str | Path]:
        return [
            *("-l", f"notls:127.0.0.1:{self.port},127.0.0.1:{self.secure_port}"),
            *("-U", "0", "-m", "256", "-I", "32m", "-Z"),
            *("-o", f"ssl_chain_cert={self.files.certificate},ssl_key={self.files.key}"),
        ]


class PostgreSQL(Server):
    package = "postgresql"
    program = "postgres"
    ready = "ready to accept connections"

    def prepare(self) -> None:
        self.run(
            "initdb",
            *("-D", self.folder / "data", "-U", "tester", "-A", "trust", "-E", "UTF8"),
            *("--locale=C", "--no-sync", "--no-instructions"),
        )

    def command(self) -> list[str | Path]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "shared_buffers": "16MB",
            "ssl": "on",
            "ssl_cert_file": self.files.certificate,
            "ssl_key_file": self.files.key,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        return ["-D", self.folder / "data", *options]

    @property
    def dsn(self) -> str:
        return f"host={self.host} port={self.port} user=tester dbname=postgres"


class MariaDB(Server):
    package = "mariadb-server"
    program = "mariadbd"
    ready = "ready for connections"

    def prepare(self) -> None:
        self.run(
            "mariadb-install-db",
            *("--no-defaults", f"--datadir={self.folder / 'data'}", "--skip-test-db"),
            "--auth-root-authentication-method=normal",
        )
        users = self.folder / "users.sql"
        users.write_text(
            "CREATE USER IF NOT EXISTS tester IDENTIFIED BY 'secret';\n"
            "GRANT ALL ON *.* TO tester;\n"
            "CREATE DATABASE IF NOT EXISTS test;\n"
        )

    def command(self) -> list[str | Path]:
        return [
            *("--no-defaults", f"--datadir={self.folder / 'data'}"),
            *(f"--port={self.port}", "--bind-address=127.0.0.1"),
            *(f"--socket={self.folder / 'mariadb.sock'}", f"--pid-file={self.folder / 'pid'}"),
            *(f"--ssl-cert={self.files.certificate}", f"--ssl-key={self.files.key}"),
            *("--max-allowed-packet=64M", "--innodb-buffer-pool-size=16M"),
            # At 2, what is committed survives that the server is killed.
            *("--innodb-flush-log-at-trx-commit=2", f"--init-file={self.folder / 'users.sql'}"),
        ]


class Mosquitto(Server):
    package = "mosquitto"
    program = "mosquitto"
    ready = " running"

    @property
    def unix_path(self) -> str:
        return str(self.folder / "mosquitto.sock")

    def command(self) -> list[str | Path]:
        settings = self.folder / "mosquitto.conf"
        settings.write_text(
            "allow_anonymous true\n"
            "max_packet_size 20000000\n"  # newer ones take 2 MB by default
            f"listener {self.port} 127.0.0.1\n"
            f"listener 0 {self.unix_path}\n"
            f"listener {self.secure_port} 127.0.0.1\n"
            f"certfile {self.files.certificate}\n"
            f"keyfile {self.files.key}\n"
        )
        return ["-v", "-c", settings]
