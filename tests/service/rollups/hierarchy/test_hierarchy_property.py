"""Random writes, refreshes, kills and ends of rows in random order: what is not stale is always right."""

import asyncio
import os
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_service.rollups.hierarchy.refresh import UNBOUNDED, Schedule
from tests.service.rollups.hierarchy.scenario import Scenario, a_scenario
from tests.service.rollups.hierarchy.witness import DAY, HOURS, WIDTHS

pytestmark = pytest.mark.postgres

DAYS = 3
ORGANISATION = st.sampled_from(["acme", "acme", "other"])
# few moments, so that rows meet in minutes, and minutes in quarters and hours; also the first and the last of a day
MOMENT = st.builds(
    lambda day, minute, second: DAY + timedelta(days=day, minutes=minute, seconds=second),
    st.integers(0, DAYS - 1),
    st.sampled_from([0, 1, 14, 15, 16, 59, 60, 361, 720, 1439]),
    st.sampled_from([0, 30, 59.999999]),
)
VALUE = st.one_of(st.none(), st.integers(0, 9), st.sampled_from([0, 1, 1000, 2**63 - 1]))
COST = st.one_of(st.none(), st.decimals(0, 10, places=8), st.decimals(0, 1, places=12))
USER = st.sampled_from([None, "", "ann", "größe", "zoë"])
FIELDS = st.fixed_dictionaries(
    {
        "ts": MOMENT,
        "org_id": ORGANISATION,
        "model": st.sampled_from(["", "gpt-4", "größer"]),
        "status_code": st.sampled_from(["OK", "ERROR"]),
        "is_request": st.booleans() | st.just(value=True),
        "duration_us": VALUE,
        "user_id": USER,
    },
    optional={
        "project_id": st.sampled_from(["", "p"]),
        "service_tier": st.sampled_from(["", "batch"]),
        "price_status": st.sampled_from(["", "full"]),
        "request_weight": st.sampled_from([1, 1, 5, 10**9]),
        "ttft_us": VALUE,
        "prompt_tokens": VALUE,
        "total_tokens": VALUE,
        "total_cost_usd": COST,
        "prompt_cost_usd": COST,
        "cached_tokens": VALUE,
        "images": VALUE,
        "audio_seconds": COST,
        "team_id": USER,
        "tags": st.sampled_from([None, [], ["a"], ["a", "b"], ["b", "a", "a"], ['q"{,}', ""]]),
    },
)
SCHEDULE = st.builds(
    lambda until, waits: Schedule(until=until, quiet=waits[0], max_wait=waits[1]),
    st.just(UNBOUNDED) | MOMENT,
    st.sampled_from([(0 * HOURS, 0 * HOURS)] * 3 + [(HOURS, HOURS), (HOURS, 0 * HOURS)]),
)
NUMBER = st.integers(0, 99)
TABLE = st.sampled_from(sorted(WIDTHS))
STEP = st.one_of(
    st.tuples(st.just("insert"), st.lists(FIELDS, min_size=1, max_size=8)),
    st.tuples(st.just("insert"), st.lists(FIELDS, min_size=1, max_size=1)),
    st.tuples(st.just("update"), NUMBER, FIELDS),
    st.tuples(st.just("update one column"), NUMBER, FIELDS, NUMBER),
    st.tuples(st.just("swap"), NUMBER, NUMBER, st.sampled_from(["duration_us", "ttft_us", "user_id", "model"])),
    st.tuples(st.just("delete"), NUMBER),
    st.tuples(st.just("truncate"), MOMENT),
    st.tuples(st.just("refresh"), SCHEDULE),
    st.tuples(st.just("advance"), st.integers(0, 2), ORGANISATION, SCHEDULE, st.integers(1, 8)),
    st.tuples(st.just("advance"), st.integers(0, 2), ORGANISATION, SCHEDULE, st.integers(1, 8)),
    st.tuples(st.just("kill"), ORGANISATION, st.integers(0, 90)),
    st.tuples(st.just("end minutes"), st.integers(0, DAYS), st.booleans()),
    st.tuples(st.just("end"), TABLE, st.integers(0, DAYS), st.booleans()),
    st.tuples(st.just("end raw"), st.integers(0, DAYS)),
)


async def write(scenario: Scenario, step: tuple[Any, ...]) -> None:
    match step:
        case ("insert", rows):
            await scenario.insert(rows)
        case ("update", number, fields) if old := scenario.living(number):
            # a row of a hypertable cannot be moved to another chunk
            await scenario.update(old, **{**fields, "ts": old.ts.replace(minute=fields["ts"].minute)})
        case ("update one column", number, fields, which) if old := scenario.living(number):
            columns = [name for name in fields if name != "ts"]
            column = columns[which % len(columns)]
            await scenario.update(old, **{column: fields[column]})
        case ("swap", number, another, column) if one := scenario.living(number):
            await scenario.swap(one, scenario.living(another) or one, column)
        case ("delete", number) if old := scenario.living(number):
            await scenario.delete(old)
        case ("truncate", moment):
            await scenario.truncate(moment)
        case _:  # there is no row to change
            pass


async def upkeep(scenario: Scenario, step: tuple[Any, ...]) -> None:
    match step:
        case ("refresh", schedule):
            await scenario.refresh(schedule)
        case ("advance", number, organisation, schedule, times):
            for _ in range(times):
                await scenario.advance(number, organisation, schedule)
                await scenario.check()
        case ("kill", organisation, statements):
            await scenario.killed(organisation, statements)
        case ("end minutes", day, delete):
            for table in ("totals_1min", "latency_1min"):
                await scenario.end(table, DAY + timedelta(days=day), delete=delete)
        case ("end", table, day, delete):
            await scenario.end(table, DAY + timedelta(days=day), delete=delete)
        case ("end raw", day):
            await scenario.end_raw(DAY + timedelta(days=day))
        case _:  # a write
            pass


async def play(url: str, steps: list[tuple[Any, ...]]) -> None:
    scenario = await a_scenario(url)
    try:
        for step in steps:
            await write(scenario, step)
            await upkeep(scenario, step)
            await scenario.check()
        await scenario.check_refreshed()
    finally:
        await scenario.close()


def test_what_is_not_stale_equals_the_rows_at_every_moment(edition_url: str) -> None:
    with asyncio.Runner() as runner:

        @settings(max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "40")))
        @given(st.lists(STEP, min_size=1, max_size=25))
        def check(steps: list[tuple[Any, ...]]) -> None:
            runner.run(play(edition_url, steps))

        check()
