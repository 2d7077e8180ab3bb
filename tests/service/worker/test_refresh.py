"""The refresh of the worker: what is due in fair turns, by the clock of the database, whatever else happens."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.rollups.hierarchy.backlog import backlog
from analytics_service.rollups.hierarchy.log import MAX_ROWS
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import Stage, Table
from analytics_service.worker.refresh import Refresh
from analytics_service.worker.sessions import Sessions
from tests.support.eventually import eventually
from tests.support.rollups import differences, refresh, waiting
from tests.support.service import T0, a_row, insert

pytestmark = pytest.mark.postgres

NO_WAIT = timedelta(0)
DAY = timedelta(days=1)
LOCK = "SELECT pg_advisory_lock(hashtextextended('analytics.rollups/' || $1::text, 0))"
UNLOCK = "SELECT pg_advisory_unlock_all()"
ENTRIES_OF = "SELECT count(*) FROM rollup_log WHERE org_id = $1"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[Any]:
    """The leader's."""
    opened = await asyncpg.connect(database_url)
    yield opened
    if not opened.is_closed():
        await opened.close()


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Any]:
    opened = await asyncpg.connect(database_url)
    yield opened
    await opened.close()


def a_refresh(url: str, *, connections: int = 2, **options: Any) -> Refresh:
    """One that takes what was just written."""
    return Refresh(
        Sessions(url, connections), **{"quiet": NO_WAIT, "max_wait": NO_WAIT, "settling": NO_WAIT, **options}
    )


