"""forget plan and apply: what the route does, as long as it takes; then the rollups are refreshed."""

import asyncio
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from analytics_service.commands import routes
from analytics_service.commands.command import run_action
from analytics_service.commands.progress import Progress
from analytics_service.commands.refresh import refresh
from analytics_service.contract.endpoint import Result
from analytics_service.database.connect import Session, database_url
from analytics_service.database.writers import writer_session
from analytics_service.endpoints.traces import forget
from analytics_service.settings import Settings
from analytics_service.units import decimals

_SUBJECT: Final = "analytics-service forget"
_OPTIONS: Final = {"user_id": "--user-id"}


def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    return run_action(arguments, environment, _ACTIONS)


async def _plan(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    async with writer_session(database_url(loaded), command="forget", dry_run=True) as session:
        return _data(await _step(arguments, session))


async def _apply(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    async with writer_session(database_url(loaded), command="forget", dry_run=True) as session:
        with Progress(Console(stderr=True)) as progress:
            data: dict[str, Any] = {"rows_deleted": 0, "rows": 0}
            try:
                more = True
                while more:
                    result = await _step(arguments, session, plan=arguments.hash)
                    data, more = _data(result), result.more
                    deleted, rows = data["rows_deleted"], data["rows"]
                    progress.show("deleting", f"{deleted:,} of {rows:,} rows", deleted, rows)
                buckets = await refresh(session, progress.refreshed)
            except asyncio.CancelledError:
                done = f"{data['rows_deleted']:,} of {data['rows']:,} rows are deleted"
                sys.stderr.write(f"interrupted: {done} and stay so; the same command goes on\n")
                raise
    return {**data, "buckets_refreshed": buckets}


async def _step(arguments: Namespace, session: Session, *, plan: str | None = None) -> Result:
    """One transaction of the route."""
    caller = routes.administrator(arguments.org, subject=_SUBJECT, projects=arguments.project or ())
    params = routes.parse(forget.ENDPOINT, {"user_id": arguments.user_id, "plan": plan}, _OPTIONS)
    return await routes.run(forget.ENDPOINT, params, caller, session, _OPTIONS)


def _data(result: Result) -> dict[str, Any]:
    return result.data  # type: ignore[return-value]  # a dictionary


def _show_plan(result: dict[str, Any]) -> None:
    console = Console()
    if result["plan"] is None:
        console.print("nothing would change: no row names the user")
        return
    names = ("rows", "requests", "total_tokens", "total_cost_usd")
    table = Table("day", box=None, pad_edge=False)
    for name in names:
        table.add_column(name, justify="right")
    for day in result["days"]:
        table.add_row(day["day"], *(str(day[name]) for name in names[:-1]), decimals.plain(day["total_cost_usd"]))
    console.print(table)
    console.print(
        f"{result['rows']:,} rows, {result['rows_without_user']:,} of them without a user in the user's traces"
    )
    if result["scores"]:
        console.print(f"{result['scores']:,} scores of these rows")
    if result["rows_of_shared_traces"]:
        console.print(
            f"{result['rows_of_shared_traces']:,} rows without a user stay: their traces name other users, too"
        )
    if before := result["days_before_raw"]:
        console.print(f"{len(before):,} days whose rows have ended keep their sums, and their requests lose the user")
    console.print(f"to apply it: analytics-service forget apply {result['plan']}, with the same options")


def _show_applied(result: dict[str, Any]) -> None:
    Console().print(f"{result['rows_deleted']:,} rows deleted, {result['buckets_refreshed']:,} buckets refreshed")


_ACTIONS: Final = {"plan": (_plan, _show_plan), "apply": (_apply, _show_applied)}
"""By name of the action: what it does, and how people see its result."""
