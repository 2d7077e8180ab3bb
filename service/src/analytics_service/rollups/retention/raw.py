"""Ends raw rows in whole partitions or chunks. The order of the steps is what keeps answers equal:

1. Every stale bucket below the new horizon is refreshed, so that rollups hold all rows that are about to go: those of
   this release, and those of the one before.
2. One transaction moves the horizon. It locks the partitions below against writers, and gives up if one of them has
   left anything stale in the meantime; then the first step is repeated. From its commit on writers are refused below
   the horizon, and buckets there are never computed again.
3. Only then partitions are detached, which locks nobody out, and dropped; answers read rollups there already. The table
   `dropped_partition` names those that still have to go, for whoever goes on after a kill.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.partitions import has_native_partitions
from analytics_service.rollups.hierarchy.catch_up import catch_up, waiting
from analytics_service.rollups.legacy.refresh import refresh_unit, units_before
from analytics_service.rollups.retention.horizon import (
    BUMP_VERSIONS,
    EARLIEST,
    HORIZON,
    LOCK_HORIZON,
    LOCK_PARTITION_SET,
)
from analytics_service.rollups.retention.step import RetentionStep, StepKind

_MAX_PARTITIONS_PER_MOVE: Final = 100
"""Each is locked."""
_MAX_ATTEMPTS: Final = 5

# Shorter than the time after which a deadlock is looked for (1 s): between us and a writer, we give way.
_LOCK_TIMEOUT: Final = "SET LOCAL lock_timeout = '500ms'"
_PARTITIONS: Final = f"""
SELECT name, quote_ident(name) AS quoted, greatest(lower_bound, {EARLIEST}) AS first, upper_bound AS last
FROM traces_partitions WHERE greatest(lower_bound, {EARLIEST}) < $1 ORDER BY upper_bound NULLS LAST
"""
_CHUNKS: Final = """
SELECT chunk_name AS name, format('%I.%I', chunk_schema, chunk_name) AS quoted, range_start AS first, range_end AS last
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'traces' AND range_start < $1 ORDER BY range_end
"""
_DROPPED_UNTIL: Final = f"SELECT greatest(dropped_until, {EARLIEST}) FROM rollup_floor"
_MIDNIGHT: Final = f"SELECT date_bin('1 day', $1::timestamptz, {EARLIEST})"
_RAW: Final = "raw"
"""The target of steps that end no partition."""
_ANY_STALE: Final = """
SELECT EXISTS (SELECT FROM rollup_log WHERE requests AND minute >= $1 AND minute < $2)
  OR EXISTS (SELECT FROM rollup_stale WHERE bucket >= $1 AND bucket < $2)
  OR EXISTS (SELECT FROM rollup_dirty WHERE bucket_start >= $1 AND bucket_start < $2)
"""
_MOVE_HORIZON: Final = "UPDATE rollup_floor SET floor = $1"
_MARK_ROWS_DROPPED: Final = "UPDATE rollup_floor SET dropped_until = floor"
_RECORD: Final = """
INSERT INTO dropped_partition (name, lower_bound, upper_bound) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_RECORDED: Final = f"""
SELECT d.name, quote_ident(d.name) AS quoted, coalesce(d.lower_bound, {EARLIEST}) AS first, d.upper_bound AS last,
    i.inhrelid IS NOT NULL AS attached, coalesce(i.inhdetachpending, false) AS pending
FROM dropped_partition AS d
LEFT JOIN pg_inherits AS i ON i.inhparent = 'traces'::regclass AND i.inhrelid = to_regclass(quote_ident(d.name))
ORDER BY d.upper_bound
"""
_FORGET: Final = "DELETE FROM dropped_partition WHERE name = $1"
_DROP_CHUNKS: Final = "SELECT drop_chunks('public.traces', older_than => $1::timestamptz)"


class _StaleError(Exception):
    """A writer was faster."""


async def retain_raw(connection: Connection, until: datetime | None) -> AsyncGenerator[RetentionStep, None]:
    """Ends raw rows before a UTC midnight, after finishing an earlier run; None ends nothing more.

    LockNotAvailableError when somebody holds a lock for longer than we let others wait: try again later.
    """
    async for step in _drop_recorded(connection):
        yield step
    while until is not None and (target := await _next_horizon(connection, until)) is not None:
        moved = False
        async for step in _refresh_and_move(connection, target):
            moved = step.kind is StepKind.MOVED
            yield step
        if not moved:
            return
        async for step in _drop_recorded(connection):
            yield step


