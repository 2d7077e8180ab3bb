"""policies: shows what the wanted policies would change and lose, and applies them."""

import asyncio
import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from analytics_service import settings
from analytics_service.commands.command import Command
from analytics_service.database.connect import Connection, connect_directly, database_url
from analytics_service.database.failures import FAILURES, classify, refusal
from analytics_service.database.migrate.steps import schema_version
from analytics_service.database.schema import problem, schema_of
from analytics_service.errors import DatabaseError, SchemaIncompatible, UsageError
from analytics_service.policies.apply import look, reconcile
from analytics_service.policies.desired import broken, wanted
from analytics_service.policies.outcome import Outcome, Reason, State

_EPILOG = """What is wanted are the settings RETENTION_*_DAYS, COMPRESS_AFTER_DAYS and CHUNK_HOURS, which must be those
of the worker: it applies by itself what loses nothing, and ends rows by what was applied. Exit code 0: done.
1: something was held back or failed, and one line says what. 2: an argument or setting is wrong."""
_COLOURS = {State.APPLIED: "green", State.PENDING: "yellow", State.UNAVAILABLE: "dim", State.FAILED: "red"}

_T = TypeVar("_T")


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

    async def act(connection: Connection) -> Outcome:
        if applies:
            return await reconcile(connection, values, allow=allow)
        return await look(connection, values)

    outcome = asyncio.run(_connected(url, act))
    if arguments.output == "json":
        sys.stdout.write(json.dumps(outcome.as_dict()) + "\n")
    else:
        _show(outcome)
    if applies and outcome.reason is not Reason.APPLIED:
        raise DatabaseError(outcome.message)
    return 0


async def _connected(url: str, act: Callable[[Connection], Awaitable[_T]]) -> _T:
    try:
        connection = await connect_directly(url, command="policies")
    except FAILURES as error:
        raise refusal(classify(error, url)) from error
    try:
        if (wrong := problem(await schema_of(connection), schema_version(), writes=True)) is not None:
            raise SchemaIncompatible(wrong)
        return await act(connection)
    except FAILURES as error:
        raise refusal(classify(error, url)) from error
    finally:
        connection.terminate()


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
