"""The rollups of today as values, what they are when they are made of raw alone, and which of them are stale."""

from typing import Any

import asyncpg

from analytics_service.rollups.hierarchy import details
from analytics_service.rollups.hierarchy.columns import DIMENSIONS, EXTREMES, SUMS, USAGE
from analytics_service.rollups.hierarchy.tables import Stage, Table
from tests.support.rollups import refresh

STAGES = {table: stage for stage in Stage for table in stage.tables}
KEPT_BY_BEFORE = tuple(table for table in Table if table not in {Table.LATENCY_1MIN, Table.LATENCY_15MIN, Table.PART})
"""Those that a store of before has, or can tell."""
_SUMS = [name for name in SUMS if name.removesuffix("_sum") not in USAGE]
_LOG_ALL = """
INSERT INTO rollup_log (org_id, minute, requests)
SELECT DISTINCT org_id, date_bin('1 minute', ts, '1970-01-01T00:00:00Z'::timestamptz), true FROM traces
WHERE ts >= (SELECT floor FROM rollup_floor)
"""
Contents = dict[Table, set[tuple[Any, ...]]]


def _columns(table: Table) -> list[str]:
    if table.value.startswith("totals"):
        return [*_SUMS, *EXTREMES]
    if table in details.DAYS:
        return [details.DAYS[table], *_SUMS]
    return ["codes", "counts"] if table.value.startswith("latency") else ["codes"]


def _stale(table: Table) -> str:
    """SQL: whether readers take the bucket from elsewhere."""
    end = f"r.bucket + interval '{int(table.step.total_seconds())} seconds'"
    inside = f"l.org_id = r.org_id AND l.{{}} >= r.bucket AND l.{{}} < {end}"
    steps = {Stage.PART} if table in details.DAYS else set()
    if (stage := STAGES.get(table)) is not None:
        steps = {stage, *stage.finer}
    listed = ", ".join(f"'{each.value}'" for each in steps) or "NULL"
    return f"""(
EXISTS (SELECT FROM rollup_log AS l WHERE l.requests AND {inside.format("minute", "minute")})
OR EXISTS (SELECT FROM rollup_stale AS l WHERE {inside.format("bucket", "bucket")} AND l.step IN ({listed})))"""


async def contents(connection: Any, tables: tuple[Table, ...] = KEPT_BY_BEFORE) -> Contents:
    """All rows but those below the table's horizon, without sums of usage."""
    found: Contents = {}
    for table in tables:
        columns = ", ".join((*(f"d.{name}" for name in DIMENSIONS), *(f"r.{name}" for name in _columns(table))))
        rows = await connection.fetch(
            f"""
            SELECT r.org_id, r.bucket, {columns} FROM {table.sql} AS r JOIN rollup_dimension AS d USING (org_id, dim)
            WHERE r.bucket >= (SELECT floor FROM rollup_horizon WHERE name = '{table.value}')"""
        )
        found[table] = {tuple(tuple(each) if isinstance(each, list) else each for each in row) for row in rows}
        assert len(found[table]) == len(rows)
    return found


async def stale_buckets(connection: Any, buckets: Contents) -> dict[Table, set[tuple[str, Any]]]:
    """Those of `buckets` that are stale, by organisation."""
    found = {}
    for table, rows in buckets.items():
        keys = sorted({row[:2] for row in rows})
        stale = await connection.fetch(
            f"""SELECT r.org_id, r.bucket FROM unnest($1::text[], $2::timestamptz[]) AS r (org_id, bucket)
            WHERE {_stale(table)}""",
            [org for org, _ in keys],
            [bucket for _, bucket in keys],
        )
        found[table] = {tuple(row) for row in stale}
    return found


async def made_of_raw(url: str) -> Contents:
    """The rollups of a database in which they are made again; what it had is gone."""
    connection = await asyncpg.connect(url, server_settings={"timezone": "UTC", "jit": "off"})
    try:
        tables = ", ".join(table.sql for table in Table)
        await connection.execute(f"TRUNCATE rollup_log, rollup_stale, rollup_dimension, rollup_unparted, {tables}")
        await connection.execute("UPDATE rollup_horizon SET floor = DEFAULT")
        await connection.execute(_LOG_ALL)
        await refresh(connection)
        return await contents(connection)
    finally:
        await connection.close()


def differences(one: Contents, other: Contents) -> dict[str, Any]:
    """A few rows of each table in which two contents differ."""
    return {
        table.value: (
            sorted(map(repr, one[table] - other[table]))[:2],
            sorted(map(repr, other[table] - one[table]))[:2],
        )
        for table in one
        if one[table] != other[table]
    }
