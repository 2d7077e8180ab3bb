"""Runs in a pod beside the service: asks on new and on kept connections at a steady rate.

`python prober.py HOST PORT PATH SECONDS`, with the token in the environment, prints a line of JSON a second: how many
were answered, and what failed. Nothing is tried twice: a reset is a failure.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress

PER_SECOND = 20
KEPT = 4
"""Connections that share the rate of kept ones."""
PATIENCE = 10


class Asker:
    def __init__(self, host: str, port: int, path: str, *, keep: bool) -> None:
        lines = [f"GET {path} HTTP/1.1", f"Host: {host}", f"Authorization: Bearer {os.environ['TOKEN']}"]
        lines += [] if keep else ["Connection: close"]
        self._request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self._address = (host, port)
        self._stream: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> str | None:
        """None, or what went wrong."""
        kept = "kept" if self._stream else "new"
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._exchange()
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            return f"{type(error).__name__} on a {kept} connection: {error}"

    async def _exchange(self) -> str | None:
        if self._stream is None:
            self._stream = await asyncio.open_connection(*self._address)
        reader, writer = self._stream
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(fields.get("content-length", "0")))
        if fields.get("connection") == "close":
            self.close()
        status = head.split(" ")[1]
        return None if status == "200" else f"status {status}: {body[:200].decode()}"

    def close(self) -> None:
        if self._stream:
            with suppress(OSError):
                self._stream[1].close()
        self._stream = None


class Tally:
    def __init__(self) -> None:
        self.start = time.monotonic()
        self.answered = 0
        self.failures: list[str] = []

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    def count(self, wrong: str | None) -> None:
        if wrong is None:
            self.answered += 1
        else:
            self.failures.append(f"{self.elapsed:.1f} s: {wrong}")

    def show(self) -> None:
        print(json.dumps({"answered": self.answered, "failures": self.failures[:50]}), flush=True)


async def one_after_another(tally: Tally, asker: Asker, *, every: float) -> None:
    """On one kept connection, at a steady rate."""
    number = 0
    while True:
        tally.count(await asker.ask())
        number += 1
        await asyncio.sleep(max(number * every - tally.elapsed, 0))


async def side_by_side(tally: Tally, make: Callable[[], Asker], *, every: float) -> None:
    """On a new connection each, at a steady rate, however long the ones before take."""

    async def once() -> None:
        tally.count(await make().ask())

    under_way: set[asyncio.Task[None]] = set()
    number = 0
    while True:
        task = asyncio.create_task(once())
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        number += 1
        await asyncio.sleep(max(number * every - tally.elapsed, 0))


async def begun(asker: Asker) -> None:
    """Until the node knows the way to a Service that has just become ready, which nothing in the API tells."""
    for _ in range(PATIENCE * 10):
        if await asker.ask() is None:
            return
        await asyncio.sleep(0.1)


async def main(host: str, port: int, path: str, seconds: float) -> None:
    await begun(Asker(host, port, path, keep=False))
    tally = Tally()
    kept = [Asker(host, port, path, keep=True) for _ in range(KEPT)]
    work = [
        side_by_side(tally, lambda: Asker(host, port, path, keep=False), every=1 / PER_SECOND),
        *(one_after_another(tally, asker, every=KEPT / PER_SECOND) for asker in kept),
    ]
    tasks = [asyncio.create_task(each) for each in work]
    while tally.elapsed < seconds and not any(task.done() for task in tasks):
        await asyncio.sleep(1)
        tally.show()
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
