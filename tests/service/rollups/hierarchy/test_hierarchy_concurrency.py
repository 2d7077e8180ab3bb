"""Writers, refreshers and retention beside each other: at each statement of a refresh somebody else commits."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from typing_extensions import override

from analytics_service.rollups.hierarchy.refresh import Refresher, Schedule
from analytics_service.rollups.retention.horizon import LOCK_HORIZON
from tests.service.rollups.hierarchy.scenario import AT_ONCE, Scenario, a_scenario
from tests.service.rollups.hierarchy.stored import check, check_refreshed, connect, insert
from tests.service.rollups.hierarchy.witness import DAY, DAYS, MINUTES, Span
from tests.support.eventually import eventually
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres


class Interleaved(asyncpg.Connection):
    """A real connection that lets others act before each of its statements."""

    before: Callable[[int], Awaitable[None]] | None = None
    statements: int = 0

    @override
    async def execute(self, query: str, *args: Any, **options: Any) -> Any:
        await self._act()
        return await super().execute(query, *args, **options)

    @override
    async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        await self._act()
        return await super().fetch(query, *args, **options)

    async def _act(self) -> None:
        if self.before is not None:
            self.statements += 1
            await self.before(self.statements - 1)


@pytest.fixture
async def scenario(edition_url: str) -> AsyncIterator[Scenario]:
    scenario = await a_scenario(edition_url)
    yield scenario
    await scenario.close()


@pytest.fixture
async def other(edition_url: str) -> AsyncIterator[Any]:
    connection = await connect(edition_url, connection_class=Interleaved)
    yield connection
    await connection.close()


def a_row(number: int, **fields: Any) -> dict[str, Any]:
    return {"ts": DAY + timedelta(seconds=number), "user_id": f"user {number}", "duration_us": number, **fields}


async def steps(connection: Any, schedule: Schedule = AT_ONCE) -> None:
    async for _ in Refresher(connection, "acme", schedule).steps():
        pass


async def test_a_row_in_flight_while_its_minute_is_refreshed(scenario: Scenario, other: Any) -> None:
    """The log is append-only: the entry that is visible is taken, the other one comes with its row."""
    await scenario.insert([a_row(0)])
    late = Span(trace_id="late", ts=DAY, model="new", user_id="zoë", duration_us=1)
    transaction = other.transaction()
    await transaction.start()
    await insert(other, [late])
    await scenario.check_refreshed()
    await transaction.commit()
    scenario.spans.append(late)
    scenario.keys["acme", DAY] += 1
    await scenario.check()
    await scenario.check_refreshed()


async def test_a_row_in_flight_that_is_rolled_back(scenario: Scenario, other: Any) -> None:
    await scenario.insert([a_row(0)])
    transaction = other.transaction()
    await transaction.start()
    await insert(other, [Span(trace_id="late", ts=DAY, model="new")])
    await scenario.check_refreshed()
    await transaction.rollback()
    await scenario.check_refreshed()


async def a_writer(scenario: Scenario, number: int) -> None:
    """A new combination, a change and a removal in turn."""
    row = scenario.spans[number * 7 % len(scenario.spans)]
    match number % 3:
        case 0:
            await scenario.insert([a_row(number, ts=row.ts, model=f"model {number}", tags=["a", "b"])])
        case 1:
            await scenario.update(row, user_id=f"changed {number}", duration_us=number * 1000)
        case _:
            await scenario.delete(row)


@pytest.mark.parametrize("ended", [(), ("totals_1min", "latency_1min")], ids=["with minutes", "without minutes"])
async def test_somebody_writes_before_each_statement_of_a_refresh(
    scenario: Scenario, other: Any, ended: tuple[str, ...]
) -> None:
    """First while minutes are made, then while what is above them is; what is committed is right each time."""
    await scenario.insert([a_row(n, ts=DAY + n * 40 * MINUTES) for n in range(30)])
    for table in ended:
        await scenario.end(table, DAY + DAYS, delete=True)

    async def write(statement: int) -> None:
        if statement < 10:
            await a_writer(scenario, statement)
            await scenario.check()

    async def write_above(statement: int) -> None:
        if statement > 6:  # a write before the log is read again would keep the refresh at minutes
            await a_writer(scenario, statement)
            await scenario.check()

    other.before = write
    await steps(other)
    other.before = None
    await scenario.insert([a_row(n, ts=DAY + n * 50 * MINUTES, model=f"model {n % 4}") for n in range(20)])
    generator = Refresher(other, "acme").steps()
    await anext(generator)
    other.before, other.statements = write_above, 0
    async for _ in generator:
        pass
    assert other.statements > 80
    other.before = None
    await scenario.check_refreshed()


async def test_two_refreshers_of_one_organisation_take_turns(scenario: Scenario) -> None:
    await scenario.insert([a_row(n, ts=DAY + n * 20 * MINUTES) for n in range(30)])
    for n in range(40):
        await scenario.advance(n % 2, "acme", AT_ONCE)
        if n % 5 == 0:
            await scenario.insert([a_row(n, model=f"model {n}", ts=DAY + n * 10 * MINUTES)])
        await scenario.check()
    await scenario.check_refreshed()


async def test_many_refreshers_and_writers_at_once(scenario: Scenario, edition_url: str) -> None:
    """Nobody waits for another in a circle, and each entry is counted once."""
    spans = [
        Span(
            trace_id=f"t{n}",
            ts=DAY + timedelta(seconds=n * 397 % 20_000),
            model=f"m{n % 11}",
            user_id=f"user {n % 17}",
            duration_us=n,
        )
        for n in range(240)
    ]
    await scenario.connection.fetchval("SELECT ensure_partitions($1, $2)", DAY, DAY + DAYS)

    async def writer(number: int) -> None:
        connection = await connect(edition_url)
        for span in spans[number::3]:
            await insert(connection, [span])
        await connection.close()

    async def refresher() -> None:
        connection = await connect(edition_url)
        for _ in range(6):
            await refresh(connection)
            await asyncio.sleep(0.05)
        await connection.close()

    await asyncio.gather(*(writer(number) for number in range(3)), *(refresher() for _ in range(3)))
    keys = {("acme", DAY): len(spans)}
    await check(scenario.connection, spans, keys)
    await refresh(scenario.connection)
    await check_refreshed(scenario.connection, spans, keys)


async def test_a_horizon_waits_for_a_refresh_that_reads_above_it(scenario: Scenario, other: Any) -> None:
    await scenario.insert([a_row(0)])
    refused = []

    async def move(statement: int) -> None:
        if statement > 3:  # the lock and the horizons were read
            with pytest.raises(asyncpg.LockNotAvailableError):
                await scenario.connection.execute("SELECT FROM rollup_floor FOR UPDATE NOWAIT")
            refused.append(statement)

    other.before = move
    generator = Refresher(other, "acme").steps()
    await anext(generator)
    other.before = None
    assert len(refused) > 3
    await scenario.end("totals_1min", DAY + DAYS, delete=True)
    async for _ in generator:
        await scenario.check()
    await scenario.check_refreshed()


async def test_a_refresh_waits_for_a_horizon_that_is_being_moved(scenario: Scenario, other: Any) -> None:
    """And goes by the new one."""
    await scenario.insert([a_row(0)])
    await scenario.check_refreshed()
    await scenario.insert([a_row(1)])
    async with scenario.connection.transaction():
        await scenario.connection.execute(LOCK_HORIZON)
        await scenario.connection.execute("UPDATE rollup_horizon SET floor = $1 WHERE name LIKE '%_1min'", DAY + DAYS)
        task = asyncio.create_task(steps(other))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        await eventually(lambda: scenario.connection.fetchval(waiting))
        assert not task.done()
    await task
    for table in ("totals_1min", "latency_1min"):
        await scenario.end(table, DAY + DAYS, delete=True)
    await scenario.check_refreshed()


async def test_a_refresh_that_is_cancelled_leaves_nothing_half_done(scenario: Scenario, edition_url: str) -> None:
    """As a worker that is asked to stop."""
    await scenario.insert([a_row(n, ts=DAY + n * 20 * MINUTES) for n in range(30)])
    for statement in range(0, 60, 4):
        connection = await connect(edition_url, connection_class=Interleaved)

        async def stop(number: int, last: int = statement) -> None:
            if number >= last:
                raise asyncio.CancelledError

        connection.before = stop
        with pytest.raises(asyncio.CancelledError):
            await steps(connection)
        connection.terminate()
        await scenario.check()
        await scenario.insert([a_row(statement, model=f"model {statement}")])
    await scenario.check_refreshed()


async def test_a_minute_of_very_many_rows(database_url: str) -> None:
    scenario = await a_scenario(database_url)
    await scenario.insert(
        [
            {
                "ts": DAY + timedelta(microseconds=n * 299),
                "model": f"m{n % 5}",
                "user_id": f"user {n % 997}",
                "duration_us": n * n % 1_000_003,
                "prompt_tokens": n,
            }
            for n in range(200_000)
        ]
    )
    await scenario.refresh()
    await scenario.update(scenario.spans[77], duration_us=5, user_id="late")
    await scenario.check_refreshed()
    await scenario.close()


async def test_an_organisation_of_very_many_users(database_url: str) -> None:
    scenario = await a_scenario(database_url)
    await scenario.insert(
        [
            {"ts": DAY + timedelta(seconds=n), "user_id": f"user {n % 20_000}", "team_id": f"team {n % 300}"}
            for n in range(40_000)
        ]
    )
    await scenario.refresh()
    await scenario.update(scenario.spans[20_000], user_id="user 5")
    await scenario.delete(scenario.spans[-1])
    await scenario.check_refreshed()
    await scenario.close()


async def test_a_row_that_comes_while_its_minute_is_rebuilt_counts_once(scenario: Scenario, other: Any) -> None:
    """The rebuilt minute is read after the log was: it leaves out a row whose entry is still there."""
    await scenario.insert([a_row(0), a_row(1)])
    await scenario.refresh()
    await scenario.delete(scenario.spans[0])

    async def write(_: int) -> None:
        await scenario.insert([a_row(2)])
        await scenario.check()

    other.before = write
    await Refresher(other, "acme", AT_ONCE).step(None)
    other.before = None
    assert other.statements > 5
    await scenario.check()
    await scenario.check_refreshed()


async def test_rows_are_added_to_a_minute_that_is_not_read_again(scenario: Scenario) -> None:
    """What no entry tells is not seen: the row that is there without one shows that the minute was not read."""
    await scenario.insert([a_row(0)])
    await scenario.refresh()
    await scenario.connection.execute("SET session_replication_role = replica")
    await insert(scenario.connection, [Span(trace_id="unseen", ts=DAY, duration_us=5)])
    await scenario.connection.execute("RESET session_replication_role")
    await scenario.insert([a_row(1)])
    await Refresher(scenario.connection, "acme", AT_ONCE).step(None)
    count = "SELECT sum(request_count) FROM rollup_totals_1min"
    assert await scenario.connection.fetchval(count) == 2
    await scenario.delete(scenario.spans[0])
    await Refresher(scenario.connection, "acme", AT_ONCE).step(None)
    assert await scenario.connection.fetchval(count) == 2


async def test_rows_that_bring_their_transaction_from_elsewhere(scenario: Scenario) -> None:
    """As a dump of the table alone that is restored, or `INSERT ... SELECT *`: no entry of the log would name them."""
    await scenario.insert([a_row(0)])
    for known in (True, False):
        await scenario.refresh()
        await scenario.connection.execute("CREATE TEMPORARY TABLE dump AS SELECT * FROM traces")
        await scenario.connection.execute("DELETE FROM traces")
        await scenario.refresh()
        if not known:
            await scenario.connection.execute("UPDATE dump SET transaction_id = NULL")
        await scenario.connection.execute("INSERT INTO traces OVERRIDING USER VALUE SELECT * FROM dump")
        await scenario.connection.execute("DROP TABLE dump")
        scenario.keys["acme", DAY] += 2
        await scenario.check()
        await scenario.check_refreshed()
