"""requests plan, apply and undo: runs them, and shows their progress and result."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service.commands.command import run_action
from analytics_service.commands.progress import Progress
from analytics_service.commands.refresh import refresh
from analytics_service.database.connect import Session, database_url
from analytics_service.database.writers import writer_session
from analytics_service.reclassify import apply, plan
from analytics_service.settings import Settings


def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    return run_action(arguments, environment, _ACTIONS)


async def _act(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    async with writer_session(database_url(loaded), command="requests") as connection:
        with Progress(Console(stderr=True)) as progress:
            if arguments.action == "plan":
                return await _plan(arguments, connection, progress)
            return await _carry_out(arguments, connection, progress)


async def _plan(arguments: Namespace, connection: Session, progress: Progress) -> dict[str, Any]:
    def report(done: int, total: int, traces: int) -> None:
        progress.show("reading", f"{traces:,} traces would change", done, total)

    made = await plan.make(connection, arguments.organisation, report)
    if made.traces:
        await apply.save(connection, made)
    return {"plan": made.hash if made.traces else None, "traces": len(made.traces), "changes": made.groups()}


async def _carry_out(arguments: Namespace, connection: Session, progress: Progress) -> dict[str, Any]:
    rows = done = total = 0
    steps = (apply.apply if arguments.action == "apply" else apply.undo)(connection, arguments.hash)
    try:
        async for done, total, rows in steps:
            progress.show("deciding", f"{rows:,} rows", done, total)
        buckets = await refresh(connection, progress.refreshed)
    except asyncio.CancelledError:
        again = f"`requests {arguments.action} {arguments.hash}` goes on"
        sys.stderr.write(f"interrupted: {done:,} of {total:,} traces are done and stay so; {again}\n")
        raise
    return {"plan": arguments.hash, "rows": rows, "buckets_refreshed": buckets}


def _show(result: dict[str, Any]) -> None:
    console = Console()
    if "changes" not in result:
        console.print(f"{result['rows']:,} rows changed, {result['buckets_refreshed']:,} buckets refreshed")
        return
    if result["plan"] is None:
        console.print("nothing would change: every row counts by the current rules")
        return
    table = Table("organisation", "month", box=None, pad_edge=False)
    names = ("nested", "spans", "requests", "total_tokens", "total_cost_usd")
    for name in names:
        table.add_column(name, justify="right")
    for group in result["changes"]:
        table.add_row(escape(group["organisation"]), group["month"], *(str(group[name]) for name in names))
    console.print(table)
    console.print(f"of {result['traces']:,} traces; to apply it: analytics-service requests apply {result['plan']}")


_ACTIONS: Final = dict.fromkeys(("plan", "apply", "undo"), (_act, _show))
