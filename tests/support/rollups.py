"""Refreshes the rollups of a database, and compares them with raw by statements that the service does not have."""

from datetime import timedelta
from typing import Any

from analytics_service.rollups.hierarchy.refresh import Refreshed, Refresher, Schedule
from analytics_service.rollups.hierarchy.tables import Table

_DIMENSIONS = "project_id, environment, provider, model, operation_type, status_code, service_tier, price_status"
_RAW = "traces AS t WHERE t.is_request AND t.ts >= (SELECT floor FROM rollup_floor)"


async def refresh(connection: Any, schedule: Schedule | None = None) -> Refreshed:
    """Refreshes all organisations, one after another, until nothing is due."""
    total = Refreshed()
    organisations = "SELECT org_id FROM rollup_log UNION SELECT org_id FROM rollup_stale ORDER BY org_id"
    for row in await connection.fetch(organisations):
        async for done in Refresher(connection, row["org_id"], schedule or Schedule()).steps():
            total.entries += done.entries
            total.buckets += done.buckets
    return total


def _bucket(step: timedelta) -> str:
    return f"date_bin(interval '{step.total_seconds()} seconds', t.ts, '1970-01-01T00:00:00Z'::timestamptz)"


def _statements(table: Table) -> tuple[str, str]:
    """What the rollup has, and what raw has."""
    bucket, dims = _bucket(table.step), ", ".join(f"t.{name.strip()}" for name in _DIMENSIONS.split(","))
    family = table.value.partition("_")[0]
    stored = f"{table.sql} AS r JOIN rollup_dimension AS d USING (org_id, dim)"
    if family == "totals":
        sums = "request_count, coalesce(total_tokens_sum, 0), duration_us_min, duration_us_max"
        single = "FILTER (WHERE request_weight = 1)"
        extremes = f"min(duration_us) {single}, max(duration_us) {single}"
        raw = f"sum(request_weight)::bigint, coalesce(sum(total_tokens), 0), {extremes}"
        return (
            f"SELECT org_id, bucket, {_DIMENSIONS}, {sums} FROM {stored}",
            f"SELECT t.org_id, {bucket}, {dims}, {raw} FROM {_RAW} GROUP BY t.org_id, 2, {dims}",
        )
    if family == "latency":
        return (
            f"SELECT org_id, bucket, {_DIMENSIONS}, (SELECT sum(n) FROM unnest(counts) AS n) FROM {stored}",
            f"""SELECT t.org_id, {bucket}, {dims}, count(duration_us) + count(ttft_us) FROM {_RAW}
            AND request_weight = 1 GROUP BY t.org_id, 2, {dims} HAVING count(duration_us) + count(ttft_us) > 0""",
        )
    if family == "users":
        return (
            f"SELECT DISTINCT org_id, bucket, {_DIMENSIONS} FROM {stored}",
            f"SELECT DISTINCT t.org_id, {bucket}, {dims} FROM {_RAW} AND t.user_id IS NOT NULL",
        )
    if family == "part":
        return (
            f"SELECT org_id, bucket, (SELECT sum(n) FROM unnest(request_count) AS n) FROM {table.sql}",
            f"SELECT t.org_id, {bucket}, sum(request_weight) FROM {_RAW} GROUP BY 1, 2",
        )
    key, of_raw = {"user": ("user_id", "t.user_id"), "team": ("team_id", "t.team_id"), "tag": ("tag", "u.tag")}[family]
    tags = "LEFT JOIN LATERAL (SELECT DISTINCT tag FROM unnest(t.tags) AS each (tag)) AS u ON true"
    rows = _RAW.replace("AS t WHERE", f"AS t {tags if family == 'tag' else ''} WHERE")
    return (
        f"SELECT org_id, bucket, {key}, {_DIMENSIONS}, request_count, coalesce(total_tokens_sum, 0) FROM {stored}",
        f"""SELECT t.org_id, {bucket}, {of_raw}, {dims}, sum(request_weight)::bigint, coalesce(sum(total_tokens), 0)
        FROM {rows} GROUP BY t.org_id, 2, 3, {dims}""",
    )


async def differences(connection: Any, *tables: Table) -> dict[Table, list[tuple[Any, ...]]]:
    """The rows that only a rollup, or only raw, has; of all of them where none is named."""
    found: dict[Table, list[tuple[Any, ...]]] = {}
    for table in tables or tuple(Table):
        stored, raw = _statements(table)
        rows = await connection.fetch(f"(({stored}) EXCEPT ({raw})) UNION ALL (({raw}) EXCEPT ({stored})) LIMIT 3")
        if rows:
            found[table] = [tuple(row) for row in rows]
    return found


async def waiting(connection: Any) -> tuple[int, int]:
    """The numbers of entries of the log, and of stale buckets."""
    row = await connection.fetchrow("SELECT (SELECT count(*) FROM rollup_log), (SELECT count(*) FROM rollup_stale)")
    return row[0], row[1]
