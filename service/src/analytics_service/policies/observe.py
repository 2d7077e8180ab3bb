"""Reads the policies of a store, and the partitions that a shorter retention would end; changes nothing."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from analytics_service.database.connect import Connection
from analytics_service.database.edition import Edition
from analytics_service.database.partitions import has_native_partitions
from analytics_service.policies.desired import GOVERNED, Policy
from analytics_service.policies.plan import Accepted, ForeignJob, ObservedStore, Partition
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.retention.horizon import externally_dropped_until

_STORE: Final = """
SELECT policy_seed::text AS seed, chunk_hours, made_for <> 'postgres' AS hypertable,
    made_for <> 'postgres' AND current_setting('timescaledb.license', true) = 'timescale' AS compresses,
    greatest(floor, '1970-01-01T00:00:00Z') AS floor
FROM schema_meta CROSS JOIN rollup_floor
"""
_ACCEPTED: Final = "SELECT name, value, revision FROM policy"
_INTERVAL: Final = """
SELECT time_interval FROM timescaledb_information.dimensions
WHERE hypertable_schema = 'public' AND hypertable_name = 'traces' AND column_name = 'ts'
"""
_COMPRESSION: Final = """
SELECT (config ->> 'compress_after')::interval FROM timescaledb_information.jobs
WHERE hypertable_schema = 'public' AND hypertable_name = 'traces' AND proc_name = 'policy_compression' AND scheduled
"""
_FOREIGN_JOBS: Final = """
SELECT job_id, coalesce(config ->> 'drop_after', config ->> 'drop_created_before', 'some time') AS drop_after
FROM timescaledb_information.jobs
WHERE hypertable_schema = 'public' AND hypertable_name = 'traces' AND proc_name = 'policy_retention' ORDER BY job_id
"""
_PARTITIONS: Final = """
SELECT quote_ident(p.name) AS name, greatest(p.lower_bound, '1970-01-01T00:00:00Z') AS start, p.upper_bound AS end,
    c.reltuples::bigint AS rows, pg_total_relation_size(c.oid) AS size
FROM traces_partitions AS p JOIN pg_class AS c ON c.oid = to_regclass(quote_ident(p.name))
WHERE p.upper_bound IS NOT NULL AND pg_relation_size(c.oid) > 0
"""
_CHUNKS: Final = """
SELECT format('%I.%I', c.chunk_schema, c.chunk_name) AS name, c.range_start AS start, c.range_end AS end,
    approximate_row_count(format('%I.%I', c.chunk_schema, c.chunk_name)::regclass) AS rows, s.total_bytes AS size
FROM timescaledb_information.chunks AS c
LEFT JOIN chunks_detailed_size('public.traces') AS s USING (chunk_schema, chunk_name)
WHERE c.hypertable_schema = 'public' AND c.hypertable_name = 'traces'
"""
_ROLLUP: Final = """
SELECT min(oldest.bucket) AS start, max(newest.bucket) AS end,
    (SELECT reltuples::bigint FROM pg_class WHERE oid = '{table}'::regclass) AS rows,
    pg_total_relation_size('{table}') AS size
FROM (SELECT DISTINCT org_id FROM rollup_version) AS o
CROSS JOIN LATERAL (
    SELECT bucket FROM {table}
    WHERE org_id = o.org_id AND bucket >= (SELECT floor FROM rollup_horizon WHERE name = $1) ORDER BY bucket LIMIT 1
) AS oldest
CROSS JOIN LATERAL (SELECT bucket FROM {table} WHERE org_id = o.org_id ORDER BY bucket DESC LIMIT 1) AS newest
"""


async def database_time(connection: Connection) -> datetime:
    """The moment by the database's clock: that of a machine that is wrong must not end anything."""
    moment: datetime = await connection.fetchval("SELECT now()")
    return moment


async def store_edition(connection: Connection) -> Edition:
    """The edition of the store: tables that were made for plain PostgreSQL stay so."""
    (row,) = await connection.fetch(_STORE)
    if not row["hypertable"]:
        return Edition.POSTGRESQL
    return Edition.COMMUNITY if row["compresses"] else Edition.APACHE


async def observe(connection: Connection) -> ObservedStore:
    (store,) = await connection.fetch(_STORE)
    rows = await connection.fetch(_ACCEPTED)
    known = {policy.value: policy for policy in Policy}
    interval = await connection.fetchval(_INTERVAL) if store["hypertable"] else None
    compress_after, foreign = None, []
    if store["compresses"]:
        compress_after = await connection.fetchval(_COMPRESSION)
        foreign = await connection.fetch(_FOREIGN_JOBS)
    return ObservedStore(
        seed=store["seed"],
        retention_horizon=store["floor"],
        accepted={
            known[row["name"]]: Accepted(value=row["value"], revision=row["revision"])
            for row in rows
            if row["name"] in known  # a later release may know more
        },
        chunk_hours=store["chunk_hours"],
        chunk_interval=interval,
        compresses=store["compresses"],
        compress_after=compress_after,
        externally_dropped_until=await externally_dropped_until(connection),
        foreign_jobs=tuple(ForeignJob(number=row["job_id"], drop_after=row["drop_after"]) for row in foreign),
    )


async def observe_partitions(connection: Connection, policies: Iterable[Policy]) -> dict[Policy, Sequence[Partition]]:
    """The partitions of what each of these retentions ends: for raw its own alone, for parts hold nothing else."""
    return {
        policy: await (_raw(connection) if policy is Policy.RAW else _rollups(connection, GOVERNED[policy]))
        for policy in policies
    }


async def _raw(connection: Connection) -> list[Partition]:
    rows = await connection.fetch(_PARTITIONS if await has_native_partitions(connection) else _CHUNKS)
    return [
        Partition(
            level="raw",
            start=row["start"],
            end=row["end"],
            rows=await _rows(connection, row["name"], row),
            size=row["size"] or 0,
            indivisible=True,
        )
        for row in rows
    ]


async def _rollups(connection: Connection, tables: Iterable[Table]) -> list[Partition]:
    partitions = []
    for table in tables:
        (row,) = await connection.fetch(_ROLLUP.format(table=table.sql), table.value)
        if row["start"] is not None:
            partitions.append(
                Partition(
                    level=table.value,
                    start=row["start"],
                    end=row["end"] + table.step,
                    rows=await _rows(connection, table.sql, row),
                    size=row["size"] or 0,
                    indivisible=False,
                )
            )
    return partitions


async def _rows(connection: Connection, name: str, row: asyncpg.Record) -> int:
    """Estimated; the rows of a table that was never analysed are counted."""
    rows: int = row["rows"] if row["rows"] > 0 else await connection.fetchval(f"SELECT count(*) FROM {name}")
    return rows
