"""A complete small network client, as an example for authors of clients, and a server for it.

The client uses :class:`handler_core.Handler` alone and runs on every concurrency model. The demo
and the tests run it. Start to read at ``client``.
"""

from handler_core.cli.demo.sample_client.client import PipelinedClient
from handler_core.cli.demo.sample_client.framing import ProtocolError
from handler_core.cli.demo.sample_client.server import EchoServer

__all__ = ["EchoServer", "PipelinedClient", "ProtocolError"]
