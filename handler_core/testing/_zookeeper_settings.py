"""The command line and the settings of a ZooKeeper server.

Debian's packages ``zookeeper`` (3.8 or 3.9) and, for TLS, ``libnetty-java`` install what is named
here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from handler_core.testing._free_ports import Ports

__all__ = ["TLSIdentity", "class_path", "java_command", "write_settings"]

_JARS = (Path("/usr/share/java/slf4j-simple.jar"), Path("/usr/share/java/zookeeper.jar"))
# The parts of Netty that TLS needs. zookeeper.jar itself refers to the other parts.
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
    # The data must survive the server, but not the machine. So it is enough that a write has
    # reached the kernel, and that the log has a megabyte at the start.
    "-Dzookeeper.forceSync=no",
    "-Dzookeeper.preAllocSize=1024",
    # The server has few clients, on a small machine. So the threads that select also read and
    # write; other threads would mean two more hand-overs for each request. No request is held back
    # because thousands are in flight.
    "-Dzookeeper.nio.numSelectorThreads=1",
    "-Dzookeeper.nio.numWorkerThreads=0",
    "-Dzookeeper.globalOutstandingLimit=1000000",
)
_MAIN_CLASS = "org.apache.zookeeper.server.quorum.QuorumPeerMain"


@dataclass(frozen=True)
class TLSIdentity:
    """The certificates of a server with TLS. All are paths of PEM files.

    Args:
        certfile: the server's certificate.
        keyfile: its private key, not encrypted.
        client_ca: the authority that must have signed the certificates of clients. None means that
            a client needs no certificate.
    """

    certfile: str
    keyfile: str
    client_ca: str | None = None


def class_path(tls: bool) -> tuple[Path, ...]:
    """Return the jars that a server needs, with or without TLS."""
    return _JARS + _TLS_JARS if tls else _JARS


def java_command(config: Path, tls: bool) -> list[str]:
    """Return the command that runs a server with the settings of the file ``config``."""
    jars = os.pathsep.join(map(str, class_path(tls)))
    return ["java", *_JAVA_OPTIONS, "-cp", jars, _MAIN_CLASS, str(config)]


def write_settings(folder: Path, ports: Ports, tls: TLSIdentity | None) -> Path:
    """Write the settings of a server into its folder, and return their file."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    settings = _plain_settings(data, ports.plain)
    if tls is not None:
        settings += _tls_settings(folder, ports, tls)
    config = folder / "zoo.cfg"
    config.write_text("".join(f"{key}={value}\n" for key, value in settings))
    return config


def _plain_settings(data: Path, port: int) -> list[tuple[str, object]]:
    return [
        ("tickTime", 500),  # milliseconds; a session lasts from 2 to 20 ticks
        ("dataDir", data),
        ("clientPort", port),
        ("clientPortAddress", "127.0.0.1"),
        ("maxClientCnxns", 0),  # no limit
        ("admin.enableServer", "false"),
        ("4lw.commands.whitelist", "*"),
    ]


def _tls_settings(folder: Path, ports: Ports, tls: TLSIdentity) -> list[tuple[str, object]]:
    key_store = folder / "server.pem"
    key_store.write_bytes(Path(tls.certfile).read_bytes() + Path(tls.keyfile).read_bytes())
    settings: list[tuple[str, object]] = [
        # ZooKeeper's default factory has no TLS. This one serves the plain port too.
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
