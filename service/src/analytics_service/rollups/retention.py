"""Ends rows by age, in small steps: whoever is killed between two, or inside one, leaves a store that the next goes on
with, and in which every answer is right.

Raw goes in whole partitions or chunks. First everything below the new floor is refreshed; then one transaction moves
the floor, and holds it only if no writer has left anything dirty below: from there writers are refused and buckets are
never computed again, so rollups outlive raw. Only then partitions are detached and dropped, which answers from
rollups no longer notice. Rollups go by DELETE below a floor of their own, which readers heed from the start.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.database.partitions import has_native_partitions
from analytics_service.rollups.levels import Level
from analytics_service.rollups.refresh import refresh_unit, units

BATCH: Final = 10_000
"""Rows of a rollup that one transaction deletes."""
_MOST_PARTITIONS: Final = 100
"""That one move of the floor ends: each is locked."""
_ATTEMPTS: Final = 5

_FIRST: Final = "'1970-01-01T00:00:00Z'::timestamptz"
"""No row is older: what is -infinity in the store is this moment here."""

# Shorter than the time after which a deadlock is looked for (1 s): between us and a writer, we give way.
_PATIENCE: Final = "SET LOCAL lock_timeout = '500ms'"
_PARTITIONS: Final = f"""
SELECT name, quote_ident(name) AS quoted, greatest(lower_bound, {_FIRST}) AS first, upper_bound AS last
FROM traces_partitions WHERE greatest(lower_bound, {_FIRST}) < $1 ORDER BY upper_bound NULLS LAST
"""
_CHUNKS: Final = """
SELECT chunk_name AS name, format('%I.%I', chunk_schema, chunk_name) AS quoted, range_start AS first, range_end AS last
FROM timescaledb_information.chunks
WHERE hypertable_schema = 'public' AND hypertable_name = 'traces' AND range_start < $1 ORDER BY range_end
"""
_FLOOR: Final = f"SELECT greatest(floor, {_FIRST}) FROM rollup_floor"
_DROPPED: Final = f"SELECT greatest(dropped_until, {_FIRST}) FROM rollup_floor"
_MIDNIGHT: Final = f"SELECT date_bin('1 day', $1::timestamptz, {_FIRST})"
_HOLD_FLOOR: Final = f"{_FLOOR} FOR UPDATE"  # waits for refreshes, which read raw above it
# Neither partitions nor chunks are made meanwhile, and rows are written into those that are there.
_HOLD_SET: Final = "LOCK TABLE ONLY traces IN SHARE UPDATE EXCLUSIVE MODE"
_DIRTY: Final = "SELECT EXISTS (SELECT FROM rollup_dirty WHERE bucket_start >= $1 AND bucket_start < $2)"
_MOVE: Final = "UPDATE rollup_floor SET floor = $1"
_LOST: Final = "UPDATE rollup_floor SET dropped_until = floor"
_NOTE: Final = """
INSERT INTO dropped_partition (name, lower_bound, upper_bound) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_BUMP: Final = "UPDATE rollup_version SET version = version + 1 WHERE day >= $1 AND day < $2"
_NOTED: Final = f"""
SELECT d.name, quote_ident(d.name) AS quoted, coalesce(d.lower_bound, {_FIRST}) AS first, d.upper_bound AS last,
    i.inhrelid IS NOT NULL AS attached, coalesce(i.inhdetachpending, false) AS pending
FROM dropped_partition AS d
LEFT JOIN pg_inherits AS i ON i.inhparent = 'traces'::regclass AND i.inhrelid = to_regclass(quote_ident(d.name))
ORDER BY d.upper_bound
"""
_FORGET: Final = "DELETE FROM dropped_partition WHERE name = $1"
_DROP_CHUNKS: Final = "SELECT drop_chunks('public.traces', older_than => $1::timestamptz)"
_LEVEL: Final = f"""
SELECT greatest(floor, {_FIRST}) AS floor, greatest(deleted_until, {_FIRST}) AS deleted_until
FROM rollup_level WHERE level = $1
"""
_ORGANISATIONS: Final = """
WITH RECURSIVE o (org_id) AS (
    (SELECT org_id FROM rollup_version ORDER BY org_id LIMIT 1)
    UNION ALL
    SELECT (SELECT v.org_id FROM rollup_version AS v WHERE v.org_id > o.org_id ORDER BY v.org_id LIMIT 1)
    FROM o WHERE o.org_id IS NOT NULL
)
SELECT org_id FROM o WHERE org_id IS NOT NULL
"""
"""Each once, and without a look at all of their days."""
_MOVE_LEVEL: Final = "UPDATE rollup_level SET floor = $2 WHERE level = $1 AND floor < $2"
_DELETED: Final = "UPDATE rollup_level SET deleted_until = floor WHERE level = $1"


