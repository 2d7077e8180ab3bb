"""While a plan changes prices, answers about money whose range it touches say so, and no others."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.repricing import apply
from analytics_service.rollups.repricing import of_text
from tests.service.repricing.stored import CHEAP, DEAR, HOUR, T0, a_request, imported, planned, undone
from tests.support.eventually import eventually
from tests.support.service import Client, a_service, a_token

pytestmark = pytest.mark.postgres

DAY = timedelta(days=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COSTS = "/api/v1/costs/summary"
TRACES = ("/api/v1/traces", "/api/v1/traces/span-0000", "/api/v1/traces?fields=ts&sort_by=total_cost_usd")
PATHS = (COSTS, "/api/v1/metrics?metrics=total_cost", "/api/v1/prices/coverage", *TRACES)


@pytest.mark.parametrize(
    ("first", "last", "hours"),
    [
        pytest.param(0, 24, (2, 3), id="all"),
        pytest.param(5, 6, (1, 1), id="one hour"),
        pytest.param(5.5, 7.5, (2, 2), id="hours that the range cuts"),
        pytest.param(9, 10, (0, 1), id="one that is not done"),
        pytest.param(8, 9, None, id="between them"),
        pytest.param(10, 24, None, id="behind them"),
    ],
)
def test_a_range_has_the_hours_that_it_touches(first: float, last: float, hours: tuple[int, int] | None) -> None:
    plan = of_text('{"plan": "a", "hours": [5, 7, 9], "done": [1, 1, 0]}')
    assert plan is not None
    within = plan.within(EPOCH + first * HOUR, EPOCH + last * HOUR)
    assert (within and within[1:]) == hours


async def answer(client: Client, path: str = COSTS, **asked: Any) -> tuple[dict[str, Any] | None, Any]:
    """What it says of repricing, and its data; from the cache where that has it."""
    response = await client.get(path, **{"from_": T0, "to": T0 + DAY, **asked})
    return response.json["meta"].get("repricing"), response.data


async def test_answers_name_a_plan_from_its_first_hour_to_its_end(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await imported(connection, [a_request(n) for n in (0, 4, 200)], CHEAP)
    made = await planned(connection, DEAR)
    async with a_service(database_url) as client:

        async def says(expected: dict[str, Any] | None, cost: int) -> bool:
            repricing, data = await answer(client)
            return (repricing, data["overview"]["total_cost"]) == (expected, cost)

        assert await says(None, 4)
        steps = apply.apply(connection, made.hash, settle_seconds=0)
        for done, cost in ((1, 6), (2, 8)):
            await anext(steps)
            await eventually(lambda: says({"plan": made.hash, "done": done, "of": 2}, cost))  # noqa: B023 - awaited here
        for path in PATHS:
            assert (await answer(client, path))[0] == {"plan": made.hash, "done": 2, "of": 2}
        assert (await answer(client, "/api/v1/metrics?metrics=request_count"))[0] is None, "no money"
        assert (await answer(client, "/api/v1/traces?fields=ts"))[0] is None, "no money"
        assert (await answer(client, to=T0 + HOUR))[0] == {"plan": made.hash, "done": 1, "of": 1}
        assert (await answer(client, from_=T0 + DAY, to=T0 + 2 * DAY))[0] is None, "another range"
        assert (await answer(client, token=a_token(org_id="other")))[0] is None, "another organisation"
        assert [step async for step in steps][-1].total == 3
        await eventually(lambda: says(None, 8))
        await undone(connection, made.hash)
        await eventually(lambda: says(None, 4))
    await connection.close()


async def test_undoing_is_named_too(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await imported(connection, [a_request(n) for n in (0, 4)], CHEAP)
    made = await planned(connection, DEAR)
    async for _ in apply.apply(connection, made.hash, settle_seconds=0):
        pass
    steps = apply.undo(connection, made.hash, settle_seconds=0)
    await anext(steps)
    async with a_service(database_url) as client:
        repricing, data = await answer(client)
    assert repricing == {"plan": made.hash, "done": 1, "of": 2}
    assert data["overview"]["total_cost"] == 6
    await steps.aclose()
    await connection.close()
