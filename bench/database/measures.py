"""The measurements, each on one connection."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from statistics import median
from typing import Any

from analytics_service.contract.parameters import parse
from analytics_service.contract.principal import Principal, Role
from analytics_service.database.edition import Edition, inspect
from analytics_service.database.partitions import has_native_partitions
from analytics_service.database.query import Query
from analytics_service.endpoints.metrics.series import statement
from analytics_service.endpoints.metrics.series.parameters import MetricParameters
from analytics_service.endpoints.metrics.series.selection import RollupSelection
from analytics_service.rollups.hierarchy.refresh import Refresher
from analytics_service.rollups.hierarchy.tables import Stage, Table
from analytics_service.rollups.levels import Level
from bench.database.rows import DAYS, END, ORGANISATION, START

_BY_DAY = (("from", START.isoformat()), ("to", END.isoformat()), ("interval", "1day"))
DASHBOARD = (("metrics", "request_count,total_cost,total_tokens,duration"), ("group_by", "model"), *_BY_DAY)
PERCENTILES = (("metrics", "duration"), ("aggregation", "p95"), *_BY_DAY)
USERS = (("metrics", "unique_users"), *_BY_DAY)


@dataclass(frozen=True, kw_only=True)
class DashboardTimes:
    """Milliseconds of 90 days."""

    rows: int
    rollup: float
    raw: float
    percentiles: float
    users: float


@dataclass(frozen=True, kw_only=True)
class Late:
    """Milliseconds that the refresh of one late row takes, by stage."""

    milliseconds: dict[str, float]


async def dashboard(connection: Any, count: int, *, rounds: int) -> DashboardTimes:
    by_rollup, by_raw = _statement(DASHBOARD), _statement(DASHBOARD, RollupSelection(level=Level.RAW))
    await answered(connection, by_rollup)
    rollup = [await timed(partial(answered, connection, by_rollup)) for _ in range(rounds * 20)]
    long = {}
    for name in (PERCENTILES, USERS):
        long[name] = median([await timed(partial(answered, connection, _statement(name))) for _ in range(rounds)])
    await connection.execute("SET plan_cache_mode = force_custom_plan")  # as the service does for such a statement
    raw = [await timed(partial(answered, connection, by_raw)) for _ in range(max(rounds // 2, 1))]
    await connection.execute("RESET plan_cache_mode")
    return DashboardTimes(
        rows=count, rollup=median(rollup), raw=median(raw), percentiles=long[PERCENTILES], users=long[USERS]
    )


def _statement(parameters: Sequence[tuple[str, str]], selection: RollupSelection | None = None) -> Query:
    params = parse(MetricParameters, list(parameters), now=END)
    if selection is not None:
        params.__dict__["selection"] = selection  # in place of the cached property
    principal = Principal(
        organisation=ORGANISATION, subject="bench", projects=frozenset(), role=Role.ADMIN, permissions=frozenset()
    )
    return statement.query(principal, params)


async def answered(connection: Any, query: Query) -> Any:
    return await connection.fetch(query.sql, *query.args)


async def timed(do: Callable[[], Awaitable[Any]]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    await do()
    return (time.perf_counter() - started) * 1000


async def late(connection: Any, *, rounds: int) -> Late:
    """One row more in a minute that was clean."""
    spent: dict[str, list[float]] = {}
    moment = START + timedelta(days=DAYS // 2, hours=7, minutes=31)
    refresher = Refresher(connection, ORGANISATION)
    for number in range(rounds):
        await connection.execute(
            "INSERT INTO traces (org_id, trace_id, span_id, ts, duration_us, user_id) VALUES ($1, $2, 's', $3, 1, 'u')",
            ORGANISATION,
            f"late {number}",
            moment + number * timedelta(seconds=1),
        )
        for stage in (None, *Stage):
            name = "1min" if stage is None else stage.value
            spent.setdefault(name, []).append(await timed(partial(refresher.step, stage)))
    return Late(milliseconds={name: median(each) for name, each in spent.items()})


async def sizes(connection: Any) -> dict[str, int]:
    """Bytes: of raw and its indexes, of all rollups, and of raw as the edition compresses it."""
    found = {
        "raw": await _raw(connection, "pg_table_size"),
        "indexes of raw": await _raw(connection, "pg_indexes_size"),
    }
    for table in Table:
        found[f"rollup {table}"] = await connection.fetchval(f"SELECT pg_total_relation_size('{table.sql}')")
    found["rollups"] = sum(size for name, size in found.items() if name.startswith("rollup "))
    if (await inspect(connection)).edition is Edition.COMMUNITY:
        await connection.execute(
            "ALTER TABLE traces SET (timescaledb.compress, timescaledb.compress_segmentby = 'org_id, model', "
            "timescaledb.compress_orderby = 'ts DESC')"
        )
        await connection.execute("SELECT compress_chunk(c) FROM show_chunks('traces') AS c", timeout=3600)
        found["raw and its indexes, compressed"] = await connection.fetchval("SELECT hypertable_size('traces')")
    return found


async def _raw(connection: Any, function: str) -> int:
    if await has_native_partitions(connection):
        names = "SELECT quote_ident(name)::regclass AS part FROM traces_partitions"
    else:
        names = "SELECT c AS part FROM show_chunks('traces') AS c"
    size: int = await connection.fetchval(f"SELECT sum({function}(part))::bigint FROM ({names}) AS parts")
    return size