_OLDEST: Final = "date_bin('1 day', (SELECT min({bound}) FROM {ranges}), {first})"
_KNOWN: Final = f"""
SELECT raw.oldest FROM (SELECT {{oldest}} AS oldest) AS raw
WHERE EXISTS (
    SELECT FROM ({_ORGANISATIONS}) AS o CROSS JOIN LATERAL (
        SELECT FROM rollup_1day AS r
        WHERE r.org_id = o.org_id AND r.bucket >= (SELECT floor FROM rollup_floor) AND r.bucket < raw.oldest
            AND NOT EXISTS (
                SELECT FROM rollup_dirty AS d
                WHERE d.level = '1day' AND d.org_id = o.org_id AND d.bucket_start = r.bucket
            )
        LIMIT 1
    ) AS known
)
"""
_RAISE: Final = "UPDATE rollup_floor SET floor = $1, dropped_until = $1"


class What(StrEnum):
    REFRESHED = "refreshed"
    MOVED = "moved"
    DETACHED = "detached"
    DROPPED = "dropped"
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class RetentionStep:
    """What was just done, and committed."""

    what: What
    of: str
    """A level, a partition or a chunk."""
    rows: int = 0
    """That were deleted from a rollup."""


class _DirtyError(Exception):
    """A writer was faster."""


async def retain_raw(connection: Connection, until: datetime | None) -> AsyncGenerator[RetentionStep, None]:
    """Ends raw rows before a UTC midnight, after what an earlier run has begun; None ends nothing more.

    LockNotAvailableError when somebody holds a lock for longer than we let others wait: try again later.
    """
    async for step in _finished(connection):
        yield step
    while until is not None and (target := await _next_floor(connection, until)) is not None:
        moved = False
        async for step in _moved(connection, target):
            moved = step.what is What.MOVED
            yield step
        if not moved:
            return
        async for step in _finished(connection):
            yield step


async def retain_rollup(
    connection: Connection, level: Level, until: datetime | None, *, batch: int = BATCH
) -> AsyncGenerator[RetentionStep, None]:
    """Deletes the rows of a rollup before a UTC midnight, if there are any; None deletes nothing more."""
    state = await connection.fetchrow(_LEVEL, level.code)
    if state is None:
        return
    floor, organisations = state["floor"], [row[0] for row in await connection.fetch(_ORGANISATIONS)]
    if until is not None and until > floor and await _any_before(connection, level, organisations, until):
        async with connection.transaction():
            await connection.execute(_MOVE_LEVEL, level.code, until)
            await connection.execute(_BUMP, floor, until)
        floor = until
        yield RetentionStep(what=What.MOVED, of=level.code)
    if floor <= state["deleted_until"]:
        return
    for organisation in organisations:
        while rows := await _delete(connection, level, organisation, floor, batch):
            yield RetentionStep(what=What.DELETED, of=level.code, rows=rows)
    await connection.execute(_DELETED, level.code)


async def gone_until(connection: Connection) -> datetime | None:
    """The UTC midnight before which rollups know of rows, and raw has no partition or chunk any more.

    Nothing of ours leaves that behind: somebody else has dropped them, and a late row would now empty its true day.
    """
    if await has_native_partitions(connection):
        oldest = _OLDEST.format(bound="lower_bound", ranges="traces_partitions", first=_FIRST)
    else:
        ours = "timescaledb_information.chunks WHERE hypertable_schema = 'public' AND hypertable_name = 'traces'"
        oldest = _OLDEST.format(bound="range_start", ranges=ours, first=_FIRST)
    moment: datetime | None = await connection.fetchval(_KNOWN.format(oldest=oldest))
    return moment


async def raise_floor(connection: Connection) -> None:
    """Moves the floor to where raw begins, inside a transaction; what was added up of the rows before stays."""
    await connection.fetchval(_HOLD_FLOOR)
    await connection.execute(_HOLD_SET)
    if (moment := await gone_until(connection)) is not None:
        await connection.execute(_RAISE, moment)


async def _next_floor(connection: Connection, until: datetime) -> datetime | None:
    """`until`, or an earlier midnight if too much lies before it; None when the floor is there."""
    if await connection.fetchval(_FLOOR) >= until:
        return None
    native = await has_native_partitions(connection)
    ends = [row["last"] for row in await connection.fetch(_PARTITIONS if native else _CHUNKS, until)]
    ended = [end for end in ends if end is not None and end <= until]
    if len(ended) <= _MOST_PARTITIONS:
        return until
    earlier: datetime = await connection.fetchval(_MIDNIGHT, ended[_MOST_PARTITIONS])
    return earlier if earlier > await connection.fetchval(_FLOOR) else until


