"""policies: shows the changes that the desired policies mean, and the rows that they lose; applies them."""

import asyncio
import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service import settings
from analytics_service.commands.command import Command, plan_hash, with_actions
from analytics_service.database.connect import database_url
from analytics_service.database.writers import writer_session
from analytics_service.errors import DatabaseError, UsageError
from analytics_service.policies.apply import preview, reconcile
from analytics_service.policies.desired import SETTINGS, desired_values, violations
from analytics_service.policies.outcome import Outcome, PolicyReason, PolicyState
from analytics_service.policies.published import published_values

_EPILOG = """The desired policies are those of the worker, as it published them in the store, or the settings
RETENTION_*_DAYS, COMPRESS_AFTER_DAYS and CHUNK_HOURS of this process where one of them is set.
The worker applies changes that lose nothing by itself, and ends rows by the policies that were applied.
Exit code 0: done. 1: a change is pending approval or failed, and one line says why. 2: a wrong argument or setting."""
_COLOURS = {
    PolicyState.APPLIED: "green",
    PolicyState.PENDING: "yellow",
    PolicyState.UNAVAILABLE: "dim",
    PolicyState.FAILED: "red",
}


def _plan(_: ArgumentParser) -> None:
    """Without arguments of its own."""


def _apply(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--allow-destructive", type=plan_hash, metavar="HASH", help="of the plan whose losses are approved"
    )


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    loaded = settings.load(environment, require=("database_url",))
    own = desired_values(loaded)
    named = any(environment.get(name.upper()) for name in SETTINGS.values())
    url, applies = database_url(loaded), arguments.action == "apply"
    allow = (arguments.allow_destructive or loaded.allow_destructive) if applies else None

    async def act() -> Outcome:
        async with writer_session(url, command="policies", dry_run=not applies) as connection:
            values = own if named else await published_values(connection) or own
            if (violated := violations(values)) is not None:
                raise UsageError(violated)
            return await (reconcile(connection, values, allow=allow) if applies else preview(connection, values))

    outcome = asyncio.run(act())
    if arguments.output == "json":
        sys.stdout.write(json.dumps(outcome.as_dict()) + "\n")
    else:
        _show(outcome)
    if applies and outcome.reason is not PolicyReason.APPLIED:
        raise DatabaseError(outcome.message)
    return 0


def _show(outcome: Outcome) -> None:
    table = Table("policy", "desired", "actual", "state", "message", box=None, pad_edge=False)
    for row in outcome.table:
        table.add_row(
            row.policy, row.desired, row.actual, f"[{_COLOURS[row.state]}]{row.state}[/]", escape(row.message)
        )
    console = Console()
    console.print(table)
    if outcome.plan is not None:
        console.print(f"to allow the losses: policies apply --allow-destructive {outcome.plan}", soft_wrap=True)


ACTIONS: Final = (
    Command(name="plan", help="show the changes and the rows that they lose", configure=_plan, run=_run),
    Command(name="apply", help="apply the changes", configure=_apply, run=_run),
)
COMMAND = with_actions(
    "policies", "show or apply the desired retention, compression and chunk interval", ACTIONS, _EPILOG
)