async def _next_horizon(connection: Connection, until: datetime) -> datetime | None:
    """`until`, or an earlier midnight if too much lies before it; None when the horizon is there."""
    if await connection.fetchval(HORIZON) >= until:
        return None
    native = await has_native_partitions(connection)
    ends = [row["last"] for row in await connection.fetch(_PARTITIONS if native else _CHUNKS, until)]
    ended = [end for end in ends if end is not None and end <= until]
    if len(ended) <= _MAX_PARTITIONS_PER_MOVE:
        return until
    earlier: datetime = await connection.fetchval(_MIDNIGHT, ended[_MAX_PARTITIONS_PER_MOVE])
    return earlier if earlier > await connection.fetchval(HORIZON) else until


async def _refresh_and_move(connection: Connection, horizon: datetime) -> AsyncGenerator[RetentionStep, None]:
    """Moves the horizon once nothing below it is stale; it stays where writers are faster all the time."""
    for _attempt in range(_MAX_ATTEMPTS):
        for each in await waiting(connection, minutes=horizon, buckets=horizon):
            async for _ in catch_up(connection, each, until=horizon):
                yield RetentionStep(kind=StepKind.REFRESHED, target=_RAW)
        for unit in await units_before(connection, horizon):
            await refresh_unit(connection, unit)
            yield RetentionStep(kind=StepKind.REFRESHED, target=_RAW)
        with suppress(_StaleError):
            await _move(connection, horizon)
            yield RetentionStep(kind=StepKind.MOVED, target=_RAW)
            return


async def _move(connection: Connection, horizon: datetime) -> None:
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(_LOCK_TIMEOUT)
        before = await connection.fetchval(LOCK_HORIZON)
        if before >= horizon:
            return
        await connection.execute(LOCK_PARTITION_SET)
        native = await has_native_partitions(connection)
        below = await connection.fetch(_PARTITIONS if native else _CHUNKS, horizon)
        if below:  # waits for their writers; later ones are refused by the new horizon
            await connection.execute(f"LOCK TABLE {', '.join(row['quoted'] for row in below)} IN SHARE MODE")
        if await connection.fetchval(_ANY_STALE, before, horizon):
            raise _StaleError
        await connection.execute(_MOVE_HORIZON, horizon)
        ended = [row for row in below if row["last"] is not None and row["last"] <= horizon]
        filled = [await connection.fetchval(f"SELECT EXISTS (SELECT FROM {row['quoted']})") for row in ended]
        if any(filled):
            await connection.execute(_MARK_ROWS_DROPPED)
        if native:
            await connection.executemany(_RECORD, [(row["name"], row["first"], row["last"]) for row in ended])
        await connection.execute(BUMP_VERSIONS, before, horizon)


async def _drop_recorded(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    """Drops the partitions or chunks that have ended, also those that a killed run has detached."""
    native = await has_native_partitions(connection)
    async for step in _drop_partitions(connection) if native else _drop_chunks(connection):
        yield step


async def _drop_partitions(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    for recorded in await connection.fetch(_RECORDED):
        name = recorded["quoted"]
        if recorded["attached"]:
            how = "FINALIZE" if recorded["pending"] else "CONCURRENTLY"  # no reader or writer is locked out
            async with _session_lock_timeout(connection):
                await connection.execute(f"ALTER TABLE traces DETACH PARTITION {name} {how}")
            yield RetentionStep(kind=StepKind.DETACHED, target=recorded["name"])
        async with connection.transaction():
            await connection.execute(_LOCK_TIMEOUT)
            await connection.execute(f"DROP TABLE IF EXISTS {name}")
            await connection.execute(_FORGET, recorded["name"])
            await connection.execute(BUMP_VERSIONS, recorded["first"], recorded["last"])
        yield RetentionStep(kind=StepKind.DROPPED, target=recorded["name"])


async def _drop_chunks(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    until = await connection.fetchval(_DROPPED_UNTIL)
    for row in await connection.fetch(_CHUNKS, until):
        if row["last"] > until:
            continue
        async with connection.transaction():
            await connection.execute(_LOCK_TIMEOUT)
            await connection.fetch(_DROP_CHUNKS, row["last"])
            await connection.execute(BUMP_VERSIONS, row["first"], row["last"])
        yield RetentionStep(kind=StepKind.DROPPED, target=row["name"])


@asynccontextmanager
async def _session_lock_timeout(connection: Connection) -> AsyncIterator[None]:
    """Outside a transaction. Earlier readers are waited for, and nobody waits behind us but who makes partitions."""
    await connection.execute("SET lock_timeout = '5s'")
    try:
        yield
    finally:
        await connection.execute("RESET lock_timeout")
