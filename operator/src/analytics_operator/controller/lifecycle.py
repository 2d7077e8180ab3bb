"""The life of the process: signals that end it, and tasks of which the first to end ends all."""

import asyncio
import os
import signal
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn

CLEAN_UP_TIMEOUT_SECONDS = 3
"""Cancelled tasks get no longer: another replica waits for our end."""


def stop_on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def take_signals_back(started: asyncio.Event, stop: asyncio.Event) -> None:
    """Never returns. The informer takes SIGTERM for itself at its start, and would end long before it tells us."""
    await started.wait()
    stop_on_signals(stop)
    await asyncio.Event().wait()


async def first_of(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Runs all until the first ends; cancels the others; raises what the first raised."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CLEAN_UP_TIMEOUT_SECONDS)
    for task in done:
        task.result()


def exit_now(error: Exception) -> NoReturn:
    """Ends the process without waiting for anything: the informer's own end would be waited for without a bound."""
    sys.stderr.write(f"analytics-operator: {error}\n")
    sys.stderr.flush()
    os._exit(1)
