"""Samples of the log, of the worker's own metrics and of CPU, every two seconds while something else happens."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench.live.cpu import CpuMeter
from bench.live.samples import Sample
from bench.live.store import Store
from bench.service.servers import Server

EVERY_SECONDS = 2.0
_OF_ROLLUPS = "analytics_rollup_"


@asynccontextmanager
async def sampling(
    store: Store, meter: CpuMeter, worker: Server, organisations: list[str]
) -> AsyncIterator[list[Sample]]:
    """Samples while the block runs, and once more at its end. One at a time: they share a connection."""
    samples: list[Sample] = []
    stop = asyncio.Event()
    async with aiohttp.ClientSession() as session:

        async def each() -> None:
            while not stop.is_set():
                samples.append(await sample(store, meter, worker, session, organisations))
                with_timeout = asyncio.wait_for(stop.wait(), EVERY_SECONDS)
                await asyncio.gather(with_timeout, return_exceptions=True)
            samples.append(await sample(store, meter, worker, session, organisations))

        running = asyncio.create_task(each())
        try:
            yield samples
        finally:
            stop.set()
            await running


async def sample(
    store: Store,
    meter: CpuMeter,
    worker: Server,
    session: aiohttp.ClientSession,
    organisations: list[str],
) -> Sample:
    log = await store.log_length(organisations)
    return Sample(
        at=time.time(),
        entries=log.entries,
        ended=log.ended,
        oldest_seconds=log.oldest_seconds,
        metrics=await metrics(worker, session),
        cpu=await meter.sample(),
    )


async def metrics(worker: Server, session: aiohttp.ClientSession) -> dict[str, float]:
    """What the worker says of rollups, by the metric's name and labels."""
    async with session.get(f"http://127.0.0.1:{worker.port}/metrics") as response:
        text = await response.text()
    return {
        " ".join((sample.name, *sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith(_OF_ROLLUPS)
    }
