"""`analytics-service serve`, or `work`, as a process of its own; `work` answers on its metrics port."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from tests.support.environment import program_environment
from tests.support.ports import free_ports
from tests.support.service import SECRET


@dataclass
class Process:
    process: asyncio.subprocess.Process
    url: str
    session: aiohttp.ClientSession

    async def status(self, path: str) -> int:
        async with self.session.get(self.url + path, headers={"Connection": "close"}) as response:
            return response.status

    async def until(self, path: str, status: int, *, seconds: float = 30) -> None:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    if await self.status(path) == status:
                        return
                except aiohttp.ClientConnectionError:  # it does not listen yet
                    if self.process.returncode is not None:
                        raise AssertionError(f"the process ended: {await self.ended()}") from None
                await asyncio.sleep(0.05)

    async def ended(self) -> tuple[int, str]:
        output, _ = await asyncio.wait_for(self.process.communicate(), timeout=30)
        assert self.process.returncode is not None
        return self.process.returncode, output.decode()


@asynccontextmanager
async def serving(
    database_url: str,
    command: str = "serve",
    outputs: tuple[int, int] = (asyncio.subprocess.PIPE, asyncio.subprocess.STDOUT),
    /,
    **environment: str,
) -> AsyncIterator[Process]:
    port, metrics_port = map(str, free_ports(2))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "analytics_service", *command.split()),
        env=program_environment(
            DATABASE_URL=database_url,
            JWT_SECRET=SECRET,
            APP_HOST="127.0.0.1",
            API_PORT=port,
            API_METRICS_PORT=metrics_port,
        )
        | environment,
        stdout=outputs[0],
        stderr=outputs[1],
    )
    try:
        async with aiohttp.ClientSession() as session:
            yield Process(process, f"http://127.0.0.1:{port if command.startswith('serve') else metrics_port}", session)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
