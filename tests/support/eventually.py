"""Waiting for a state of the world, where nothing tells of it."""

import asyncio
from collections.abc import Awaitable, Callable


async def eventually(check: Callable[[], Awaitable[object]], *, seconds: float = 20) -> None:
    """Returns as soon as `check` gives something true; fails after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            if await check():
                return
            await asyncio.sleep(0.01)
