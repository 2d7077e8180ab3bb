"""The traces of a batch in the store: one writer of each at a time, and which of their calls of models are nested."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final, NamedTuple, TypeAlias

import asyncpg

from analytics_service.database.compressed import FOR_COMPRESSED
from analytics_service.database.connect import Connection
from analytics_service.database.tenancy import in_organisation
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
MAX_SCANNED: Final = 200_000
"""Rows that are counted at once: where there are more, fewer traces are, down to each of them by itself."""
_PARTS: Final = 16
_K: Final = "unnest($2::text[], $3::timestamptz[], $4::timestamptz[]) AS k (trace_id, first, last)"
_OF_K: Final = f"t.trace_id = k.trace_id AND {within('k.first', 'k.last')}"
_IN_RANGE: Final = f"{in_organisation('t')} AND {in_partitions('$5', '$6')}"
"""$5 and $6 are those of all traces, so that few partitions are looked at."""
_OF_TRACES: Final = f"{_IN_RANGE} AND t.trace_id = ANY($2::text[])"
"""One scan of each partition for all traces: a compressed one has no index by trace, so a look at each would unpack it
again and again."""
_COUNT: Final = f"""
WITH t AS MATERIALIZED (SELECT t.trace_id, t.ts FROM traces AS t WHERE {_OF_TRACES} LIMIT $7)
SELECT t.trace_id, count(*) AS spans FROM t JOIN {_K} ON {_OF_K} GROUP BY 1
UNION ALL SELECT NULL, count(*) FROM t"""
_SPANS: Final = f"""
SELECT t.org_id, t.trace_id, t.span_id, t.ts, t.parent_span_id, t.is_request, t.is_nested,
  coalesce(greatest(t.total_tokens, t.prompt_tokens, t.completion_tokens, t.images, t.web_searches, t.audio_seconds,
    t.billed_units, t.total_cost_usd) > 0, false) AS has_usage,
  t.price_status, t.operation_type, t.model, t.prompt_tokens, t.completion_tokens, t.total_tokens, t.total_cost_usd
FROM traces AS t JOIN {_K} ON {_OF_K}
WHERE {_OF_TRACES} ORDER BY t.trace_id, t.ts, t.span_id"""
_MARK: Final = """
UPDATE traces AS t SET is_request = k.is_request, is_nested = k.is_nested
FROM unnest($4::text[], $5::text[], $6::timestamptz[], $7::boolean[], $8::boolean[])
  AS k (trace_id, span_id, ts, is_request, is_nested)
WHERE t.org_id = $1 AND t.ts >= $2 AND t.ts < $3
  AND t.trace_id = k.trace_id AND t.span_id = k.span_id AND t.ts = k.ts"""


_NONE: Final[Mapping[Trace, int]] = MappingProxyType({})


_Extent: TypeAlias = tuple[str, datetime, datetime]


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


async def known_spans(
    connection: Connection, traces: Mapping[Trace, Extent], *, at_once: int = MAX_SCANNED
) -> dict[Trace, int]:
    """How many spans of them are there already, within SAME_SPAN, of those that have some; of very long traces a number
    above MAX_SPANS.
    """
    known: dict[Trace, int] = {}
    if traces:
        await connection.execute(FOR_COMPRESSED)
    groups = list(_by_organisation(traces))
    while groups:
        organisation, group = groups.pop()
        limit = at_once if len(group) > 1 else MAX_SPANS + 1
        rows = await connection.fetch(_COUNT, organisation, *_extents(group), limit)
        if len(group) > 1 and any(row["trace_id"] is None and row["spans"] >= limit for row in rows):
            size = -(-len(group) // _PARTS)
            groups += [(organisation, group[first : first + size]) for first in range(0, len(group), size)]
        else:
            known |= {Trace(organisation, row["trace_id"]): row["spans"] for row in rows if row["trace_id"] is not None}
    return known


async def mark_nested(connection: Connection, traces: Mapping[Trace, Extent], spans: Mapping[Trace, int]) -> int:
    """Decides which calls of models in these traces, which have so many spans at most, count as requests; how many more
    are nested than before.
    """
    changes = await decide(connection, traces, spans=spans)
    await mark(connection, changes)
    return sum(change.is_nested - change.was_nested for change in changes)


async def decide(
    connection: Connection,
    traces: Mapping[Trace, Extent],
    *,
    spans: Mapping[Trace, int] = _NONE,
    by_operation: bool = False,
) -> list[Change]:
    """The rows that count otherwise than they do; inside a transaction. None of traces with more than MAX_SPANS spans,
    which are counted where `spans` does not say that they have fewer. `by_operation` also decides for rows that a
    release before 0.4 stored whether their operation is a call of a model at all.
    """
    doubtful = {trace: extent for trace, extent in traces.items() if not 0 < spans.get(trace, 0) <= MAX_SPANS}
    counted = {**spans, **dict.fromkeys(doubtful, 0), **await known_spans(connection, doubtful)}
    short = {trace: extent for trace, extent in traces.items() if 0 < counted[trace] <= MAX_SPANS}
    changes: list[Change] = []
    for organisation, group in _by_organisation(short):
        rows: list[asyncpg.Record] = []
        """Of one trace: memory does not grow with the others."""
        async for row in connection.cursor(_SPANS, organisation, *_extents(group), prefetch=_PREFETCH):
            if rows and row["trace_id"] != rows[0]["trace_id"]:
                changes += _changes(rows, by_operation=by_operation)
                rows = []
            rows.append(row)
        changes += _changes(rows, by_operation=by_operation)
    return changes


def _changes(rows: Sequence[asyncpg.Record], *, by_operation: bool) -> Iterator[Change]:
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


def _by_organisation(traces: Mapping[Trace, Extent]) -> Iterator[tuple[str, list[_Extent]]]:
    """Each trace with the first and the last moment at which its spans are looked for."""
    groups: dict[str, list[_Extent]] = {}
    for (organisation, trace_id), extent in traces.items():
        groups.setdefault(organisation, []).append((trace_id, extent.first - SAME_SPAN, extent.last + SAME_SPAN))
    yield from groups.items()


def _extents(group: Sequence[_Extent]) -> list[object]:
    """What the statements over traces take, from $2 to $6."""
    names, first, last = zip(*group, strict=True)
    return [names, first, last, min(first), max(last)]
