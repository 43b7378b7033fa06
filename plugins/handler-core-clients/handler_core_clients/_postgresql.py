"""What both libraries for PostgreSQL need: addresses instead of names.

libpq looks a name up while the caller stands still. Given an address beside the name, it connects
to the address, and uses the name for TLS only.
"""

from __future__ import annotations

import ipaddress
import os
from typing import Any

from handler_core import Handler

__all__ = ["with_addresses"]


def with_addresses(
    handler: Handler, parameters: dict[str, Any], timeout: float | None
) -> dict[str, Any]:
    """Return the parameters of a connection with an address for each host that is a name.

    Args:
        handler: looks the names up.
        parameters: those of libpq. Several hosts are separated by commas, and so are their ports.
            Of those that are missing, the environment has the values, as with libpq.
        timeout: seconds for a look-up.

    Raises:
        OSError: none of the names is known.
        ValueError: only a service file names the host.
    """
    if "host" not in parameters and "hostaddr" not in parameters:
        # libpq alone knows where all service files are, and it looks up at once what they name.
        service = parameters.get("service") or os.environ.get("PGSERVICE")
        if service:
            raise ValueError(f"give a host beside the service {service!r}: libpq would block")
    hosts = _parameter(parameters, "host").split(",")
    if _parameter(parameters, "hostaddr") or all(map(_is_no_name, hosts)):
        return parameters
    # One port is for all hosts.
    ports = _parameter(parameters, "port").split(",")
    has_ports = len(ports) > 1
    if has_ports and len(ports) != len(hosts):
        return parameters  # libpq says what is wrong with them
    targets: list[tuple[str, str, str]] = []
    unknown: OSError | None = None
    for host, port in zip(hosts, ports if has_ports else ports * len(hosts), strict=True):
        if _is_no_name(host):
            targets.append((host, "", port))
            continue
        try:
            found = handler.look_up(host, None, timeout)
        except OSError as error:
            unknown = error  # another host may answer, as with libpq
            continue
        addresses = dict.fromkeys(str(info[4][0]) for info in found)
        targets += [(host, address, port) for address in addresses]
    if unknown is not None and not targets:
        raise unknown
    names, addresses_, ports_ = map(",".join, zip(*targets, strict=True))
    new = {**parameters, "host": names, "hostaddr": addresses_}
    return {**new, "port": ports_} if has_ports else new


def _parameter(parameters: dict[str, Any], name: str) -> str:
    """Return a parameter of libpq, or else what the environment says of it."""
    value = parameters.get(name)
    return os.environ.get(f"PG{name.upper()}", "") if value is None else str(value)


def _is_no_name(host: str) -> bool:
    """Return True if there is nothing to look up."""
    if not host or host.startswith(("/", "@")):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
