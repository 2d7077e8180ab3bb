"""A process that is killed at any moment loses nothing that it has answered with 200.

KILLS asks for more kills than CI has time for: `make soak`.
"""

import asyncio
import itertools
import logging
import os
import random
from collections.abc import Iterator
from datetime import UTC, datetime

import aiohttp
import asyncpg
import pytest

from tests.support.otlp import PROTOBUF, Span, encoded
from tests.support.postgres import Server
from tests.support.process import Process, serving
from tests.support.service import a_token

KILLS = int(os.environ.get("KILLS", "20"))
SENDERS = 4
_log = logging.getLogger(__name__)
NOW = datetime.now(UTC)


class Exporter:
    """Sends batches of its own, one after the other, and remembers which were answered with 200."""

    def __init__(self) -> None:
        self.numbers = itertools.count(1)
        self.sent: list[Span] = []
        self.acknowledged: list[Span] = []
        self.enough = 0
        self.has_enough = asyncio.Event()

    async def run(self, process: Process, token: str) -> None:
        """Until the process is gone."""
        while True:
            spans = [Span(number=number, trace=1 + number // 3, ts=NOW) for number in itertools.islice(self.numbers, 5)]
            self.sent += spans
            try:
                if await post(process, encoded(spans), token) != 200:
                    continue
            except (aiohttp.ClientError, ConnectionError):
                return
            self.acknowledged += spans
            if len(self.acknowledged) >= self.enough:
                self.has_enough.set()


async def post(process: Process, body: bytes, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": PROTOBUF}
    async with process.session.post(f"{process.url}/v1/traces", data=body, headers=headers) as response:
        await response.read()
        return response.status


@pytest.fixture
def durable_url(primary: Server) -> Iterator[str]:
    """Of a server that waits for its disk, as those in production do and others of tests do not."""
    changes = [f"ALTER SYSTEM SET {name} = 'on'" for name in ("fsync", "full_page_writes", "synchronous_commit")]
    primary.sql(*changes, "SELECT pg_reload_conf()")
    with primary.database(migrated=True) as url:
        yield url


async def test_every_span_that_was_answered_is_stored_whenever_the_process_is_killed(durable_url: str) -> None:
    """And what was not answered can be sent again: it adds nothing twice."""
    exporter, chance = Exporter(), random.Random(18)
    token = a_token(role="admin")
    connection = await asyncpg.connect(durable_url)
    assert await connection.fetchval("SHOW fsync") == "on"
    for number in range(1, KILLS + 1):
        async with serving(durable_url) as process:
            await process.until("/health/ready", 200, seconds=300)  # however busy the machine is
            exporter.enough = len(exporter.acknowledged) + chance.randrange(5, 200)
            exporter.has_enough.clear()
            senders = [asyncio.create_task(exporter.run(process, token)) for _ in range(SENDERS)]
            await exporter.has_enough.wait()
            process.process.kill()
            await asyncio.wait(senders)
        stored = {row["span_id"] for row in await connection.fetch("SELECT span_id FROM traces")}
        sent, answered = ({span.span_id for span in each} for each in (exporter.sent, exporter.acknowledged))
        assert answered <= stored <= sent
        _log.info("%d kills: %d spans sent, %d answered, %d stored", number, len(sent), len(answered), len(stored))
    async with serving(durable_url) as process:
        await process.until("/health/ready", 200)
        for start in range(0, len(exporter.sent), 500):
            assert await post(process, encoded(exporter.sent[start : start + 500]), token) == 200
    figures = "SELECT count(*), count(DISTINCT span_id), trim_scale(sum(total_cost_usd)) FROM traces"
    ((count, spans, cost),) = await connection.fetch(figures)
    assert count == spans == len(exporter.sent)
    assert cost * 10_000 == 35 * len(exporter.sent)
    await connection.close()
