"""Makes stale buckets equal to raw again: minutes from raw, and each coarser bucket from finer ones.

The order inside a transaction makes it right (READ COMMITTED): the entries that are visible are deleted first, and the
buckets are made by later statements, whose newer snapshots hold every row that those entries stand for. A row that
commits in between leaves an entry of its own, for the next refresh.
"""

import itertools
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analytics_service.database.connect import Connection
from analytics_service.rollups.hierarchy import details, latency, log, totals
from analytics_service.rollups.hierarchy.minutes import ADD
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import FINER, Stage, Table

QUIET: Final = timedelta(seconds=10)
"""An organisation for which nothing was logged for so long is refreshed."""
MAX_WAIT: Final = timedelta(seconds=60)
"""One that is written to all the time is refreshed as often as this."""
SETTLING: Final = timedelta(minutes=5)
"""For which a part waits after its end: it is made of all of its rows each time, and most late rows are there then."""
UNBOUNDED: Final = datetime(9999, 1, 1, tzinfo=UTC)
_NONE: Final = timedelta(0)
_DAY: Final = timedelta(days=1)
_MAX_MINUTES: Final = 120
"""Of one transaction, as _MAX_BUCKETS: others may have their turn in between, and little is lost by a kill."""
_MAX_BUCKETS: Final = 96
_SETTINGS: Final = "SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '16MB'"
"""Rows are joined with combinations by a hash table, also before the server has statistics of either."""

_OF_FINER: Final = {
    Table.TOTALS_15MIN: totals.from_finer(Table.TOTALS_15MIN),
    Table.TOTALS_1HOUR: totals.from_finer(Table.TOTALS_1HOUR),
    Table.TOTALS_1DAY: totals.from_finer(Table.TOTALS_1DAY),
    Table.LATENCY_15MIN: latency.histograms_of_finer(Table.LATENCY_15MIN),
    Table.LATENCY_1HOUR: latency.histograms_of_finer(Table.LATENCY_1HOUR),
    Table.LATENCY_6HOUR: latency.histograms_of_finer(Table.LATENCY_6HOUR),
    Table.LATENCY_1DAY: latency.histograms_of_finer(Table.LATENCY_1DAY),
    Table.USERS_1HOUR: latency.registers_of_parts(Table.USERS_1HOUR),
    Table.USERS_6HOUR: latency.registers_of_finer(Table.USERS_6HOUR),
}
_OF_PARTS: Final = {Table.USERS_6HOUR: latency.registers_of_parts(Table.USERS_6HOUR)}
"""Where registers of hours are gone."""
_NUMBER: Final = totals.number()
_OF_RAW: Final = {
    **{table: totals.from_raw(table) for table in Table if table.value.startswith("totals")},
    **{table: latency.histograms_of_raw(table) for table in Table if table.value.startswith("latency")},
    Table.PART: details.refresh_parts(),
}
_MINUTES: Final = (Table.TOTALS_1MIN, Table.LATENCY_1MIN)
_DELETE: Final = {table: totals.delete(table) for table in _OF_FINER}


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """When a bucket is refreshed; the default refreshes all that is stale at once."""

    until: datetime = UNBOUNDED
    """Buckets that end later are left to readers, who take them from finer ones and from raw."""
    quiet: timedelta = _NONE
    max_wait: timedelta = _NONE
    settling: timedelta = _NONE

    def until_of(self, stage: Stage) -> datetime:
        return self.until - self.settling if stage is Stage.PART else self.until


@dataclass
class Refreshed:
    """What a refresh of an organisation did."""

    entries: int = 0
    """That were taken out of the log."""
    buckets: int = 0


@dataclass(frozen=True, kw_only=True)
class _Changes:
    """Combinations of dimensions that changed, by bucket; None where it may be any."""

    moments: list[datetime] = field(default_factory=list)
    dims: list[int | None] = field(default_factory=list)

    def add(self, moment: datetime, dims: Iterable[int] | None) -> None:
        each = [None] if dims is None else list(dims)
        self.moments.extend([moment] * len(each))
        self.dims.extend(each)


