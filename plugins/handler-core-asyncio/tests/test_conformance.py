"""The contract: on the private loop, inside ``asyncio.run``, and with uvloop."""

from asyncio_process import AsyncioProcess

from handler_core.testing import HandlerConformance


class TestAsyncio(AsyncioProcess, HandlerConformance):
    pass
