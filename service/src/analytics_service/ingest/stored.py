"""The traces of a batch in the store: one writer of each at a time, and which of their calls of models are nested."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import asyncpg

from analytics_service.database.changes import FOR_COMPRESSED
from analytics_service.database.connect import Connection
from analytics_service.ingest.conflicts import SAME_SPAN
from analytics_service.ingest.nested import MAX_SPANS, Span, nested
from analytics_service.ingest.operations import is_request
from analytics_service.ingest.traces import Extent, Trace, by_hour, in_partitions, within

_PREFETCH: Final = 2_000
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
_SPANS_OF_K: Final = f"""t.org_id = k.org_id AND t.trace_id = k.trace_id
    AND {within("k.first", "k.last")} AND {in_partitions("$5", "$6")}"""
"""$5 and $6 are those of all traces, so that few partitions are looked at."""
_CONTINUED: Final = f"""
SELECT k.org_id, k.trace_id
FROM {_EXTENTS} CROSS JOIN LATERAL (SELECT FROM traces AS t WHERE {_SPANS_OF_K} LIMIT 1) AS t"""
_SPANS: Final = f"""
SELECT t.org_id, t.trace_id, t.span_id, t.ts, t.parent_span_id, t.is_request, t.is_nested,
  coalesce(greatest(t.total_tokens, t.prompt_tokens, t.completion_tokens, t.images, t.web_searches, t.audio_seconds,
    t.billed_units, t.total_cost_usd) > 0, false) AS has_usage,
  t.price_status, t.operation_type, t.model, t.prompt_tokens, t.completion_tokens, t.total_tokens, t.total_cost_usd
FROM {_EXTENTS} CROSS JOIN LATERAL (SELECT * FROM traces AS t WHERE {_SPANS_OF_K} LIMIT {MAX_SPANS + 1}) AS t
ORDER BY t.org_id, t.trace_id, t.ts, t.span_id"""
_MARK: Final = """
UPDATE traces AS t SET is_request = k.is_request, is_nested = k.is_nested
FROM unnest($4::text[], $5::text[], $6::timestamptz[], $7::boolean[], $8::boolean[])
  AS k (trace_id, span_id, ts, is_request, is_nested)
WHERE t.org_id = $1 AND t.ts >= $2 AND t.ts < $3
  AND t.trace_id = k.trace_id AND t.span_id = k.span_id AND t.ts = k.ts"""


class Change(NamedTuple):
    """A row that counts otherwise from now on."""

    row: asyncpg.Record
    is_request: bool
    is_nested: bool

    @property
    def was_nested(self) -> bool:
        return bool(self.row["is_nested"])


async def lock(connection: Connection, traces: Iterable[Trace]) -> None:
    """Until the transaction ends nobody else writes spans of them."""
    await connection.execute(_LOCK_GIVEN, *_columns(traces))


async def continued(connection: Connection, traces: Mapping[Trace, Extent]) -> frozenset[Trace]:
    """Those of which spans are there already, within SAME_SPAN."""
    return frozenset(Trace(*row) for row in await connection.fetch(_CONTINUED, *_extents(traces)))


async def mark_nested(connection: Connection, traces: Mapping[Trace, Extent]) -> int:
    """Decides which calls of models in these traces count as requests; how many more are nested than before."""
    changes = await decide(connection, traces)
    await mark(connection, changes)
    return sum(change.is_nested - change.was_nested for change in changes)


async def decide(connection: Connection, traces: Mapping[Trace, Extent], *, by_operation: bool = False) -> list[Change]:
    """The rows that count otherwise than they do; inside a transaction. `by_operation` also decides for rows that a
    release before 0.4 stored whether their operation is a call of a model at all.
    """
    if not traces:
        return []
    changes: list[Change] = []
    spans: list[asyncpg.Record] = []
    """Of one trace: memory does not grow with the others."""
    async for row in connection.cursor(_SPANS, *_extents(traces), prefetch=_PREFETCH):
        if spans and (row["org_id"], row["trace_id"]) != (spans[0]["org_id"], spans[0]["trace_id"]):
            changes += _changes(spans, by_operation=by_operation)
            spans = []
        spans.append(row)
    return [*changes, *_changes(spans, by_operation=by_operation)]


def _changes(rows: Sequence[asyncpg.Record], *, by_operation: bool) -> Iterator[Change]:
    if len(rows) > MAX_SPANS:
        return
    calls = [(row["is_request"] or row["is_nested"]) and not (by_operation and _was_mistaken(row)) for row in rows]
    inside = nested(
        [
            Span(row["span_id"], row["parent_span_id"], is_call=is_call, has_usage=row["has_usage"])
            for row, is_call in zip(rows, calls, strict=True)
        ]
    )
    for number, (row, is_call) in enumerate(zip(rows, calls, strict=True)):
        is_request, is_nested = is_call and number not in inside, number in inside
        if (is_request, is_nested) != (row["is_request"], row["is_nested"]):
            yield Change(row, is_request, is_nested)


def _was_mistaken(row: asyncpg.Record) -> bool:
    """Releases before 0.4, of which rows have no status, took every span for a request."""
    has_tokens = row["prompt_tokens"] is not None or row["completion_tokens"] is not None
    return not row["price_status"] and not is_request(
        row["operation_type"], has_model_or_tokens=bool(row["model"]) or has_tokens
    )


async def mark(connection: Connection, changes: Sequence[Change]) -> None:
    """Stores what was decided."""
    if changes:
        await connection.execute(FOR_COMPRESSED)
    for (organisation, start, end), group in by_hour(changes, lambda change: change.row):
        keys = [[change.row[name] for change in group] for name in ("trace_id", "span_id", "ts")]
        marks = [[change.is_request for change in group], [change.is_nested for change in group]]
        await connection.execute(_MARK, organisation, start, end, *keys, *marks)


def _columns(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _extents(traces: Mapping[Trace, Extent]) -> list[object]:
    first = [extent.first - SAME_SPAN for extent in traces.values()]
    last = [extent.last + SAME_SPAN for extent in traces.values()]
    return [*_columns(traces), first, last, min(first), max(last)]
