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
from analytics_service.database.foreign import foreign_objects
from analytics_service.database.limits import connection_limit
from analytics_service.database.migrate import journal
from analytics_service.database.migrate.apply import apply
from analytics_service.database.migrate.conversion import Conversion
from analytics_service.database.migrate.migration import Migration, Phase
from analytics_service.database.migrate.plan import History, MigrationPlan, plan
from analytics_service.database.migrate.preconditions import check_privileges, count_old_sessions
from analytics_service.database.migrate.result import MigrationResult
from analytics_service.errors import (
    DatabaseNewer,
    DatabaseUnsupported,
    HistoryEdited,
    LicenceChanged,
    LockHeld,
    MigrationRefused,
    OldReleases,
    PoolerInTheWay,
    PrivilegeMissing,
    ServerTooOld,
)

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('analytics.migrate', 0))"
_REFUSALS: dict[type[MigrationRefused], str] = {
    ServerTooOld: FailureReason.TOO_OLD,
    LicenceChanged: FailureReason.LICENCE,
    PrivilegeMissing: FailureReason.PERMISSION,
    LockHeld: FailureReason.LOCK,
    OldReleases: "OldReleasesConnected",
    HistoryEdited: "HistoryEdited",
    DatabaseNewer: "DatabaseNewer",
}

Notify: TypeAlias = Callable[[str], None]


@dataclass
class _Run:
    """The facts known so far: a run that fails reports them too."""

    migrations: Sequence[Migration]
    notify: Notify
    conversion: Conversion | None = None
    server: Server | None = None
    connection_limit: int | None = None
    history: History = field(default_factory=History)
    plan: MigrationPlan | None = None
    applied: list[str] = field(default_factory=list)
    converted: str = ""
    """The end of the message: what was converted."""
    wait_error: MigrationRefused | None = None
    """The error that a run which waits for others ends with when its time is over."""

    @property
    def requirement(self) -> str:
        """The edition that the tables were made for; else the one that this run would make them for."""
        if self.history.requirement is not None:
            return self.history.requirement
        return self.edition.requirement

    @property
    def creates_extension(self) -> bool:
        """Whether the extension is made first: the server offers it, and the database is still empty."""
        return self.history.requirement is None and self.server is not None and self.server.can_create_extension

    @property
    def edition(self) -> Edition:
        """The edition of the store after the run: tables that were made for plain PostgreSQL stay so."""
        if self.server is None or self.history.requirement == Edition.POSTGRESQL.requirement:
            return Edition.POSTGRESQL
        return self.server.edition_with_extension if self.creates_extension else self.server.edition

    def result(self, reason: str, message: str, *, succeeded: bool) -> MigrationResult:
        server, pending = self.server, self.plan.pending if self.plan is not None else ()
        known = server is not None and not (self.creates_extension and server.license is None)
        return MigrationResult(
            succeeded=succeeded,
            reason=reason,
            message=message,
            version=self.history.version,
            target=self.migrations[-1].number if self.migrations else 0,
            min_compatible_schema=self.history.min_compatible_schema,
            edition=self.edition.value if known else None,
            server=server.version if server is not None else None,
            extension=server.extension if server is not None else None,
            connection_limit=self.connection_limit,
            applied=tuple(self.applied),
            pending=tuple(migration.name for migration in pending if migration.name not in self.applied),
        )


async def migrate(  # noqa: PLR0913 - all but two are named
    url: str,
    migrations: Sequence[Migration],
    *,
    dry_run: bool = False,
    timeout_seconds: float | None = None,
    notify: Notify = print,
    conversion: Conversion | None = None,
) -> MigrationResult:
    """Brings the database to the last of `migrations`, or says why not; a dry run only says what it would do.

    Without a conversion, a database fails that has rows of the release before to convert.
    A cancelled run stops its statement, notes it in the journal, and reports `Terminated`.
    """
    run = _Run(migrations=migrations, notify=notify, conversion=conversion)
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
            return _timed_out(run, timeout_seconds)
        failure = classify(error, url)
        return run.result(failure.reason.value, failure.message, succeeded=False)


def _refused(run: _Run, error: MigrationRefused) -> MigrationResult:
    return run.result(_REFUSALS.get(type(error), FailureReason.OTHER), str(error), succeeded=False)


