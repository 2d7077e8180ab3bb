"""What the rows of a test should add up to, computed from a list that only the test keeps."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Protocol

import asyncpg

from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import TOTALS, Level
from analytics_service.rollups.query import COMPLETENESS, TABLES, requests
from analytics_service.rollups.query.gaps import chain

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = datetime(2024, 3, 9, tzinfo=UTC)
COLUMNS = (
    *("org_id", "trace_id", "span_id", "ts", "project_id", "model", "status_code", "is_request"),
    *("prompt_tokens", "total_cost_usd", "duration_us", "request_weight"),
)
DETAILS = (Level.DAY_USER, Level.DAY_TEAM)
"""Without the least and the most of each measure."""
SUMMED = (*TOTALS, *DETAILS)
"""The rollups whose rows add up to the requests."""
MEASURES = ("prompt_tokens", "total_cost_usd", "duration_us")
Key = tuple[datetime, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Span:
    """A row of traces, as far as these tests care."""

    trace_id: str
    ts: datetime
    org_id: str = "acme"
    span_id: str = "s"
    project_id: str = ""
    model: str = "m"
    status_code: str = "OK"
    is_request: bool = True
    prompt_tokens: int | None = 1
    total_cost_usd: Decimal | None = None
    duration_us: int | None = None
    request_weight: int = 1

    def values(self) -> tuple[object, ...]:
        return tuple(getattr(self, column) for column in COLUMNS)


def moved(span: Span, **changes: Any) -> Span:
    return replace(span, **changes)


async def insert(connection: Any, spans: Sequence[Span]) -> None:
    """By COPY, as import does it."""
    if not spans:
        return
    moments = [span.ts for span in spans]
    await connection.fetchval("SELECT ensure_partitions($1, $2)", min(moments), max(moments))
    await connection.copy_records_to_table("traces", records=[span.values() for span in spans], columns=COLUMNS)


class Stepped(Protocol):
    """A level, or the table of one."""

    @property
    def step(self) -> timedelta: ...


def expected(spans: Iterable[Span], start: datetime, end: datetime, level: Stepped) -> dict[Key, tuple[object, ...]]:
    """Count, sum, known, least and most of every measure, by bucket, project, model and status."""
    groups: dict[Key, list[Span]] = {}
    step = level.step
    for span in spans:
        if span.org_id == "acme" and span.is_request and start <= span.ts < end:
            bucket = span.ts - (span.ts - EPOCH) % step if step else span.ts
            groups.setdefault((bucket, span.project_id, span.model, span.status_code), []).append(span)
    return {key: _summed(members, extremes=level not in DETAILS) for key, members in groups.items()}


def _summed(spans: Sequence[Span], *, extremes: bool) -> tuple[object, ...]:
    found: list[object] = [sum(span.request_weight for span in spans)]
    for measure in MEASURES:
        known = [span for span in spans if getattr(span, measure) is not None]
        values = [getattr(span, measure) for span in known]
        found += [sum(values[1:], values[0]) if known else None, sum(span.request_weight for span in known)]
        single = [getattr(span, measure) for span in known if span.request_weight == 1]
        found += [min(single, default=None), max(single, default=None)] if extremes else []
    return tuple(found)


def sources(level: Level) -> tuple[Table, ...]:
    """The rollups that answer for a level, where raw is not kept."""
    return chain(TABLES[level]) if level is not Level.RAW else ()


@dataclass(frozen=True, kw_only=True)
class Horizons:
    """Before each of these moments nothing of a level is kept."""

    raw: datetime
    rollups: Mapping[Table, datetime]

    def counts(self, moment: datetime, level: Level, start: datetime, end: datetime) -> bool:
        """Whether a request is in an answer: single requests are kept, or a bucket with it and nothing outside."""
        if moment >= self.raw:
            return True
        for each in sources(level):
            bucket = moment - (moment - EPOCH) % each.step
            if self.rollups[each] <= moment and start <= bucket and bucket + each.step <= end:
                return True
        return False

    def lost(self, level: Level, start: datetime, end: datetime) -> dict[str, list[tuple[datetime, datetime]]]:
        """The stretches by the reason why they do not count, looked at from each moment where that may change."""
        found: dict[str, list[tuple[datetime, datetime]]] = {"below_retention": [], "edge_below_retention": []}
        cuts = [start, *sorted(cut for cut in self._cuts(level, start, end) if start < cut < end), end]
        for first, last in itertools.pairwise(cuts):
            if not self.counts(first, level, start, end):
                is_edge = any(self.rollups[each] <= first for each in sources(level))
                stretches = found["edge_below_retention" if is_edge else "below_retention"]
                joined = stretches and stretches[-1][1] == first
                stretches.append((stretches.pop()[0] if joined else first, last))
        return found

    def _cuts(self, level: Level, start: datetime, end: datetime) -> Iterator[datetime]:
        yield self.raw
        for each in sources(level):
            yield self.rollups[each]
            yield from (
                moment - (moment - EPOCH) % each.step + more
                for moment in (start, end)
                for more in (each.step, each.step * 0)
            )


async def lost(connection: Any, level: Level, start: datetime, end: datetime) -> dict[str, list[Any]]:
    """The same from the database."""
    row = await connection.fetchrow(f"{requests(level)} {COMPLETENESS}", "acme", None, start, end)
    reasons = ("below_retention", "edge_below_retention")
    return {reason: [(part.lower, part.upper) for part in row[reason]] for reason in reasons}


async def answered(
    connection: Any, level: Level, start: datetime, end: datetime, projects: list[str] | None = None
) -> dict[Key, tuple[object, ...]]:
    """The same from the database, through `source.requests`."""
    shown = ["sum({0}_sum), sum({0}_count)::bigint", *([] if level in DETAILS else ["min({0}_min), max({0}_max)"])]
    measures = ", ".join(", ".join(shown).format(measure) for measure in MEASURES)
    rows: list[asyncpg.Record] = await connection.fetch(
        f"""{requests(level)}
        SELECT bucket, project_id, model, status_code, sum(request_count)::bigint, {measures}
        FROM requests GROUP BY 1, 2, 3, 4""",
        "acme",
        projects,
        start,
        end,
    )
    return {(row[0], row[1], row[2], row[3]): tuple(row)[4:] for row in rows}
