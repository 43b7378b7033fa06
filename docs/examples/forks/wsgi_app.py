"""A WSGI application that lists a node's children."""

from collections.abc import Callable
from typing import Any

import client


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    children = client.zk.get_children("/zookeeper")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(sorted(children)).encode()]
