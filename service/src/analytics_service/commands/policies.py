"""policies: shows what the wanted policies would change and lose, and applies them."""

import asyncio
import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Mapping

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service import settings
from analytics_service.commands.command import Command
from analytics_service.database.connect import database_url
from analytics_service.database.writers import writer_session
from analytics_service.errors import DatabaseError, UsageError
from analytics_service.policies.apply import look, reconcile
from analytics_service.policies.desired import broken, wanted
from analytics_service.policies.outcome import Outcome, PolicyReason, PolicyState

_EPILOG = """What is wanted are the settings RETENTION_*_DAYS, COMPRESS_AFTER_DAYS and CHUNK_HOURS, which must be those
of the worker: it applies by itself what loses nothing, and ends rows by what was applied. Exit code 0: done.
1: something was held back or failed, and one line says what. 2: an argument or setting is wrong."""
_COLOURS = {
    PolicyState.APPLIED: "green",
    PolicyState.PENDING: "yellow",
    PolicyState.UNAVAILABLE: "dim",
    PolicyState.FAILED: "red",
}


def _configure(parser: ArgumentParser) -> None:
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, does in (("plan", "show what would change and what would be lost"), ("apply", "change it")):
        action = actions.add_parser(name, help=does, description=f"{does[:1].upper()}{does[1:]}.", epilog=_EPILOG)
        action.add_argument("--output", choices=("table", "json"), default="table", help="for people, or for programs")
        if name == "apply":
            action.add_argument(
                "--allow-destructive", type=_hash, metavar="HASH", help="of the plan whose losses are wanted"
            )


def _hash(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{16}", text):
        raise ArgumentTypeError("is no hash of a plan: 16 hex digits, as `policies plan` shows it")
    return text


def _run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    loaded = settings.load(environment, require=("database_url",))
    values = wanted(loaded)
    if (wrong := broken(values)) is not None:
        raise UsageError(wrong)
    url, applies = database_url(loaded), arguments.action == "apply"
    allow = (arguments.allow_destructive or loaded.allow_destructive) if applies else None

    async def act() -> Outcome:
        async with writer_session(url, command="policies") as connection:
            return await (reconcile(connection, values, allow=allow) if applies else look(connection, values))

    outcome = asyncio.run(act())
    if arguments.output == "json":
        sys.stdout.write(json.dumps(outcome.as_dict()) + "\n")
    else:
        _show(outcome)
    if applies and outcome.reason is not PolicyReason.APPLIED:
        raise DatabaseError(outcome.message)
    return 0


def _show(outcome: Outcome) -> None:
    table = Table("policy", "wanted", "found", "state", "what is to say", box=None, pad_edge=False)
    for row in outcome.table:
        table.add_row(row.name, row.wanted, row.found, f"[{_COLOURS[row.state]}]{row.state}[/]", escape(row.message))
    console = Console()
    console.print(table)
    if outcome.plan is not None:
        console.print(f"to allow the losses: policies apply --allow-destructive {outcome.plan}", soft_wrap=True)


COMMAND = Command(
    name="policies",
    help="show or apply the wanted retention, compression and chunk interval",
    configure=_configure,
    run=_run,
)
