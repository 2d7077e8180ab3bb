"""prices plan, apply, undo, forget and plans: what other prices change of rows that are stored."""

import asyncio
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Any, Final

from rich.console import Console

from analytics_service.commands import prices_tables
from analytics_service.commands.command import run_action
from analytics_service.commands.progress import Progress
from analytics_service.commands.refresh import refresh
from analytics_service.database.connect import Session, database_url
from analytics_service.database.price_books import stored_texts
from analytics_service.database.writers import writer_session
from analytics_service.errors import UsageError
from analytics_service.ingest.mapping import pairs
from analytics_service.ingest.price_books import configured_books, read_file
from analytics_service.ingest.times import timestamp
from analytics_service.repricing import apply, plan, store
from analytics_service.repricing.books import Books
from analytics_service.repricing.journal import forget
from analytics_service.repricing.scope import Scope
from analytics_service.repricing.store import HourState
from analytics_service.settings import Settings
from analytics_service.units.times import EARLIEST, LATEST

_HOURS_PER_REFRESH: Final = 24
"""Until the rollups are refreshed, answers read what was changed from raw."""


def run(arguments: Namespace, environment: Mapping[str, str]) -> int:
    return run_action(arguments, environment, _ACTIONS)


async def _plan(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    given = tuple(read_file(path, source="--prices").text for path in arguments.prices)
    configured = tuple(each.text for each in configured_books(loaded.price_books))
    aliases = pairs("--price-as", arguments.price_as, "MODEL=model")
    scope = _scope(arguments)
    async with _session(loaded) as connection:
        await store.require_idle(connection)
        stored = await stored_texts(connection)
        for each in stored:
            each.read()  # a book that this release refuses is named before anything is priced
        in_store = tuple(each.text for each in stored)
        books = Books(levels=(given, in_store, configured), aliases=aliases)
        with Progress(Console(stderr=True)) as progress:
            made = await plan.make(
                connection,
                scope,
                books,
                lambda done, total, rows: progress.show("pricing", f"{rows:,} rows", done, total),
            )
        if made.hours:
            await store.save(connection, made)
    return {
        "plan": made.hash if made.hours else None,
        "scope": scope.as_dict(),
        "price_versions": list(books.versions),
        "read": made.read,
        "changes": made.groups(),
        "total": plan.as_dict(made.total),
        "hours": len(made.hours),
        "requests_without_raw": made.without_raw.requests,
        "raw_from": made.without_raw.before,
    }


def _scope(arguments: Namespace) -> Scope:
    scope = Scope(
        organisations=tuple(arguments.organisation),
        models=tuple(arguments.model),
        start=_moment("--from", arguments.start, EARLIEST),
        end=_moment("--to", arguments.end, LATEST),
        only_unpriced=arguments.only_unpriced,
    )
    if scope.start >= scope.end:
        raise UsageError("--to: is not after --from")
    return scope


def _moment(option: str, text: str | None, default: datetime) -> datetime:
    try:
        return default if text is None else timestamp(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


async def _carry_out(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    """The numbers of this run, and those of the plan over all of its runs."""
    run_plan, what = (apply.apply, "pricing") if arguments.action == "apply" else (apply.undo, "undoing")
    started = time.monotonic()
    number = total = rows = left = buckets = 0
    async with _session(loaded) as connection:
        try:
            with Progress(Console(stderr=True)) as progress:
                async for step in run_plan(connection, arguments.hash):
                    number, total = step.number, step.total
                    rows += step.done.rows
                    left += step.done.left
                    progress.show(what, f"{step.hour.organisation}, {rows:,} rows", number, total)
                    if number % _HOURS_PER_REFRESH == 0:
                        buckets += await refresh(connection, progress.refreshed)
                buckets += await refresh(connection, progress.refreshed)
        except asyncio.CancelledError:
            done = f"{number:,} of {total:,} hours are done and stay so" if total else "no hour is done"
            again = f"`prices {arguments.action} {arguments.hash}` goes on"
            sys.stderr.write(f"interrupted: {done}; {again}\n")
            raise
        stored, counts = await store.load(connection, arguments.hash), await store.counts(connection, arguments.hash)
    return {
        "plan": stored.hash,
        "state": stored.state.value,
        "rows": rows,
        "left": left,
        "hours": {state.value: counts[state][0] for state in HourState},
        "buckets_refreshed": buckets,
        "seconds": round(time.monotonic() - started, 3),
    }


async def _forget(arguments: Namespace, loaded: Settings) -> dict[str, Any]:
    async with _session(loaded) as connection:
        await forget(connection, arguments.hash)
    return {"plan": arguments.hash}


async def _plans(_: Namespace, loaded: Settings) -> dict[str, Any]:
    async with _session(loaded) as connection:
        return {"plans": await store.plans(connection)}


def _session(loaded: Settings) -> AbstractAsyncContextManager[Session]:
    return writer_session(database_url(loaded), command="prices")


_ACTIONS: Final = {
    "plan": (_plan, prices_tables.show_plan),
    "apply": (_carry_out, prices_tables.show_run),
    "undo": (_carry_out, prices_tables.show_run),
    "forget": (_forget, prices_tables.show_forgotten),
    "plans": (_plans, prices_tables.show_plans),
}
"""By name of the action: what it does, and how people see its result."""
