"""Asks for dashboards at a steady rate, in a process of its own: prints the seconds that each answer took, as JSON.

They count from when a question should have been sent. No two have the same range, so no cache has an answer.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import aiohttp

from bench.live.questions import COSTS, HOURS, PERCENTILES

A_SECOND = 4
_QUESTIONS = (HOURS, COSTS, PERCENTILES)


@contextmanager
def asked(port: int, token: str, *, seconds: float) -> Iterator[list[float]]:
    """While the block runs; its list has the seconds of each answer afterwards."""
    command = (sys.executable, "-m", "bench.ingest.dashboards", str(port), token, str(seconds))
    latencies: list[float] = []
    running = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert running.stdout is not None
    try:
        running.stdout.readline()  # it is about to ask
        yield latencies
        output, _ = running.communicate()
    finally:
        running.kill()
        running.wait()
    if running.returncode:
        raise SystemExit("dashboards: a question was refused, see above")
    latencies += json.loads(output)


async def _ask(port: int, token: str, seconds: float) -> list[float]:
    latencies: list[float] = []
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers=headers) as session:
        print(flush=True)
        started = time.monotonic()

        async def one(number: int) -> None:
            due = started + number / A_SECOND
            await asyncio.sleep(max(due - time.monotonic(), 0))
            async with session.get(_QUESTIONS[number % len(_QUESTIONS)].live(datetime.now(UTC))) as response:
                await response.read()
                response.raise_for_status()
            latencies.append(time.monotonic() - due)

        await asyncio.gather(*(one(number) for number in range(int(seconds * A_SECOND))))
    return latencies


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("token")
    parser.add_argument("seconds", type=float)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_ask(options.port, options.token, options.seconds))))
