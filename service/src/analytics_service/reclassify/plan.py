"""What the rules of now would change of the rows that are stored, and the hash by which that is approved.

Reads a day of an organisation at a time, and its traces in batches: neither memory nor the age of a snapshot grows with
the store, but for the names of the traces that change.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from analytics_service.database.connect import Session
from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.ingest.stored import Change, decide
from analytics_service.ingest.traces import Extent, Trace
from analytics_service.rollups.versions import WRITTEN_DAYS
from analytics_service.units import decimals

BATCH_TRACES: Final = 500
_READ_AT_ONCE: Final = 8_000
"""Traces of a plan: a day that is compressed is unpacked for each so many."""
_DAYS: Final = f"{WRITTEN_DAYS} ORDER BY org_id, day"
_CANDIDATES: Final = f"""
SELECT t.org_id, t.trace_id, min(t.ts) AS first, max(t.ts) AS last, count(*) AS rows FROM traces AS t
WHERE t.org_id = $1 AND t.ts >= $2 AND t.ts < $3 AND t.ts >= {RAW_HORIZON}
GROUP BY 1, 2
HAVING bool_or(t.is_request OR t.is_nested)
  AND (bool_or(t.parent_span_id IS NOT NULL) OR bool_or(t.is_request AND t.price_status = ''))
"""
"""Traces with calls that may be nested, or of releases before 0.4."""
_BEGUN: Final = "SELECT count(*) FROM reclassify_plan WHERE state <> 'planned'"
_HASH_DIGITS: Final = 16


class Group(NamedTuple):
    organisation: str
    month: str
    """Of UTC, as 2026-01."""


@dataclass
class Sums:
    """Of the rows of a group that change."""

    nested: int = 0
    """Calls that another one of their trace counts for, more than before."""
    spans: int = 0
    """Rows that are no calls of models."""
    requests: int = 0
    """More than before: a negative number, mostly."""
    total_tokens: int = 0
    total_cost_usd: Decimal = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Plan:
    changes: Mapping[Group, Sums]
    traces: Mapping[Trace, Extent]
    """Those with rows that change."""
    after: int
    """How many plans were begun before this one was made."""

    def groups(self) -> list[dict[str, Any]]:
        return [
            {**group._asdict(), **vars(sums), "total_cost_usd": decimals.plain(sums.total_cost_usd)}
            for group, sums in sorted(self.changes.items())
        ]

    @property
    def hash(self) -> str:
        """Differs whenever the result differs, and never repeats after a plan was begun."""
        content = [self.groups(), sorted(self.traces), self.after]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:_HASH_DIGITS]


@dataclass
class _Changes:
    changes: dict[Group, Sums] = field(default_factory=dict)
    traces: dict[Trace, Extent] = field(default_factory=dict)

    def add(self, change: Change) -> None:
        row, more = change.row, change.is_request - change.row["is_request"]
        sums = self.changes.setdefault(Group(row["org_id"], f"{row['ts']:%Y-%m}"), Sums())
        sums.nested += change.is_nested - row["is_nested"]
        sums.spans += not (change.is_request or change.is_nested)
        sums.requests += more
        sums.total_tokens += more * (row["total_tokens"] or 0)
        sums.total_cost_usd = decimals.total((sums.total_cost_usd, more * (row["total_cost_usd"] or Decimal(0))))


async def make(connection: Session, organisations: Sequence[str], report: Callable[[int, int, int], None]) -> Plan:
    """Changes nothing. `report` gets the days that are done, of how many, and the traces that would change."""
    read = _Changes()
    after = await connection.fetchval(_BEGUN)
    days = await connection.fetch(_DAYS, list(organisations))
    for done, (organisation, day) in enumerate(days, start=1):
        await _read(connection, organisation, day, read)
        report(done, len(days), len(read.traces))
    return Plan(changes=read.changes, traces=read.traces, after=after)


async def _read(connection: Session, organisation: str, day: datetime, read: _Changes) -> None:
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(_CANDIDATES, organisation, day, day + timedelta(days=1))
        while batch := await cursor.fetch(_READ_AT_ONCE):
            traces = {
                Trace(row["org_id"], row["trace_id"]): Extent(row["first"], row["last"], row["rows"]) for row in batch
            }
            new = {trace: extent for trace, extent in traces.items() if trace not in read.traces}
            for change in await decide(connection, new, by_operation=True):
                trace = Trace(change.row["org_id"], change.row["trace_id"])
                read.traces[trace] = new[trace]
                read.add(change)
