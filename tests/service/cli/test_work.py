"""`work` as processes: the next one leads within seconds of the leader's sudden end."""

import asyncio
import json
import signal
from contextlib import AsyncExitStack

from tests.support.eventually import eventually
from tests.support.process import Process, serving


async def role(worker: Process) -> str:
    async with worker.session.get(f"{worker.url}/status") as response:
        return str(json.loads(await response.text())["role"])


async def test_another_leads_after_the_leader_was_killed_and_ends_on_sigterm(database_url: str) -> None:
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(serving(database_url, "work")) for _ in range(2)]
        for worker in workers:
            await worker.until("/health/ready", 200)

        async def led() -> list[Process]:
            return [worker for worker in workers if await role(worker) == "leader"]

        await eventually(led)
        (leader,) = await led()
        (other,) = (worker for worker in workers if worker is not leader)
        leader.process.send_signal(signal.SIGKILL)
        await leader.process.wait()
        workers.remove(leader)
        await eventually(led, seconds=10)
        other.process.terminate()
        code, output = await asyncio.wait_for(other.ended(), 30)
    assert code == 0
    events = [json.loads(line)["event"] for line in output.splitlines()]
    assert events == ["working", "leading", "stopped"]
