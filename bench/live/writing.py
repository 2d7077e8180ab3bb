"""Starts a writer, and keeps what it reports."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import TypeAdapter

from bench.live.writer import Writing, Written

_SECONDS_TO_STOP = 60


@asynccontextmanager
async def writing(load: Writing) -> AsyncIterator[list[Written]]:
    """Writes while the block runs; the list grows by a report a second."""
    reports: list[Written] = []
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.live.writer", TypeAdapter(Writing).dump_json(load).decode()),
        stdout=asyncio.subprocess.PIPE,
    )
    reading = asyncio.create_task(_read(process, reports))
    try:
        yield reports
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), _SECONDS_TO_STOP)
        await reading
    if process.returncode:
        raise SystemExit(f"the writer ended with {process.returncode}")


async def _read(process: asyncio.subprocess.Process, reports: list[Written]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        reports.append(TypeAdapter(Written).validate_json(line))  # noqa: PERF401 - others read the list meanwhile
