"""The traces of a batch in the store: one writer of each at a time, and which of their calls of models are nested."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby
from typing import Final

from analytics_service.database.connect import Connection
from analytics_service.ingest.conflicts import SAME_SPAN
from analytics_service.ingest.nested import MAX_SPANS, Span, nested
from analytics_service.ingest.traces import Extent, Trace

_LOCKS: Final = 1024
"""Of all traces of a store, so that a batch never fills the server's table of locks."""
_LOCK: Final = f"""
SELECT pg_advisory_xact_lock(key) FROM (
  SELECT DISTINCT hashtextextended(
    'analytics.traces', hashtextextended(org_id || chr(10) || trace_id, 0) & {_LOCKS - 1}
  ) AS key
  FROM {{traces}} ORDER BY key -- the same order for all: or two would wait for each other
) AS keys"""
LOCK_STAGED: Final = _LOCK.format(traces="pg_temp.traces_staging")
_LOCK_GIVEN: Final = _LOCK.format(traces="unnest($1::text[], $2::text[]) AS k (org_id, trace_id)")
_EXTENTS: Final = """unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[])
  AS k (org_id, trace_id, first, last)"""
_SPANS_OF_K: Final = """t.org_id = k.org_id AND t.trace_id = k.trace_id AND t.ts >= k.first AND t.ts <= k.last
    AND t.ts >= $5 AND t.ts <= $6"""
"""$5 and $6 are those of all traces, so that few partitions are looked at."""
_CONTINUED: Final = f"""
SELECT k.org_id, k.trace_id
FROM {_EXTENTS} CROSS JOIN LATERAL (SELECT FROM traces AS t WHERE {_SPANS_OF_K} LIMIT 1) AS t"""
_SPANS: Final = f"""
SELECT t.org_id, t.trace_id, t.span_id, t.ts, t.parent_span_id, t.is_nested, t.is_request OR t.is_nested AS is_call,
  coalesce(greatest(t.total_tokens, t.prompt_tokens, t.completion_tokens, t.images, t.web_searches, t.audio_seconds,
    t.billed_units, t.total_cost_usd) > 0, false) AS has_usage
FROM {_EXTENTS} CROSS JOIN LATERAL (SELECT * FROM traces AS t WHERE {_SPANS_OF_K} LIMIT {MAX_SPANS + 1}) AS t
ORDER BY t.org_id, t.trace_id, t.ts, t.span_id"""
_MARK: Final = """
UPDATE traces AS t SET is_nested = k.is_nested, is_request = NOT k.is_nested
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::boolean[])
  AS k (org_id, trace_id, span_id, ts, is_nested)
WHERE t.org_id = k.org_id AND t.trace_id = k.trace_id AND t.span_id = k.span_id AND t.ts = k.ts
  AND t.ts >= $6 AND t.ts <= $7"""


async def lock(connection: Connection, traces: Iterable[Trace]) -> None:
    """Until the transaction ends nobody else writes spans of them."""
    await connection.execute(_LOCK_GIVEN, *_columns(traces))


async def continued(connection: Connection, traces: Mapping[Trace, Extent]) -> frozenset[Trace]:
    """Those of which spans are there already, within SAME_SPAN."""
    return frozenset(Trace(*row) for row in await connection.fetch(_CONTINUED, *_extents(traces)))


async def mark_nested(connection: Connection, traces: Mapping[Trace, Extent]) -> int:
    """Decides for all calls of models in these traces whether another one counts for them; how many more are nested."""
    if not traces:
        return 0
    changes: list[tuple[str, str, str, datetime, bool]] = []
    rows = await connection.fetch(_SPANS, *_extents(traces))
    for _, group in groupby(rows, key=lambda row: (row["org_id"], row["trace_id"])):
        spans = list(group)
        if len(spans) > MAX_SPANS:
            continue
        inside = nested(
            [Span(row["span_id"], row["ts"], row["parent_span_id"], row["is_call"], row["has_usage"]) for row in spans]
        )
        changes += [
            (row["org_id"], row["trace_id"], row["span_id"], row["ts"], number in inside)
            for number, row in enumerate(spans)
            if row["is_nested"] != (number in inside)
        ]
    if not changes:
        return 0
    moments = [ts for *_, ts, _ in changes]
    await connection.execute(_MARK, *_columns(changes), min(moments), max(moments))
    return sum(1 if is_nested else -1 for *_, is_nested in changes)


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _extents(traces: Mapping[Trace, Extent]) -> list[object]:
    first = [extent.first - SAME_SPAN for extent in traces.values()]
    last = [extent.last + SAME_SPAN for extent in traces.values()]
    return [*_columns(traces), first, last, min(first), max(last)]