async def _moved(connection: Connection, floor: datetime) -> AsyncGenerator[RetentionStep, None]:
    """Moves the floor once nothing below it is dirty; it stays where writers are faster all the time."""
    for _ in range(_ATTEMPTS):
        for unit in await units(connection, until=floor):
            await refresh_unit(connection, unit, until=floor)
            yield RetentionStep(what=What.REFRESHED, of=unit.level.code)
        with suppress(_DirtyError):
            await _move(connection, floor)
            yield RetentionStep(what=What.MOVED, of=Level.RAW.code)
            return


async def _move(connection: Connection, floor: datetime) -> None:
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(_PATIENCE)
        before = await connection.fetchval(_HOLD_FLOOR)
        if before >= floor:
            return
        await connection.execute(_HOLD_SET)
        native = await has_native_partitions(connection)
        below = await connection.fetch(_PARTITIONS if native else _CHUNKS, floor)
        if below:  # waits for their writers; who comes later is refused by the new floor
            await connection.execute(f"LOCK TABLE {', '.join(row['quoted'] for row in below)} IN SHARE MODE")
        if await connection.fetchval(_DIRTY, before, floor):
            raise _DirtyError
        await connection.execute(_MOVE, floor)
        ended = [row for row in below if row["last"] is not None and row["last"] <= floor]
        filled = [await connection.fetchval(f"SELECT EXISTS (SELECT FROM {row['quoted']})") for row in ended]
        if any(filled):
            await connection.execute(_LOST)
        if native:
            await connection.executemany(_NOTE, [(row["name"], row["first"], row["last"]) for row in ended])
        await connection.execute(_BUMP, before, floor)


async def _finished(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    """Takes away what has ended; what was detached by a run that was killed, too."""
    native = await has_native_partitions(connection)
    async for step in _drop_partitions(connection) if native else _drop_chunks(connection):
        yield step


async def _drop_partitions(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    for noted in await connection.fetch(_NOTED):
        name = noted["quoted"]
        if noted["attached"]:
            how = "FINALIZE" if noted["pending"] else "CONCURRENTLY"  # no reader or writer is locked out
            async with _patient(connection):
                await connection.execute(f"ALTER TABLE traces DETACH PARTITION {name} {how}")
            yield RetentionStep(what=What.DETACHED, of=noted["name"])
        async with connection.transaction():
            await connection.execute(_PATIENCE)
            await connection.execute(f"DROP TABLE IF EXISTS {name}")
            await connection.execute(_FORGET, noted["name"])
            await connection.execute(_BUMP, noted["first"], noted["last"])
        yield RetentionStep(what=What.DROPPED, of=noted["name"])


async def _drop_chunks(connection: Connection) -> AsyncGenerator[RetentionStep, None]:
    until = await connection.fetchval(_DROPPED)
    for row in await connection.fetch(_CHUNKS, until):
        if row["last"] > until:
            continue
        async with connection.transaction():
            await connection.execute(_PATIENCE)
            await connection.fetch(_DROP_CHUNKS, row["last"])
            await connection.execute(_BUMP, row["first"], row["last"])
        yield RetentionStep(what=What.DROPPED, of=row["name"])


@asynccontextmanager
async def _patient(connection: Connection) -> AsyncIterator[None]:
    """Outside a transaction. Readers of before are waited for, and nobody waits behind us but who makes partitions."""
    await connection.execute("SET lock_timeout = '5s'")
    try:
        yield
    finally:
        await connection.execute("RESET lock_timeout")


async def _any_before(connection: Connection, level: Level, organisations: list[str], until: datetime) -> bool:
    first = f"SELECT FROM {level.table} WHERE org_id = o.org_id AND bucket < $2 LIMIT 1"
    found: bool = await connection.fetchval(
        f"SELECT EXISTS (SELECT FROM unnest($1::text[]) AS o (org_id) CROSS JOIN LATERAL ({first}) AS old)",
        organisations,
        until,
    )
    return found


async def _delete(connection: Connection, level: Level, organisation: str, floor: datetime, batch: int) -> int:
    """In the order of the primary key, so that each batch begins where the last one ended."""
    oldest = f"SELECT ctid FROM {level.table} WHERE org_id = $1 AND bucket < $2 ORDER BY bucket LIMIT {batch}"
    status = await connection.execute(
        f"DELETE FROM {level.table} WHERE ctid = ANY(ARRAY({oldest}))", organisation, floor
    )
    return int(status.rsplit(" ", 1)[1])
