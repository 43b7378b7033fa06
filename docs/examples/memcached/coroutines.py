"""The client of step 8 beside coroutines."""

import asyncio

from close import Client
from run import address

from handler_core import get_handler


async def main() -> None:
    async with (
        get_handler("asyncio") as handler,
        handler.started(Client(handler, address())) as client,
    ):
        await client.set("greeting", b"hello")
        print(await asyncio.gather(client.get("greeting"), client.get("nothing")))


asyncio.run(main())
