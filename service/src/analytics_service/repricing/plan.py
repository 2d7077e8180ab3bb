"""What other books would change of the rows that are stored, and the hash by which that is approved.

Reads a day of an organisation at a time, each in a snapshot of its own, in batches: memory and the age of a snapshot do
not grow with the store.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple

from analytics_service.database.connect import Connection, Session
from analytics_service.database.tenancy import RAW_HORIZON
from analytics_service.ingest.pricing import Prices
from analytics_service.repricing.books import Books
from analytics_service.repricing.rows import Price, StoredRow, candidates, changed_price, stored_price
from analytics_service.repricing.scope import Scope
from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.versions import WRITTEN_DAYS
from analytics_service.units import decimals

_DAY: Final = timedelta(days=1)
_DAYS: Final = f"{WRITTEN_DAYS} AND day > $2::timestamptz - interval '1 day' AND day < $3 ORDER BY org_id, day"
_WITHOUT_RAW: Final = f"""
SELECT coalesce(sum(r.request_count), 0)::bigint AS requests, max(r.bucket) + interval '1 day' AS before
FROM {Table.TOTALS_1DAY.sql} AS r JOIN rollup_dimension AS d USING (org_id, dim)
WHERE (cardinality($1::text[]) = 0 OR r.org_id = ANY($1::text[])) AND r.bucket >= $2 AND r.bucket < $3
  AND r.bucket < {RAW_HORIZON} AND (cardinality($4::text[]) = 0 OR d.model = ANY($4::text[]))
  AND d.price_status <> 'given'
"""
_LAST_BEGUN: Final = "SELECT coalesce(max(number), 0) FROM reprice_plan WHERE state <> 'planned'"
_HASH_DIGITS: Final = 16


class Group(NamedTuple):
    organisation: str
    model: str
    month: str
    """Of UTC, as 2026-01."""


class Hour(NamedTuple):
    """Of an organisation: what one transaction changes."""

    organisation: str
    start: datetime


@dataclass
class Change:
    """Of the rows of a group that would change, and of no others."""

    rows: int = 0
    """Calls that another one of their trace counts for among them, of which no figure below has anything."""
    from_usd: Decimal = Decimal(0)
    to_usd: Decimal = Decimal(0)
    unpriced_before: int = 0
    """Rows without a cost, or with one that is a lower bound."""
    unpriced_after: int = 0

    def count(self, before: Price, after: Price, *, is_request: bool) -> None:
        """Adds a row."""
        self.rows += 1
        if not is_request:
            return
        if before.total_cost_usd:
            self.from_usd = decimals.total((self.from_usd, before.total_cost_usd))
        if after.total_cost_usd:
            self.to_usd = decimals.total((self.to_usd, after.total_cost_usd))
        self.unpriced_before += before.is_unpriced
        self.unpriced_after += after.is_unpriced

    def add(self, other: "Change") -> None:
        self.rows += other.rows
        self.from_usd = decimals.total((self.from_usd, other.from_usd))
        self.to_usd = decimals.total((self.to_usd, other.to_usd))
        self.unpriced_before += other.unpriced_before
        self.unpriced_after += other.unpriced_after


@dataclass(frozen=True, kw_only=True)
class WithoutRaw:
    """Requests of which only rollups are left: they keep their price."""

    requests: int
    before: datetime | None
    """None where there are none."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    scope: Scope
    books: Books
    read: int
    """Rows that were priced again."""
    changes: Mapping[Group, Change]
    hours: Mapping[Hour, int]
    """The number of rows that would change, where there are any."""
    without_raw: WithoutRaw
    after: int
    """The number of the last plan that was begun before this one was made."""

    @property
    def total(self) -> Change:
        total = Change()
        for change in self.changes.values():
            total.add(change)
        return total

    @property
    def hash(self) -> str:
        """Differs whenever rows, books, scope or result differ. Of a plan that was begun it never comes again, unless
        that was forgotten.
        """
        hours = [[hour.organisation, hour.start.isoformat(), rows] for hour, rows in sorted(self.hours.items())]
        content = [self.scope.as_dict(), self.books.as_dict(), self.groups(), hours, self.after]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_HASH_DIGITS]

    def groups(self) -> list[dict[str, Any]]:
        """The changes as JSON has them, in the order of organisation, model and month."""
        return [{**group._asdict(), **as_dict(change)} for group, change in sorted(self.changes.items())]


def as_dict(change: Change) -> dict[str, Any]:
    """Money as text with all of its digits."""
    return {
        "rows": change.rows,
        "from_usd": decimals.plain(change.from_usd),
        "to_usd": decimals.plain(change.to_usd),
        "difference_usd": decimals.plain(decimals.total((change.to_usd, -change.from_usd))),
        "unpriced_before": change.unpriced_before,
        "unpriced_after": change.unpriced_after,
    }


@dataclass
class _Sums:
    prices: Prices
    read: int = 0
    changes: dict[Group, Change] = field(default_factory=dict)
    hours: dict[Hour, int] = field(default_factory=dict)

    def add(self, row: StoredRow) -> None:
        self.read += 1
        after = changed_price(row, self.prices)
        if after is None:
            return
        organisation, ts = row["org_id"], row["ts"]
        group = Group(organisation, row["model"], f"{ts:%Y-%m}")
        self.changes.setdefault(group, Change()).count(stored_price(row), after, is_request=row["is_request"])
        hour = Hour(organisation, ts.replace(minute=0, second=0, microsecond=0))
        self.hours[hour] = self.hours.get(hour, 0) + 1


async def make(connection: Session, scope: Scope, books: Books, report: Callable[[int, int, int], None]) -> Plan:
    """Changes nothing. `report` gets the number of days that are done, of how many, and of the rows that were read."""
    sums = _Sums(prices=books.prices())
    after = await connection.fetchval(_LAST_BEGUN)
    days = await connection.fetch(_DAYS, list(scope.organisations), scope.start, scope.end)
    for done, (organisation, day) in enumerate(days, start=1):
        await _read(connection, scope, organisation, day, sums)
        report(done, len(days), sums.read)
    return Plan(
        scope=scope,
        books=books,
        read=sums.read,
        changes=sums.changes,
        hours=sums.hours,
        without_raw=await _without_raw(connection, scope),
        after=after,
    )


async def _read(connection: Session, scope: Scope, organisation: str, day: datetime, sums: _Sums) -> None:
    async with connection.transaction(readonly=True):
        async for batch in candidates(connection, scope, organisation, day, day + _DAY):
            for row in batch:
                sums.add(row)


async def _without_raw(connection: Connection, scope: Scope) -> WithoutRaw:
    arguments = (list(scope.organisations), scope.start, scope.end, list(scope.models))
    row = await connection.fetchrow(_WITHOUT_RAW, *arguments)
    return WithoutRaw(requests=row["requests"], before=row["before"]) if row else WithoutRaw(requests=0, before=None)
