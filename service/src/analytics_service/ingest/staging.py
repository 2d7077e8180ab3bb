"""A batch in a temporary table beside `traces`: its rows of new spans, and those with other content than is known."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import asyncpg

from analytics_service.database.changes import RowsChangedError
from analytics_service.database.compressed import FOR_COMPRESSED
from analytics_service.database.connect import Connection
from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.ingest.conflicts import SAME_SPAN
from analytics_service.ingest.fields import COLUMNS, COSTS, PRICE, WEIGHT
from analytics_service.ingest.identity import LEGACY
from analytics_service.ingest.merge import KEY
from analytics_service.ingest.rows import SpanRow
from analytics_service.ingest.strings import dump_json, load_json
from analytics_service.ingest.traces import by_hour, in_partitions, within
from analytics_service.pricing.columns import COMPUTED

SpanKey: TypeAlias = tuple[str, ...]
"""The values of KEY."""

TABLE: Final = "traces_staging"
_CREATE: Final = f"""
CREATE TEMP TABLE IF NOT EXISTS {TABLE} ON COMMIT {{end}} AS
SELECT *, NULL::text AS legacy_trace_id, NULL::text AS legacy_span_id FROM traces WITH NO DATA
"""
CREATE: Final = _CREATE.format(end="DELETE ROWS")
CREATE_FOR_TRANSACTION: Final = _CREATE.format(end="DROP")
"""In a session that others share the table must not stay."""
_NOT_LEGACY: Final = """(s.legacy_trace_id IS NULL OR NOT EXISTS (
  SELECT FROM traces AS t
  WHERE t.org_id = s.org_id AND t.trace_id = s.legacy_trace_id AND t.span_id = s.legacy_span_id AND t.ts = s.ts
    AND t.model = s.model AND t.user_id IS NOT DISTINCT FROM s.user_id
    AND t.completion_tokens IS NOT DISTINCT FROM s.completion_tokens -- else it is another file under an old name
))"""
_NEAR: Final = f"""t.org_id = s.org_id AND t.trace_id = s.trace_id AND t.span_id = s.span_id
    AND {within(f"s.ts - interval '{SAME_SPAN}'", f"s.ts + interval '{SAME_SPAN}'")}
    AND {in_partitions(f"$1::timestamptz - interval '{SAME_SPAN}'", f"$2::timestamptz + interval '{SAME_SPAN}'")}"""
_FINGERPRINT: Final = "hash_record_extended(t, 0)"
"""SQL: of all that row `t` is, so that a writer knows whether somebody has changed it."""
_CALL: Final = "(t.is_request OR t.is_nested)"
_COMPARED_BELOW: Final = frozenset({*PRICE, "is_request", WEIGHT})
_GIVEN: Final = (
    "((s.total_cost_usd IS NOT NULL OR s.prompt_cost_usd IS NOT NULL OR s.completion_cost_usd IS NOT NULL)"
    f" AND (s.price_status = 'given' OR NOT coalesce({COMPUTED.format('s')}, false)))"
)
_SAME: Final = " AND ".join(
    [
        *(f"s.{name} IS NOT DISTINCT FROM t.{name}" for name in COLUMNS if name not in _COMPARED_BELOW),
        f"s.is_request = {_CALL}",
        f"coalesce(s.{WEIGHT}, 1) = t.{WEIGHT}",
        *(f"(NOT {_GIVEN} OR s.{name} IS NOT DISTINCT FROM t.{name})" for name in COSTS),
    ]
)
_STAGED: Final = f"""(
  SELECT s.*, s.ctid AS line, count(*) OVER (PARTITION BY s.org_id, s.trace_id, s.span_id) AS times
  FROM pg_temp.{TABLE} AS s WHERE {_NOT_LEGACY}
) AS s"""
# Joins, not a look-up of each row: a partition without an index, as a compressed one, is read once for all of them.
_NEW: Final = f"""
FROM {_STAGED} WHERE s.times = 1 AND NOT EXISTS (SELECT FROM traces AS t WHERE {_NEAR})"""
_KNOWN: Final = f"""
SELECT DISTINCT s.org_id, s.trace_id, s.span_id FROM pg_temp.{TABLE} AS s
WHERE EXISTS (SELECT FROM traces AS t WHERE {_NEAR})"""
_COUNT_NEW: Final = f"SELECT count(*) {_NEW}"
_INSERT_NEW: Final = (
    f"INSERT INTO traces ({{columns}}) SELECT {{columns}} {_NEW} ORDER BY s.line ON CONFLICT DO NOTHING"
)
_OTHERS: Final = f"""
WITH staged AS MATERIALIZED (SELECT * FROM {_STAGED})
SELECT s.* FROM staged AS s WHERE s.times > 1
UNION ALL
SELECT s.* FROM staged AS s
WHERE s.times = 1 AND EXISTS (SELECT FROM traces AS t WHERE {_NEAR} AND NOT (t.ts = s.ts AND {_SAME}))
ORDER BY line"""
_STORED: Final = f"""
SELECT t.* FROM unnest($3::text[], $4::text[], $5::text[]) AS k (org_id, trace_id, span_id)
CROSS JOIN LATERAL (
  SELECT t.*, {_FINGERPRINT} AS fingerprint FROM traces AS t
  WHERE t.org_id = k.org_id AND t.trace_id = k.trace_id AND t.span_id = k.span_id
    AND t.ts >= $1::timestamptz - interval '{SAME_SPAN}' AND t.ts <= $2::timestamptz + interval '{SAME_SPAN}'
    AND t.ts >= {RAW_HORIZON}
) AS t ORDER BY t.ts"""
_DELETE: Final = f"""
DELETE FROM traces AS t
USING unnest($4::text[], $5::text[], $6::timestamptz[], $7::bigint[]) AS k (trace_id, span_id, ts, fingerprint)
WHERE t.org_id = $1 AND t.ts >= $2 AND t.ts < $3
  AND t.trace_id = k.trace_id AND t.span_id = k.span_id AND t.ts = k.ts AND {_FINGERPRINT} = k.fingerprint"""


class Staged:
    """The batch that is in the table, of which the first and the last row are of these moments."""

    def __init__(self, connection: Connection, first: datetime, last: datetime) -> None:
        self._connection = connection
        self._moments = (first, last)
        self._fingerprints: dict[tuple[str, ...], int] = {}
        """Of the rows that were read from the store."""

    async def count_new(self) -> int:
        """The rows of spans that are neither in the store nor twice in the batch."""
        count: int = await self._connection.fetchval(_COUNT_NEW, *self._moments)
        return count

    async def known(self) -> frozenset[SpanKey]:
        """The spans of the batch that are in the store."""
        return frozenset(map(tuple, await self._connection.fetch(_KNOWN, *self._moments)))

    async def insert_new(self, columns: Iterable[str]) -> int:
        """Stores the same rows."""
        names = ", ".join(name for name in columns if name not in LEGACY)
        status = await self._connection.execute(_INSERT_NEW.format(columns=names), *self._moments)
        return int(status.rsplit(" ", 1)[1])

    async def others(self) -> Mapping[SpanKey, tuple[list[SpanRow], list[SpanRow]]]:
        """Rows with other content than is stored and those of spans that come twice, by their span: in the order of the
        batch, and those that the store has.
        """
        spans: dict[SpanKey, tuple[list[SpanRow], list[SpanRow]]] = defaultdict(lambda: ([], []))
        for record in await self._connection.fetch(_OTHERS, *self._moments):
            row = _row(record)
            spans[tuple(row[name] for name in KEY)][0].append(row)
        if spans:
            keys = [list(column) for column in zip(*spans, strict=True)]
            for record in await self._connection.fetch(_STORED, *self._moments, *keys):
                row = _row(record)
                spans[tuple(row[name] for name in KEY)][1].append(row)
                self._fingerprints[_key(row)] = record["fingerprint"]
        return spans

    async def delete(self, rows: Sequence[SpanRow]) -> None:
        """Takes rows that `others` has read out of the store; RowsChangedError where somebody has changed one since."""
        if rows:
            await self._connection.execute(FOR_COMPRESSED)
        for (organisation, start, end), group in by_hour(rows, lambda row: row):
            columns = [[row[name] for row in group] for name in ("trace_id", "span_id", "ts")]
            fingerprints = [self._fingerprints[_key(row)] for row in group]
            status = await self._connection.execute(_DELETE, organisation, start, end, *columns, fingerprints)
            if status != f"DELETE {len(group)}":
                raise RowsChangedError


def _key(row: SpanRow) -> tuple[str, ...]:
    return tuple(row[name] for name in (*KEY, "ts"))


def _row(record: asyncpg.Record) -> SpanRow:
    row = {name: record[name] for name in COLUMNS if record[name] is not None}
    row["is_request"] = record["is_nested"] or record["is_request"]  # which of the two is decided by its trace
    if row.get(WEIGHT) == 1:
        del row[WEIGHT]  # as in rows that do not say it
    if "attributes" in row:
        row["attributes"] = dump_json(load_json(row["attributes"]), sort_keys=True)
    return row
