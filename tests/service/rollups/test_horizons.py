"""What retention has taken: finer sources answer below a rollup's horizon, and what none can tell is named."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_service.rollups.hierarchy.tables import Table
from analytics_service.rollups.levels import Level
from analytics_service.rollups.query import COMPLETENESS, TABLES, requests
from analytics_service.units import decimals
from tests.service.rollups.ledger import DAY, SUMMED, Horizons, Span, answered, expected, insert, lost
from tests.support.rollups import refresh
from tests.support.service import a_service

pytestmark = pytest.mark.postgres

DAYS = timedelta(days=1)
LEDGER = [
    Span(trace_id=f"t{n}", ts=DAY + n * timedelta(minutes=17), prompt_tokens=n, total_cost_usd=Decimal(n).scaleb(-8))
    for n in range(500)
]
FLOOR = DAY + 3 * DAYS
LISTS = ("traces", "traces?include=children", "traces?sort_by=total_cost_usd&fields=model")
EVERYTHING = (DAY - DAYS, DAY + 9 * DAYS)


@asynccontextmanager
async def filled(url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(url)
    await insert(opened, LEDGER)
    await refresh(opened)
    yield opened
    await opened.close()


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    async with filled(edition_url) as opened:
        yield opened


@pytest.fixture
async def opened(database_url: str) -> AsyncIterator[Any]:
    """Of the one edition whose answers are asked for by HTTP."""
    async with filled(database_url) as connection:
        yield connection


async def take_rollup(connection: Any, table: Table) -> None:
    """What retention of a rollup leaves behind."""
    await connection.execute(f"DELETE FROM {table.sql} WHERE bucket < $1", FLOOR)
    await connection.execute("UPDATE rollup_horizon SET floor = $1 WHERE name = $2", FLOOR, table.value)


async def take_raw(connection: Any) -> None:
    await connection.execute("UPDATE rollup_floor SET floor = $1", FLOOR)
    await connection.execute("DELETE FROM traces WHERE ts < $1", FLOOR)
    await refresh(connection)


@pytest.mark.parametrize("level", SUMMED)
async def test_below_its_floor_a_level_is_answered_from_raw(connection: Any, level: Level) -> None:
    await take_rollup(connection, TABLES[level])
    for start, end in (EVERYTHING, (DAY + timedelta(hours=5, minutes=3), FLOOR + timedelta(hours=7, minutes=1))):
        assert await answered(connection, level, start, end) == expected(LEDGER, start, end, level)


async def test_a_late_row_below_the_floor_of_a_level_leaves_no_row_there(connection: Any) -> None:
    await take_rollup(connection, Table.TOTALS_1MIN)
    late = Span(trace_id="late", ts=DAY + timedelta(minutes=3))
    await insert(connection, [late])
    await refresh(connection)
    assert await connection.fetchval("SELECT count(*) FROM rollup_totals_1min WHERE bucket < $1", FLOOR) == 0
    assert await answered(connection, Level.MIN1, *EVERYTHING) == expected([*LEDGER, late], *EVERYTHING, Level.MIN1)


async def test_days_are_put_together_from_hours_where_days_are_gone(connection: Any) -> None:
    await take_rollup(connection, Table.TOTALS_1DAY)
    await take_raw(connection)
    assert await answered(connection, Level.DAY, *EVERYTHING) == expected(LEDGER, *EVERYTHING, Level.DAY)


MIDNIGHT = st.integers(0, 6).map(lambda days: DAY + days * DAYS)
MOMENT = st.integers(-500, 7 * 1440).flatmap(
    lambda minute: st.sampled_from([minute, minute - minute % 15, minute - minute % 60, minute - minute % 1440])
)


@settings(
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "40")),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    raw=MIDNIGHT,
    kept=st.lists(MIDNIGHT, min_size=len(Table), max_size=len(Table)),
    ends=st.lists(MOMENT, min_size=2, max_size=2, unique=True),
    seconds=st.sampled_from([0, 0, 7]),
)
def test_whatever_is_kept_is_counted_and_the_rest_is_named(
    runner: asyncio.Runner, shared: Any, *, raw: datetime, kept: list[datetime], ends: list[int], seconds: int
) -> None:
    horizons = Horizons(raw=raw, rollups=dict(zip(Table, kept, strict=True)))
    start, end = (DAY + timedelta(minutes=minute, seconds=seconds) for minute in sorted(ends))

    async def check() -> None:
        await set_horizons(shared, horizons)
        for level in (Level.RAW, *SUMMED):
            counted = [span for span in LEDGER if horizons.counts(span.ts, level, start, end)]
            assert await answered(shared, level, start, end) == expected(counted, start, end, level), level
            assert await lost(shared, level, start, end) == horizons.lost(level, start, end), level

    runner.run(check())


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as one:
        yield one


@pytest.fixture
def shared(runner: asyncio.Runner, database_url: str) -> Iterator[Any]:
    """Every row is in raw and in the rollups: what is below a horizon is about to go, and must not be read."""
    context = filled(database_url)
    yield runner.run(context.__aenter__())
    runner.run(context.__aexit__(None, None, None))


async def set_horizons(connection: Any, horizons: Horizons) -> None:
    await connection.execute("UPDATE rollup_floor SET floor = $1", horizons.raw)
    for table, floor in horizons.rollups.items():
        await connection.execute("UPDATE rollup_horizon SET floor = $1 WHERE name = $2", floor, table.value)


async def test_what_only_sketches_lack_is_named_too(connection: Any) -> None:
    await take_raw(connection)
    for table in (Table.LATENCY_1MIN, Table.LATENCY_15MIN, Table.LATENCY_1HOUR):
        await take_rollup(connection, table)
    row = await connection.fetchrow(f"{requests(Level.HOUR)} {COMPLETENESS}", "acme", None, *EVERYTHING)
    assert row["below_retention"] == []
    both = requests(Level.HOUR, Table.LATENCY_1HOUR)
    row = await connection.fetchrow(f"{both} {COMPLETENESS}", "acme", None, *EVERYTHING)
    assert [(part.lower, part.upper) for part in row["below_retention"]] == [(EVERYTHING[0], FLOOR)]


HOURS = timedelta(hours=1)


def written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize(
    ("path", "reason", "until"),
    [
        *((path, "below_retention", FLOOR) for path in (*LISTS, "traces/t260", "metrics?metrics=unique_sessions")),
        ("metrics?metrics=request_count", "edge_below_retention", DAY + 10 * HOURS),
        ("metrics?metrics=request_count&interval=1day&tz=Asia/Kathmandu", "edge_below_retention", DAY + 9.5 * HOURS),
        ("costs/summary", "edge_below_retention", DAY + 10 * HOURS),
    ],
)
async def test_every_route_names_what_it_lacks(
    database_url: str, opened: Any, path: str, reason: str, until: datetime
) -> None:
    """Sums by minute and quarter hour are gone too; the hour that the range cuts is in no figure."""
    for table in (Table.TOTALS_1MIN, *([] if "Kathmandu" in path else [Table.TOTALS_15MIN])):
        await take_rollup(opened, table)
    await take_raw(opened)
    start, end = DAY + 9.4 * HOURS, FLOOR + DAYS
    async with a_service(database_url) as client:
        answer = await client.get(f"/api/v1/{path}", from_=start, to=end)
        assert answer.status == 200, answer.body
        meta = answer.json["meta"]
        assert (meta["complete"], meta["incomplete"]) == (
            False,
            [{"from": written(start), "to": written(until), "reason": reason}],
        )
        whole = await client.get(f"/api/v1/{path}", from_=FLOOR, to=end)
        assert (whole.json["meta"]["complete"], whole.json["meta"]["incomplete"]) == (True, [])
        counted = [span for span in LEDGER if until <= span.ts < end]
        if path == "costs/summary":
            assert answer.data["overview"]["total_requests"] == len(counted)
        elif "request_count" in path:
            assert sum(point["request_count"] for point in answer.data["data"]) == len(counted)


async def test_the_most_expensive_traces_name_what_they_alone_lack(database_url: str, opened: Any) -> None:
    await take_raw(opened)
    asked: dict[str, Any] = {"from_": DAY, "to": FLOOR + DAYS, "include_top_traces": True, "top_limit": 1}
    async with a_service(database_url) as client:
        answer = await client.get("/api/v1/costs/summary", **asked)
    stretch = {"from": written(DAY), "to": written(FLOOR), "reason": "top_traces_below_retention"}
    assert answer.json["meta"]["incomplete"] == [stretch]
    assert answer.data["overview"]["total_requests"] == sum(span.ts < FLOOR + DAYS for span in LEDGER)
    dearest = max(
        (span for span in LEDGER if FLOOR <= span.ts < FLOOR + DAYS), key=lambda span: span.prompt_tokens or 0
    )
    assert [trace["trace_id"] for trace in answer.data["top_traces"]] == [dearest.trace_id]


async def test_days_of_which_nothing_is_kept_are_no_zeros_of_a_trend(database_url: str, opened: Any) -> None:
    for table in Table:
        await take_rollup(opened, table)
    await take_raw(opened)
    asked: dict[str, Any] = {"from_": DAY, "to": FLOOR + 2 * DAYS}
    async with a_service(database_url) as client:
        costs = await client.get("/api/v1/costs/summary", **asked)
        series = await client.get("/api/v1/metrics", metrics="request_count", interval="1day", fill="zero", **asked)
    days = [written(FLOOR + number * DAYS)[:10] for number in range(2)]
    assert [day["date"] for day in costs.data["trends"]["daily"]] == days
    assert [point["timestamp"][:10] for point in series.data["data"]] == days
    first, last = (sum(n for n, span in enumerate(LEDGER) if span.ts.date().isoformat() == day) for day in days)
    assert costs.data["overview"]["day_over_day_change"] == decimals.change(first, last)
    assert "fewer than two" not in str(costs.data["trends"]["growth_rate_daily_reason"])


async def test_throughput_is_of_the_time_that_is_kept(database_url: str, opened: Any) -> None:
    await take_rollup(opened, Table.TOTALS_1MIN)
    await take_raw(opened)
    start, end = DAY + timedelta(minutes=5), DAY + timedelta(minutes=60)
    async with a_service(database_url) as client:
        answer = await client.get("/api/v1/metrics", metrics="throughput", from_=start, to=end)
    (point,) = answer.data["data"]
    kept = [span for span in LEDGER if DAY + timedelta(minutes=15) <= span.ts < end]
    assert point["throughput"] == decimals.quotient(len(kept), 45 * 60)


async def test_a_trace_half_of_which_is_gone_says_so_and_one_that_is_gone_is_404(
    database_url: str, opened: Any
) -> None:
    await insert(opened, [Span(trace_id="half", span_id=str(n), ts=FLOOR + n * HOURS) for n in (-1, 1)])
    await refresh(opened)
    await opened.execute("UPDATE rollup_floor SET floor = $1", FLOOR)  # its partition is still there
    async with a_service(database_url) as client:
        half = await client.get("/api/v1/traces/half")
        gone = await client.get("/api/v1/traces/t1")
    assert half.data["totals"]["span_count"] == 1
    assert half.json["meta"]["incomplete"] == [
        {"from": "1970-01-01T00:00:00Z", "to": written(FLOOR), "reason": "below_retention"}
    ]
    assert gone.status == 404


async def test_what_is_not_over_is_named(database_url: str, opened: Any) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + DAYS
    async with a_service(database_url) as client:
        for path in ("traces", "metrics?metrics=request_count", "costs/summary", "traces/t1"):
            answer = await client.get(f"/api/v1/{path}", from_="now-1d" if path != "traces/t1" else DAY, to=later)
            (stretch,) = answer.json["meta"]["incomplete"]
            assert (stretch["to"], stretch["reason"]) == (written(later), "future")
            assert later - 2 * DAYS < datetime.fromisoformat(stretch["from"]) < later
            assert answer.json["meta"]["complete"] is False
        assert (await client.get("/api/v1/traces/t1")).json["meta"]["complete"] is True
