"""A complete small network client, the model for authors of their own, and a server for it.

The client is written on :class:`handler_core.Handler` alone and runs on every concurrency model.
The demo and the tests run it; start reading at :mod:`handler_core.pipeline.client`.
"""

from handler_core.pipeline.client import PipelinedClient
from handler_core.pipeline.framing import ProtocolError
from handler_core.pipeline.server import EchoServer

__all__ = ["EchoServer", "PipelinedClient", "ProtocolError"]
