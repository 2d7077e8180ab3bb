"""Asks over HTTP, as any client does, and takes the time."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.live.running import Live
from bench.service import question

_TIMEOUT_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Answered:
    milliseconds: float
    status: int
    """504 where the statement took too long; then the milliseconds are how long that took."""
    body: bytes

    @property
    def data(self) -> Any:
        """RuntimeError where it is no answer."""
        if self.status != 200:
            raise RuntimeError(f"{self.status}: {self.body[:500].decode()}")
        return json.loads(self.body)["data"]


@dataclass
class Client:
    session: aiohttp.ClientSession
    live: Live

    async def ask(self, organisation: str, path: str) -> Answered:
        """RuntimeError where a cache answers, or where the service refuses the question."""
        signed = question.token(self.live.secret, "bench", organisation)
        started = time.perf_counter()
        async with self.session.get(path, headers={"Authorization": f"Bearer {signed}"}) as response:
            body = await response.read()
        milliseconds = (time.perf_counter() - started) * 1000
        if response.status < 500 and response.status != 200:
            raise RuntimeError(f"{path}: {response.status}: {body[:500].decode()}")
        if response.status == 200 and "fwd=miss" not in response.headers["Cache-Status"]:
            raise RuntimeError(f"{path}: a cache answered: {response.headers['Cache-Status']}")
        return Answered(milliseconds=milliseconds, status=response.status, body=body)


@asynccontextmanager
async def client(live: Live) -> AsyncIterator[Client]:
    base, timeout = f"http://127.0.0.1:{live.service.port}", aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS)
    async with aiohttp.ClientSession(base, timeout=timeout) as session:
        yield Client(session, live)
