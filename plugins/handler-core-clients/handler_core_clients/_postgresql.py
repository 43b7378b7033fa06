"""What both libraries for PostgreSQL need: addresses instead of names.

libpq looks a name up while the caller stands still. Given an address beside the name, it connects
to the address, and uses the name for TLS only.
"""

from __future__ import annotations

import ipaddress
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
        timeout: seconds for a look-up.

    Raises:
        OSError: a name is not known.
    """
    hosts = str(parameters.get("host") or "").split(",")
    if parameters.get("hostaddr") or all(map(_is_no_name, hosts)):
        return parameters
    ports = str(parameters.get("port") or "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    targets: list[tuple[str, str, str]] = []
    for host, port in zip(hosts, ports, strict=False):
        if _is_no_name(host):
            targets.append((host, "", port))
            continue
        found = handler.look_up(host, None, timeout)
        addresses = dict.fromkeys(str(info[4][0]) for info in found)
        targets += [(host, address, port) for address in addresses]
    names, addresses_, ports_ = zip(*targets, strict=True)
    return {
        **parameters,
        "host": ",".join(names),
        "hostaddr": ",".join(addresses_),
        "port": ",".join(ports_),
    }


def _is_no_name(host: str) -> bool:
    """Return True if there is nothing to look up."""
    if not host or host.startswith(("/", "@")):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