class Refresher:
    """Refreshes one organisation; any number of refreshes may run beside any number of writers."""

    def __init__(self, connection: Connection, organisation: str, schedule: Schedule = Schedule()) -> None:
        self._connection = connection
        self._organisation = organisation
        self._schedule = schedule
        self._horizons: dict[str, datetime] = {}

    async def steps(self) -> AsyncGenerator[Refreshed, None]:
        """Refreshes what is due, one transaction after another; ends when nothing is."""
        while (done := await self._minutes()).entries:
            yield done
        for stage in Stage:
            while (done := await self._stage(stage)).buckets:
                yield done

    async def step(self, stage: Stage | None) -> Refreshed:
        """One transaction: the minutes that are due where there is no stage; empty when nothing is due."""
        return await (self._minutes() if stage is None else self._stage(stage))

    async def _begin(self) -> None:
        await self._connection.execute(log.LOCK, self._organisation)
        await self._connection.execute(log.SHARE_HORIZONS)
        await self._connection.execute(_SETTINGS)
        self._horizons = {row["name"]: row["floor"] for row in await self._connection.fetch(log.HORIZONS)}

    async def _minutes(self) -> Refreshed:
        schedule = self._schedule
        async with self._connection.transaction(isolation="read_committed"):
            await self._begin()
            rows = await self._connection.fetch(
                log.CONSUME, self._organisation, schedule.until, schedule.quiet, schedule.max_wait, _MAX_MINUTES
            )
            due = {
                row["minute"]: row["transactions"]
                for row in rows
                if row["requests"] and row["minute"] >= self._horizons["raw"]
            }
            kept = list(due)
            await self._number([minute for minute in kept if minute < self._horizons[Table.TOTALS_1MIN]])
            changed: set[tuple[datetime, int | None]] = set()
            for table in _MINUTES:
                rebuilt = [minute for minute, ids in due.items() if minute >= self._horizons[table] and None in ids]
                changed |= {(row["bucket"], row["dim"]) for row in await self._from_raw(table, rebuilt)}
                changed |= {(minute, None) for minute in kept if minute < self._horizons[table]}
            added = {minute: ids for minute, ids in due.items() if None not in ids}
            changed |= {(row["bucket"], row["dim"]) for row in await self._add(added)}
            changes = _Changes()
            for bucket, dim in changed:
                changes.add(bucket, None if dim is None else (dim,))
            await self._mark(Stage.QUARTER, changes)
            parts = _Changes()
            for minute in kept:
                parts.add(minute, None)
            await self._mark(Stage.PART, parts)
            await self._clear_unparted(kept)
        return Refreshed(entries=sum(row["entries"] for row in rows), buckets=len(kept))

    async def _clear_unparted(self, minutes: Sequence[datetime]) -> None:
        """Has days that have no parts be made of raw, users of all combinations too: nothing tells which are gone."""
        days = sorted({minute.replace(hour=0, minute=0) for minute in minutes})
        for row in await self._connection.fetch(details.CLEAR_UNPARTED, self._organisation, days) if days else ():
            for stage in (Stage.PART, Stage.USERS_1HOUR):
                changes = _Changes()
                for number in range(_DAY // stage.width):
                    changes.add(row["day"] + number * stage.width, None)
                await self._mark(stage, changes)

    async def _stage(self, stage: Stage) -> Refreshed:
        async with self._connection.transaction(isolation="read_committed"):
            await self._begin()
            due = await self._connection.fetch(
                log.consume(stage), self._organisation, self._schedule.until_of(stage), _MAX_BUCKETS
            )
            if not due:
                return Refreshed()
            changes = _Changes()
            if stage is Stage.PART:
                await self._parts(sorted(row["bucket"] for row in due), changes)
            else:
                for every in (True, False):
                    rows = [row for row in due if (row["dims"] is None) is every]
                    dims = None if every else sorted(set(itertools.chain.from_iterable(row["dims"] for row in rows)))
                    for table in stage.tables if rows else ():
                        await self._rebuild(table, sorted(row["bucket"] for row in rows), dims)
                for row in due:
                    changes.add(row["bucket"], row["dims"])
            if stage.coarser is not None:
                await self._mark(stage.coarser, changes)
        return Refreshed(buckets=len(due))

    async def _rebuild(self, table: Table, buckets: Sequence[datetime], dims: list[int] | None) -> None:
        """From the finer table where that has all of a bucket, else from raw; a bucket that neither has stays."""
        finer, own = self._horizons[FINER[table]], self._horizons[table]
        await self._replace(table, _OF_FINER[table], [bucket for bucket in buckets if bucket >= max(finer, own)], dims)
        rest = [bucket for bucket in buckets if own <= bucket < finer]
        if table in _OF_PARTS:
            of_parts = [bucket for bucket in rest if bucket >= self._horizons[Table.PART]]
            await self._replace(table, _OF_PARTS[table], of_parts, dims)
        elif table in _OF_RAW:
            await self._from_raw(table, [bucket for bucket in rest if bucket >= self._horizons["raw"]])

    async def _replace(self, table: Table, sql: str, buckets: Sequence[datetime], dims: list[int] | None) -> None:
        if buckets:
            starts, ends = segments(buckets, table.step)
            await self._connection.execute(_DELETE[table], self._organisation, buckets, dims)
            await self._connection.execute(sql, self._organisation, starts, ends, dims)

    async def _from_raw(self, table: Table, buckets: Sequence[datetime], *horizons: datetime) -> list[Any]:
        if not buckets:
            return []
        starts, ends = segments(buckets, table.step)
        bounds = (starts, ends, starts[0], ends[-1])
        rows = await self._connection.fetch(_OF_RAW[table], self._organisation, *bounds, list(buckets), *horizons)
        return list(rows)

    async def _add(self, minutes: Mapping[datetime, Sequence[int]]) -> list[Any]:
        """Adds the rows that transactions inserted into minutes."""
        if not minutes:
            return []
        starts, ends = segments(list(minutes), Step.MINUTE.width)
        pairs = [(minute, transaction) for minute, transactions in minutes.items() for transaction in transactions]
        moments, transactions = zip(*pairs, strict=True)
        bounds, horizons = (starts, ends, starts[0], ends[-1]), [self._horizons[table] for table in _MINUTES]
        return list(await self._connection.fetch(ADD, self._organisation, *bounds, moments, transactions, *horizons))

    async def _number(self, minutes: Sequence[datetime]) -> None:
        """As totals of minutes do: so whoever makes anything of a row that has left the log finds its combination."""
        if minutes:
            starts, ends = segments(minutes, Step.MINUTE.width)
            await self._connection.execute(_NUMBER, self._organisation, starts, ends, starts[0], ends[-1])

    async def _parts(self, buckets: Sequence[datetime], changes: _Changes) -> None:
        parts = [bucket for bucket in buckets if bucket >= self._horizons["raw"]]
        changed = await self._from_raw(Table.PART, parts, *(self._horizons[table] for table in details.DAYS))
        if days := sorted({row["bucket"].replace(hour=0, minute=0) for row in changed if row["removes"]}):
            for table in details.DAYS:
                await self._connection.execute(details.delete_empty(table), self._organisation, days)
        for row in changed:
            changes.add(row["bucket"], (row["dim"],))

    async def _mark(self, stage: Stage, changes: _Changes) -> None:
        if changes.moments:
            await self._connection.execute(log.mark(stage), self._organisation, changes.moments, changes.dims)


def segments(starts: Sequence[datetime], step: timedelta) -> tuple[list[datetime], list[datetime]]:
    """The starts and the ends of the contiguous ranges that sorted, distinct buckets cover."""
    firsts: list[datetime] = []
    lasts: list[datetime] = []
    for start in starts:
        if lasts and lasts[-1] == start:
            lasts[-1] = start + step
        else:
            firsts.append(start)
            lasts.append(start + step)
    return firsts, lasts
