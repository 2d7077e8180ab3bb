"""Runs the plan on one direct connection, under an advisory lock: any number of migrates may start at once."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import asyncpg

from analytics_service.database import edition
from analytics_service.database.connect import Connection, session
from analytics_service.database.edition import Edition, Server
from analytics_service.database.failures import FAILURES, FailureReason, classify
from analytics_service.database.migrate import journal
from analytics_service.database.migrate.apply import apply
from analytics_service.database.migrate.plan import History, MigrationPlan, plan
from analytics_service.database.migrate.preconditions import check_rights, old_sessions
from analytics_service.database.migrate.result import MigrationResult
from analytics_service.database.migrate.steps import Migration, Phase
from analytics_service.errors import (
    DatabaseNewer,
    HistoryEdited,
    LicenceChanged,
    LockHeld,
    MigrationRefused,
    OldReleases,
    PoolerInTheWay,
    RightMissing,
    ServerTooOld,
)

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('analytics.migrate', 0))"
_REFUSALS: dict[type[MigrationRefused], str] = {
    ServerTooOld: FailureReason.TOO_OLD,
    LicenceChanged: FailureReason.LICENCE,
    RightMissing: FailureReason.PERMISSION,
    LockHeld: FailureReason.LOCK,
    OldReleases: "OldReleasesConnected",
    HistoryEdited: "HistoryEdited",
    DatabaseNewer: "DatabaseNewer",
}

Say: TypeAlias = Callable[[str], None]


@dataclass
class _Run:
    """What is known so far: a run that fails reports it too."""

    steps: Sequence[Migration]
    say: Say
    server: Server | None = None
    history: History = field(default_factory=History)
    plan: MigrationPlan | None = None
    applied: list[str] = field(default_factory=list)
    waiting: MigrationRefused | None = None
    """What a run that waits for others ends with when its time is over."""

    @property
    def requirement(self) -> str:
        """What the tables were made for; else what the server offers, and would be made first."""
        if self.history.requirement is not None:
            return self.history.requirement
        return self.edition.requirement

    @property
    def extends(self) -> bool:
        """Whether the extension is made first: the server offers it, and the database is still empty."""
        return self.history.requirement is None and self.server is not None and self.server.can_extend

    @property
    def edition(self) -> Edition:
        """What the store is, or would be: tables that were made for plain PostgreSQL stay so."""
        if self.server is None or self.history.requirement == Edition.POSTGRESQL.requirement:
            return Edition.POSTGRESQL
        return self.server.extended if self.extends else self.server.edition

    def result(self, reason: str, message: str, *, succeeded: bool) -> MigrationResult:
        server, pending = self.server, self.plan.steps if self.plan is not None else ()
        known = server is not None and not (self.extends and server.license is None)
        return MigrationResult(
            succeeded=succeeded,
            reason=reason,
            message=message,
            version=self.history.version,
            target=self.steps[-1].number if self.steps else 0,
            min_compatible_schema=self.history.min_compatible_schema,
            edition=self.edition.value if known else None,
            server=server.version if server is not None else None,
            extension=server.extension if server is not None else None,
            applied=tuple(self.applied),
            pending=tuple(step.name for step in pending if step.name not in self.applied),
        )


async def migrate(
    url: str,
    steps: Sequence[Migration],
    *,
    dry_run: bool = False,
    timeout_seconds: float | None = None,
    say: Say = print,
) -> MigrationResult:
    """Brings the database to the last of `steps`, or says why not; a dry run only says what it would do.

    A cancelled run stops its statement, notes it in the journal, and reports `Terminated`.
    """
    run = _Run(steps=steps, say=say)
    timer = asyncio.timeout(timeout_seconds)
    try:
        async with timer, session(url, command="migrate") as connection:
            return await (_dry_run(connection, run) if dry_run else _locked_run(connection, run, url))
    except asyncio.CancelledError:
        return run.result("Terminated", "stopped before it was done: run it again to go on", succeeded=False)
    except PoolerInTheWay as error:
        return run.result(FailureReason.POOLER, str(error), succeeded=False)
    except MigrationRefused as error:
        return _refused(run, error)
    except FAILURES as error:
        if timer.expired():
            return _too_late(run, timeout_seconds)
        failure = classify(error, url)
        return run.result(failure.reason.value, failure.message, succeeded=False)


def _refused(run: _Run, error: MigrationRefused) -> MigrationResult:
    return run.result(_REFUSALS.get(type(error), FailureReason.OTHER), str(error), succeeded=False)


def _too_late(run: _Run, seconds: float | None) -> MigrationResult:
    if run.waiting is not None:
        return _refused(run, run.waiting)
    return run.result(FailureReason.OTHER.value, f"not done within {seconds} s: raise the timeout", succeeded=False)


async def _look(connection: Connection, run: _Run) -> MigrationPlan:
    run.server = await edition.inspect(connection)
    edition.check(run.server)
    run.history = await journal.read(connection)
    if run.requirement != Edition.POSTGRESQL.requirement and run.server.extension is None and not run.server.can_extend:
        raise MigrationRefused("the tables were made for TimescaleDB, which this server does not load any more")
    run.plan = plan(run.steps, run.history, run.requirement)
    return run.plan


async def _dry_run(connection: Connection, run: _Run) -> MigrationResult:
    todo = await _look(connection, run)
    if todo.newer or not todo.steps:
        return _nothing_to_do(run, todo)
    if run.extends:
        run.say("would create extension timescaledb")
    return run.result("Applied", f"would apply {len(todo.steps)} migrations; nothing was changed", succeeded=True)


def _nothing_to_do(run: _Run, todo: MigrationPlan) -> MigrationResult:
    if todo.newer:
        message = f"the database has schema {run.history.version} of a later release, which this one can work with"
        return run.result("NewerCompatible", message, succeeded=True)
    return run.result("UpToDate", f"schema {todo.target} is there already", succeeded=True)


async def _locked_run(connection: "asyncpg.Connection[asyncpg.Record]", run: _Run, url: str) -> MigrationResult:
    # Waiting inside pg_advisory_lock would hold a snapshot, for which CREATE INDEX CONCURRENTLY of the other waits.
    while not await connection.fetchval(_TRY_LOCK):
        if run.waiting is None:
            run.say("another migrate is running: waiting for it")
        run.waiting = LockHeld("another migrate held the lock all the time")
        await asyncio.sleep(0.25)
    run.waiting = None
    todo = await _look(connection, run)
    if todo.newer or (not todo.steps and run.history.version == todo.target):
        return _nothing_to_do(run, todo)
    if run.server is not None and run.server.read_only:
        return run.result(FailureReason.READ_ONLY.value, "the database is read-only: name the primary", succeeded=False)
    await check_rights(connection, extends=run.extends)
    if run.extends:
        run.say("creating extension timescaledb")
        await connection.execute("CREATE EXTENSION timescaledb")
        todo = await _look(connection, run)  # only now its licence is known
    await journal.create(connection, run.requirement)
    run.history = replace(run.history, requirement=run.requirement)
    for step in todo.steps:
        await _until_old_sessions_are_gone(connection, run, step)
        run.say(f"applying {step.name}")
        await apply(connection, step, url=url, say=run.say)
        run.applied.append(step.name)
    await journal.moved(connection, todo.target)
    run.history = await journal.read(connection)
    return run.result("Applied", f"applied {len(run.applied)} migrations", succeeded=True)


async def _until_old_sessions_are_gone(connection: Connection, run: _Run, step: Migration) -> None:
    """Expand steps do not wait: older releases live with them."""
    while step.phase is Phase.CONTRACT and (count := await old_sessions(connection, step)):
        if run.waiting is None:
            run.say(f"{step.name} waits until no older release is connected")
        run.waiting = OldReleases(
            f"{step.name}: {count} sessions of releases that do not know schema {step.min_compatible_schema} "
            "are connected: roll their pods out first"
        )
        await asyncio.sleep(1)
    run.waiting = None
