"""Diagnostics of a database for whoever runs the service: one finding a check, with its cure; changes nothing."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

import asyncpg

from analytics_service.database import edition, privileges
from analytics_service.database.connect import Connection, is_shared
from analytics_service.database.edition import Edition
from analytics_service.database.limits import connection_limit
from analytics_service.database.migrate.migration import schema_version
from analytics_service.database.partitions import end_of_partitions, has_native_partitions
from analytics_service.database.product import check_product
from analytics_service.database.schema import problem, schema_of
from analytics_service.database.snapshots import MAX_AGE, snapshot_holders
from analytics_service.errors import MigrationRefused

_MAX_SHOWN = 3
_WAITING: Final = """
SELECT count(*) AS entries, extract(epoch FROM clock_timestamp() - min(greatest(logged_at, minute)))::float8 AS seconds
FROM rollup_log WHERE minute < clock_timestamp()
"""
_PRICES: Final = """
SELECT d.provider, d.model, sum(r.request_count)::bigint AS requests,
  sum(CASE WHEN d.price_status = 'partial' THEN r.request_count ELSE coalesce(r.total_cost_usd_missing, 0) END)::bigint
    AS unpriced
FROM rollup_totals_1hour AS r JOIN rollup_dimension AS d ON d.org_id = r.org_id AND d.dim = r.dim
WHERE r.bucket >= clock_timestamp() - interval '7 days'
GROUP BY 1, 2 ORDER BY unpriced DESC, 1, 2
"""
"""Of all organisations, by the hours that have ended."""
_MAX_WAIT_SECONDS: Final = 180
"""A minute is refreshed a minute after it was written at the latest, and the worker may be two minutes late."""


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    check: str
    verdict: Verdict
    message: str


async def diagnose(
    connection: "asyncpg.Connection[asyncpg.Record]", *, pool_size: int, max_snapshot_age: timedelta = MAX_AGE
) -> list[Finding]:
    """The findings of all checks, in their order; those that need the schema are left out where it is not there."""
    findings = [await check(connection) for check in (_server, _primary, _session)]
    findings += [await _connections(connection, pool_size), await _snapshots(connection, max_snapshot_age)]
    findings.append(await _schema(connection))
    if findings[-1].verdict is Verdict.OK:
        findings += [await check(connection) for check in (_privileges, _rollup_log, _partitions, _prices)]
    return findings


async def _server(connection: "asyncpg.Connection[asyncpg.Record]") -> Finding:
    await check_product(connection)
    server = await edition.inspect(connection)
    extension = f", TimescaleDB {server.extension} ({server.license} licence)" if server.extension else ""
    message = f"{server.edition}: PostgreSQL {server.version}{extension}"
    try:
        edition.check(server)
    except MigrationRefused as error:
        return Finding("server", Verdict.FAILED, str(error))
    if server.edition is Edition.POSTGRESQL and server.can_create_extension:
        message += "; migrate will create the extension timescaledb, which the server has loaded"
    return Finding("server", Verdict.OK, message)


async def _primary(connection: Connection) -> Finding:
    if await connection.fetchval("SELECT current_setting('transaction_read_only') = 'on'"):
        return Finding("primary", Verdict.FAILED, "the server is read-only: DATABASE_URL must name the primary")
    return Finding("primary", Verdict.OK, "the server takes writes")


async def _session(connection: "asyncpg.Connection[asyncpg.Record]") -> Finding:
    if await is_shared(connection):
        cure = "serve works through it; the other commands need the server's own address"
        return Finding("session", Verdict.WARNING, f"a connection pooler answers: {cure}")
    return Finding("session", Verdict.OK, "the server itself answers")


async def _connections(connection: Connection, pool_size: int) -> Finding:
    if (limit := await connection_limit(connection)) is None:
        return Finding("connections", Verdict.OK, "the server does not tell how many it allows")
    message = f"the database allows {limit.number} ({limit.source})"
    if (processes := limit.number // pool_size) == 0:
        cure = "lower it, or raise the limit"
        return Finding("connections", Verdict.WARNING, f"{message}, and DATABASE_POOL_SIZE is {pool_size}: {cure}")
    each = f"DATABASE_POOL_SIZE is {pool_size} in each process of serve"
    return Finding("connections", Verdict.OK, f"{message}: enough for {processes}, since {each}")


async def _snapshots(connection: Connection, max_age: timedelta) -> Finding:
    if (holders := await snapshot_holders(connection)) is None:
        return Finding("snapshots", Verdict.OK, "the server does not tell which are open")
    old = [f"{holder} ({holder.cure})" for holder in holders if holder.is_old(max_age)]
    if not old:
        return Finding("snapshots", Verdict.OK, f"none keeps vacuum from dead rows for {max_age.total_seconds():.0f} s")
    others = f"; and {len(old) - _MAX_SHOWN} more" if len(old) > _MAX_SHOWN else ""
    return Finding("snapshots", Verdict.WARNING, f"vacuum waits for {'; '.join(old[:_MAX_SHOWN])}{others}")


async def _schema(connection: Connection) -> Finding:
    schema, target = await schema_of(connection), schema_version()
    if (outdated := problem(schema, target)) is not None:
        return Finding("schema", Verdict.FAILED, outdated)
    return Finding("schema", Verdict.OK, f"version {schema.version}; this release needs {target}")


async def _privileges(connection: Connection) -> Finding:
    if (missing := await privileges.missing(connection)) is not None:
        return Finding("rights", Verdict.FAILED, missing)
    return Finding("rights", Verdict.OK, "the user may read and write the tables")


async def _rollup_log(connection: Connection) -> Finding:
    """Minutes to come wait until they begin."""
    row = await connection.fetchrow(_WAITING)
    if row is None or not row["entries"]:
        return Finding("rollups", Verdict.OK, "no row waits: minutes are equal to raw")
    message = f"{row['entries']} entries of their log wait for a refresh, the oldest for {row['seconds']:.0f} s"
    if row["seconds"] <= _MAX_WAIT_SECONDS:
        return Finding("rollups", Verdict.OK, message)
    cure = "answers read raw meanwhile, which is slow: is analytics-service work running?"
    return Finding("rollups", Verdict.WARNING, f"{message}: {cure}")


async def _partitions(connection: Connection) -> Finding:
    if not await has_native_partitions(connection):
        return Finding("partitions", Verdict.OK, "the store makes its own")
    end = await end_of_partitions(connection)
    if end is None or end <= datetime.now(UTC):
        cure = "writers make those that they need, and analytics-service work makes them a week ahead"
        return Finding("partitions", Verdict.WARNING, f"there is none for now: {cure}")
    return Finding("partitions", Verdict.OK, f"until {end:%Y-%m-%d %H:%M} UTC")


async def _prices(connection: Connection) -> Finding:
    rows = await connection.fetch(_PRICES)
    requests, unpriced = sum(row["requests"] for row in rows), sum(row["unpriced"] for row in rows)
    if not unpriced:
        message = f"all {requests:,} requests of the last 7 days have a price" if requests else "no request in 7 days"
        return Finding("prices", Verdict.OK, message)
    models = [
        f"{row['provider'] or '?'}/{row['model'] or '?'} ({row['unpriced']:,})" for row in rows if row["unpriced"]
    ]
    more = f" and {len(models) - _MAX_SHOWN} more" if len(models) > _MAX_SHOWN else ""
    which = f"{unpriced:,} of {requests:,} requests of the last 7 days: {', '.join(models[:_MAX_SHOWN])}{more}"
    cure = "their costs are lower bounds; docs/costs.md says how to give a price"
    return Finding("prices", Verdict.WARNING, f"no full price for {which}: {cure}")