def _timed_out(run: _Run, seconds: float | None) -> MigrationResult:
    if run.wait_error is not None:
        return _refused(run, run.wait_error)
    return run.result(FailureReason.OTHER.value, f"not done within {seconds} s: raise the timeout", succeeded=False)


async def _inspect(connection: Connection, run: _Run) -> MigrationPlan:
    run.server = await edition.inspect(connection)
    run.connection_limit = limit.number if (limit := await connection_limit(connection)) is not None else None
    edition.check(run.server)
    run.history = await journal.read(connection)
    if (reason := edition.unsupported(run.server, empty=run.history.requirement is None)) is not None:
        raise DatabaseUnsupported(reason)
    if (
        run.requirement != Edition.POSTGRESQL.requirement
        and run.server.extension is None
        and not run.server.can_create_extension
    ):
        raise MigrationRefused("the tables were made for TimescaleDB, which this server does not load any more")
    run.plan = plan(run.migrations, run.history, run.requirement)
    if (reason := await foreign_objects(connection, run.migrations, run.history, run.plan.pending)) is not None:
        raise DatabaseUnsupported(reason)
    return run.plan


async def _dry_run(connection: Connection, run: _Run) -> MigrationResult:
    todo = await _inspect(connection, run)
    if todo.newer or not todo.pending:
        return _nothing_to_do(run, todo)
    if run.creates_extension:
        run.notify("would create extension timescaledb")
    if run.conversion is not None and any(migration.converts for migration in todo.pending):
        survey = await run.conversion.survey(connection)
        run.notify(f"would convert {survey or 'nothing'}")
    return run.result("Applied", f"would apply {len(todo.pending)} migrations; nothing was changed", succeeded=True)


def _nothing_to_do(run: _Run, todo: MigrationPlan) -> MigrationResult:
    if todo.newer:
        message = f"the database has schema {run.history.version} of a later release, which this one can work with"
        return run.result("NewerCompatible", message, succeeded=True)
    return run.result("UpToDate", f"schema {todo.target} is there already", succeeded=True)


async def _locked_run(connection: "asyncpg.Connection[asyncpg.Record]", run: _Run, url: str) -> MigrationResult:
    # Waiting inside pg_advisory_lock would hold a snapshot, for which CREATE INDEX CONCURRENTLY of the other waits.
    while not await connection.fetchval(_TRY_LOCK):
        if run.wait_error is None:
            run.notify("another migrate is running: waiting for it")
        run.wait_error = LockHeld("another migrate held the lock all the time")
        await asyncio.sleep(0.25)
    run.wait_error = None
    todo = await _inspect(connection, run)
    if todo.newer or (not todo.pending and run.history.version == todo.target):
        return _nothing_to_do(run, todo)
    if run.server is not None and run.server.read_only:
        return run.result(FailureReason.READ_ONLY.value, "the database is read-only: name the primary", succeeded=False)
    await check_privileges(connection, creates_extension=run.creates_extension)
    if run.creates_extension:
        run.notify("creating extension timescaledb")
        await connection.execute("CREATE EXTENSION timescaledb")
        todo = await _inspect(connection, run)  # only now its licence is known
    await journal.create(connection, run.requirement)
    run.history = replace(run.history, requirement=run.requirement)
    for migration in todo.pending:
        await _wait_for_old_sessions(connection, run, migration)
        if migration.converts and run.conversion is not None:
            converted = await run.conversion.convert(connection)
            run.converted = f"; converted {converted}" if converted is not None else ""
        run.notify(f"applying {migration.name}")
        await apply(connection, migration, url=url, notify=run.notify)
        run.applied.append(migration.name)
    await journal.set_version(connection, todo.target)
    run.history = await journal.read(connection)
    return run.result("Applied", f"applied {len(run.applied)} migrations{run.converted}", succeeded=True)


async def _wait_for_old_sessions(connection: Connection, run: _Run, migration: Migration) -> None:
    """Waits until no session of a release is connected that could not live with a contract; an expand never waits."""
    while migration.phase is Phase.CONTRACT and (count := await count_old_sessions(connection, migration)):
        if run.wait_error is None:
            run.notify(f"{migration.name} waits until no older release is connected")
        run.wait_error = OldReleases(
            f"{migration.name}: {count} sessions of releases that do not know schema {migration.min_compatible_schema} "
            "are connected: roll their pods out first"
        )
        await asyncio.sleep(1)
    run.wait_error = None