def some_rows(count: int, *, first: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """Of two days, with users, teams and tags."""
    return [
        a_row(
            number,
            **{
                "ts": T0 + number * timedelta(minutes=67) % (2 * DAY),
                "user_id": f"u{number % 5}",
                "team_id": None if number % 3 else "t",
                "tags": ["a", "b"] if number % 2 else [],
                **changes,
            },
        )
        for number in range(first, first + count)
    ]


async def test_all_that_is_due_is_refreshed_and_reported(database_url: str, connection: Any) -> None:
    for organisation in ("acme", "globex", "initech"):
        await insert(database_url, some_rows(20, org_id=organisation))
    done = await a_refresh(database_url)(connection)
    assert await waiting(connection) == (0, 0)
    assert await differences(connection) == {}
    assert (done["entries"], done["log_entries"], done["organisations"], done["late_seconds"]) == (60, 0, 0, 0)
    assert set(done["refresh_seconds"]) == {Step.MINUTE, *Stage}
    assert done["watermark_lag_seconds"] == dict.fromkeys((Step.MINUTE, *Stage), 0)


async def test_a_minute_waits_until_it_is_quiet_and_what_is_coarser_until_it_ends(
    database_url: str, connection: Any
) -> None:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    for number, moment in enumerate((now, T0)):  # one by one: not every day between has a partition
        await insert(database_url, [a_row(number, ts=moment)])
    patient = a_refresh(database_url, quiet=timedelta(hours=1), max_wait=timedelta(hours=2))
    done = await patient(connection)
    assert (done["entries"], done["log_entries"], done["organisations"]) == (0, 2, 0)
    assert done["watermark_lag_seconds"][Step.MINUTE] > 0
    assert (await a_refresh(database_url)(connection))["entries"] == 2
    assert await connection.fetchval("SELECT count(*) FROM rollup_stale WHERE bucket < $1", now - DAY) == 0
    assert await connection.fetchval("SELECT count(*) FROM rollup_stale") > 0, "of buckets that are open"
    assert await differences(connection, Table.TOTALS_1MIN) == {}


async def test_a_part_waits_until_late_rows_have_come(database_url: str, connection: Any) -> None:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    ended = now - timedelta(minutes=now.minute % 15 + 1)
    await connection.execute("SELECT ensure_partitions($1, $2)", ended, now)
    await insert(database_url, [a_row(0, ts=ended)])
    waiting_parts = f"SELECT count(*) FROM rollup_stale WHERE step = '{Stage.PART}'"
    done = await a_refresh(database_url, settling=timedelta(hours=1))(connection)
    assert (done["entries"], done["late_seconds"], done["watermark_lag_seconds"][Stage.PART]) == (1, 0, 0)
    assert await connection.fetchval(waiting_parts) == 1
    await a_refresh(database_url)(connection)
    assert await connection.fetchval(waiting_parts) == 0
    assert await connection.fetchval("SELECT count(*) FROM rollup_part") == 1


async def test_an_organisation_that_is_written_to_is_due_once_an_entry_has_waited(
    database_url: str, connection: Any
) -> None:
    await insert(database_url, [a_row(0)])
    await connection.execute("UPDATE rollup_log SET logged_at = logged_at - interval '30 seconds'")
    await insert(database_url, [a_row(1, ts=T0 + DAY)])
    dues = [
        bool((await backlog(connection, quiet=timedelta(seconds=10), max_wait=timedelta(seconds=wait))).due)
        for wait in (3600, 20)
    ]
    assert dues == [False, True]


async def test_an_organisation_with_many_rows_is_due_sooner(database_url: str, connection: Any) -> None:
    await insert(database_url, [a_row(0)])
    assert await connection.fetchval("SELECT sum(rows) FROM rollup_log") == 1
    waits: dict[str, Any] = {"quiet": timedelta(minutes=1), "max_wait": timedelta(hours=1)}
    for seconds, rows, entries in ((10, MAX_ROWS, 0), (0, MAX_ROWS + 1, 0), (10, MAX_ROWS + 1, 1)):
        await connection.execute(
            "UPDATE rollup_log SET rows = $1, logged_at = clock_timestamp() - $2::interval",
            *(rows, timedelta(seconds=seconds)),
        )
        assert bool((await backlog(connection, **waits)).due) is bool(entries)
        assert (await a_refresh(database_url, **waits)(connection))["entries"] == entries
    assert await differences(connection, Table.TOTALS_1MIN) == {}


async def test_rows_of_the_future_wait_and_nobody_is_late_for_them(database_url: str, connection: Any) -> None:
    now: datetime = await connection.fetchval("SELECT clock_timestamp()")
    for number, moment in enumerate((now + timedelta(hours=2), T0)):
        await insert(database_url, [a_row(number, ts=moment)])
    await connection.execute("UPDATE rollup_log SET logged_at = logged_at - interval '1 day'")
    done = await a_refresh(database_url, quiet=timedelta(seconds=10), max_wait=timedelta(seconds=60))(connection)
    assert (done["entries"], done["log_entries"]) == (1, 1)
    assert (done["lag_seconds"], done["late_seconds"]) == (0, 0)


async def test_what_waits_longer_than_it_should_is_reported(database_url: str, connection: Any, other: Any) -> None:
    await insert(database_url, [a_row(0)])
    await connection.execute("UPDATE rollup_log SET logged_at = logged_at - interval '1 hour'")
    await other.fetchval(LOCK, "acme")
    done = await a_refresh(database_url, max_wait=timedelta(seconds=60))(connection)
    assert 3600 <= done["lag_seconds"] < 3700
    assert done["late_seconds"] == pytest.approx(done["lag_seconds"] - 60)


@pytest.mark.parametrize("connections", [0, 1, 3])
async def test_an_organisation_with_a_burst_makes_no_other_late(
    database_url: str, connection: Any, connections: int
) -> None:
    await connection.execute(
        """
        INSERT INTO rollup_log (org_id, minute, requests, logged_at)
        SELECT 'burst', $1::timestamptz + (n % 20000) * interval '1 minute', true, now() - interval '1 hour'
        FROM generate_series(1, 200000) AS n
        """,
        T0,
    )
    await insert(database_url, [a_row(0, org_id="small")])
    ticks = itertools.count()
    refresh_ = a_refresh(database_url, connections=connections, clock=lambda: next(ticks) / 2)
    await refresh_(connection)
    assert await connection.fetchval(ENTRIES_OF, "small") == 0
    assert await differences(connection, Table.TOTALS_1DAY, Table.USER_1DAY) == {}
    assert await connection.fetchval(ENTRIES_OF, "burst") > 150_000, "the job gave others their turn"


async def test_two_workers_writers_and_an_import_at_once_end_in_the_truth(database_url: str, connection: Any) -> None:
    leaders = [await asyncpg.connect(database_url) for _ in range(3)]

    async def write(organisation: str) -> None:
        for first in range(0, 60, 10):
            await insert(database_url, some_rows(10, first=first, org_id=organisation))

    async def work(leader: Any) -> None:
        refresh_ = a_refresh(database_url)
        for _ in range(6):
            await refresh_(leader)

    async def refresh_all() -> None:
        for _ in range(6):
            await refresh(leaders[2])

    try:
        await asyncio.gather(*map(write, ("acme", "globex")), *map(work, leaders[:2]), refresh_all())
        await refresh(connection)
    finally:
        for leader in leaders:
            await leader.close()
    assert await waiting(connection) == (0, 0)
    assert await differences(connection) == {}


async def test_one_that_is_cut_off_after_any_statement_leaves_what_the_next_one_needs(
    database_url: str, connection: Any
) -> None:
    await insert(database_url, some_rows(30))
    cuts, numbers = itertools.count(1), itertools.count(30)
    completed = False
    while not completed:
        await insert(database_url, some_rows(1, first=next(numbers)))
        victim = await asyncpg.connect(database_url)
        left = next(cuts)

        def cut(_query: Any, victim: Any = victim) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                victim.terminate()

        victim.add_query_logger(cut)
        try:
            await refresh(victim)
            completed = True
        except (asyncpg.InterfaceError, asyncpg.ConnectionDoesNotExistError):
            victim.terminate()
        await refresh(connection)
        assert await waiting(connection) == (0, 0)
        assert await differences(connection, Table.TOTALS_1DAY, Table.USER_1DAY) == {}
    assert await differences(connection) == {}
    await victim.close()


async def test_one_that_is_locked_waits_alone(database_url: str, connection: Any, other: Any) -> None:
    for organisation in ("locked", "free"):
        await insert(database_url, some_rows(3, org_id=organisation))
    await other.fetchval(LOCK, "locked")
    refresh_ = a_refresh(database_url)
    done = await refresh_(connection)
    assert (await connection.fetchval(ENTRIES_OF, "locked"), await connection.fetchval(ENTRIES_OF, "free")) == (3, 0)
    assert done["organisations"] == 1
    await other.fetchval(UNLOCK)
    await refresh_(connection)
    assert await waiting(connection) == (0, 0)
    assert await differences(connection) == {}


async def test_one_whose_rows_fail_is_reported_after_the_others_had_their_turn(
    database_url: str, connection: Any
) -> None:
    for organisation in ("bad", "good"):
        await insert(database_url, some_rows(3, org_id=organisation))
    await connection.execute("ALTER TABLE rollup_totals_15min ADD CONSTRAINT c CHECK (org_id <> 'bad')")
    with pytest.raises(asyncpg.CheckViolationError):
        await a_refresh(database_url)(connection)
    assert await connection.fetchval("SELECT count(*) FROM rollup_stale WHERE org_id = 'good'") == 0


async def test_sessions_beside_the_leaders_end_with_it(database_url: str, connection: Any, other: Any) -> None:
    await insert(database_url, some_rows(3))
    sessions = Sessions(database_url, 2)
    members = await sessions.beside(connection)
    assert await sessions.beside(connection) == members
    await other.fetchval(LOCK, "acme")
    running = asyncio.create_task(Refresh(sessions, quiet=NO_WAIT, max_wait=NO_WAIT)(connection))
    await eventually(lambda: other.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"))
    await other.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError)):
        await running
    assert [member.is_closed() for member in members] == [True, True]
    assert await other.fetchval(ENTRIES_OF, "acme") == 3


