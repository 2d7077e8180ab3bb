"""The only module that talks to pods, by HTTP, each resource in its turn.

The answer of a pod is not trusted: it is bounded in time and size, and held to a model.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError

from analytics_operator.kube.objects import Key

MAX_ANSWER_BYTES = 65_536
MAX_CONCURRENT_POLLS = 256

Answer = TypeVar("Answer", bound=BaseModel)
Poll = Callable[[aiohttp.ClientSession, Key], Awaitable[bool]]
"""Asks pods of one resource; whether their answer is another than before."""


async def poll_in_turn(  # noqa: PLR0913 - one loop, and the paces of each poller
    keys: Callable[[], tuple[Key, ...]],
    poll: Poll,
    on_change: Callable[[Key], Awaitable[None]],
    *,
    round_seconds: float,
    max_per_second: float,
    timeout_seconds: float,
) -> None:
    """Polls each key once a round, more of them as seldom as `max_per_second` allows; never returns.

    A resource whose pods are silent keeps no other waiting, also from one round to the next.
    """
    slots = asyncio.Semaphore(MAX_CONCURRENT_POLLS)
    running: set[Key] = set()

    async def one(key: Key) -> None:
        async with slots:
            changed = await poll(session, key)
        running.remove(key)
        if changed:
            await on_change(key)

    timeout = aiohttp.ClientTimeout(total=timeout_seconds)
    # A compressed answer is not read: a few bytes of it may be many.
    connector = aiohttp.TCPConnector(limit=0)  # bounded by the polls: waiting for one would count against the timeout
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False, auto_decompress=False) as session,
        asyncio.TaskGroup() as polls,
    ):
        while True:
            turn = keys()
            pause = max(round_seconds / max(len(turn), 1), 1 / max_per_second)
            for key in turn:
                await asyncio.sleep(pause)
                if key not in running:
                    running.add(key)
                    polls.create_task(one(key))
            if not turn:
                await asyncio.sleep(pause)


async def ask(
    session: aiohttp.ClientSession, url: str, model: type[Answer], *, statuses: frozenset[int] = frozenset({200})
) -> Answer | None:
    """The answer of a pod; None where there is none, or none that can be read."""
    try:
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status not in statuses:
                return None
            body = await answer.content.read(MAX_ANSWER_BYTES)
            while len(body) < MAX_ANSWER_BYTES and (more := await answer.content.read(MAX_ANSWER_BYTES - len(body))):
                body += more
            return model.model_validate_json(body)
    except (aiohttp.ClientError, TimeoutError, OSError, ValidationError):
        return None