async def test_sessions_beside_the_leaders_end_when_it_is_closed(database_url: str) -> None:
    leader = await asyncpg.connect(database_url)
    members = await Sessions(database_url, 2).beside(leader)
    await leader.close()

    async def closed() -> bool:
        return all(member.is_closed() for member in members)

    await eventually(closed)


async def test_a_session_that_is_lost_is_opened_again(database_url: str, connection: Any, other: Any) -> None:
    sessions = Sessions(database_url, 2)
    first, second = await sessions.beside(connection)
    await other.execute("SELECT pg_terminate_backend($1)", first.get_server_pid())

    async def noticed() -> bool:
        return first.is_closed()

    await eventually(noticed)
    again = await sessions.beside(connection)
    assert (len(again), first in again, second in again) == (2, False, True)
    for member in again:
        await member.close()


async def test_where_no_session_can_be_opened_the_leader_refreshes(database_url: str, connection: Any) -> None:
    await insert(database_url, some_rows(3))
    nowhere = "postgres://user:password@127.0.0.1:1/none"
    await a_refresh(nowhere)(connection)
    assert await waiting(connection) == (0, 0)
    assert await connection.fetchval("SHOW lock_timeout") == "0"


async def test_thousands_of_organisations_that_wait_for_nothing_cost_a_few_statements(
    database_url: str, connection: Any
) -> None:
    await connection.execute(
        """
        INSERT INTO rollup_stale (org_id, step, bucket)
        SELECT 'o' || n, step, date_trunc('day', now()) + interval '1 day'
        FROM generate_series(1, 5000) AS n, unnest($1::text[]) AS step
        """,
        [stage.value for stage in Stage],
    )
    await connection.execute(
        "INSERT INTO rollup_log (org_id, minute, requests)"
        " SELECT 'o' || n, now() + interval '1 hour', true FROM generate_series(1, 5000) AS n"
    )
    await insert(database_url, [a_row(0)])
    sessions = Sessions(database_url, 2)
    statements: list[str] = []
    for each in [connection, *await sessions.beside(connection)]:
        each.add_query_logger(lambda record: statements.append(record.query))
    done = await Refresh(sessions, quiet=NO_WAIT, max_wait=NO_WAIT)(connection)
    steps = 1 + len(Stage)
    assert (done["entries"], done["log_entries"]) == (1, 5000)
    assert await differences(connection) == {}
    assert len(statements) < steps * 20


async def test_a_stage_is_refreshed_while_late_rows_keep_its_organisation_busy(
    database_url: str, connection: Any
) -> None:
    await insert(database_url, some_rows(40))
    waits = await backlog(connection, quiet=NO_WAIT, max_wait=NO_WAIT)
    assert [due.stage for due in waits.due] == [None]
    ticks = itertools.count()
    refresh_ = a_refresh(database_url, connections=1, clock=lambda: next(ticks) / 2)
    sessions = asyncio.create_task(refresh_(connection))
    for number in range(40, 60):
        await insert(database_url, some_rows(1, first=number, ts=T0 + DAY))
    await sessions
    assert await connection.fetchval("SELECT count(*) FROM rollup_totals_15min") > 0
