"""Each kind of endpoint has a handler, and each kind of parameters an answer."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from typing_extensions import TypedDict

from analytics_service.contract.endpoint import (
    Answer,
    Call,
    Command,
    Endpoint,
    Method,
    Read,
    Result,
    Row,
    Uncached,
    default_ttl,
)
from analytics_service.contract.parameters import Parameters, parse
from analytics_service.contract.principal import Permission, Principal
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.database.query import Query
from analytics_service.endpoints.traces.detail import ENDPOINT as GET_TRACE
from analytics_service.http.openapi import document
from analytics_service.http.pipeline import handler
from analytics_service.rollups.levels import Level
from analytics_service.units.times import ALL_TIME
from tests.support.service import Client, a_row, a_service, a_token, insert

PATH = "/api/v1/models"


class Models(TypedDict):
    count: int


def query(principal: Principal, params: Parameters) -> Query:
    return Query(
        sql="SELECT count(DISTINCT model) AS count, $2::text[] FROM traces WHERE org_id = $1",
        args=(principal.organisation, principal.project_list),
    )


def answer(_params: Parameters, rows: Sequence[Row]) -> Answer:
    return Answer(data=Models(count=rows[0]["count"]), source=Level.RAW)


PLAIN = Read(
    path=PATH,
    name="count_models",
    summary="Counts models",
    permission=Permission.TRACES_READ,
    params=Parameters,
    query=query,
    answer=answer,
    data=Models,
    cache_for=default_ttl,
)
"""Of a route that takes no parameters: neither a range nor a page."""


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    await insert(database_url, [a_row(number, model=f"m{number % 3}") for number in range(6)])
    async with a_service(database_url, endpoints=[PLAIN]) as client:
        yield client


async def test_a_route_without_a_range_is_answered_and_cached(database_url: str, client: Client) -> None:
    first, second = await client.get(PATH), await client.get(PATH)
    assert first.data == second.data == {"count": 3}
    assert "pagination" not in first.json
    assert first.headers["Cache-Status"] == "analytics; fwd=miss; stored"
    assert second.headers["Cache-Status"].startswith("analytics; hit")
    await insert(database_url, [a_row(7, model="m9")])
    fresh = await client.get(PATH, headers={"Cache-Control": "no-cache"})
    assert fresh.data == {"count": 4}


async def test_a_route_without_a_range_knows_no_range(client: Client) -> None:
    refused = await client.get(PATH, from_="now-1h")
    assert (refused.status, refused.json["error_code"]) == (400, "UNKNOWN_PARAMETER")
    assert document([PLAIN])["paths"][PATH]["get"]["parameters"] == []


async def test_a_route_without_a_range_keeps_organisations_apart(client: Client) -> None:
    other = await client.get(PATH, token=a_token(org_id="other"))
    assert other.data == {"count": 0}


@pytest.mark.parametrize(
    ("given", "start", "end"),
    [
        ({}, ALL_TIME.start, ALL_TIME.end),
        ({"to": "2024-01-01T00:00:00Z"}, ALL_TIME.start, datetime(2024, 1, 1, tzinfo=UTC)),
        ({"from": "2024-01-01T00:00:00Z"}, datetime(2024, 1, 1, tzinfo=UTC), ALL_TIME.end),
    ],
)
def test_a_trace_is_looked_for_in_all_time_unless_a_bound_is_given(
    given: dict[str, str], start: datetime, end: datetime
) -> None:
    asked = {"trace_id": "t", **given}
    params = parse(GET_TRACE.params, asked.items(), now=datetime(2024, 6, 1, tzinfo=UTC))
    assert params.range == (start, end)


async def write_and_refuse(call: Call[Parameters]) -> Result:
    await call.transaction.fetch(Query(sql="DELETE FROM traces WHERE org_id = $1", args=(call.principal.organisation,)))
    raise RequestError(Problem.TRACE_NOT_FOUND, "not this one")


async def write(call: Call[Parameters]) -> Result:
    rows = await call.transaction.fetch(
        Query(sql="DELETE FROM traces WHERE org_id = $1 RETURNING model", args=(call.principal.organisation,))
    )
    return Result(data=Models(count=len(rows)))


async def ask_nothing(_call: Call[Parameters]) -> Result:
    return Result(data=Models(count=0))


SHARED: dict[str, Any] = {"summary": "Counts", "permission": None, "params": Parameters, "data": Models}
CHANGES: tuple[Endpoint[Any], ...] = (
    PLAIN,
    Command(**SHARED, path="/refused", name="refused", method=Method.DELETE, run=write_and_refuse),
    Uncached(**SHARED, path="/read", name="read", run=write),
    Command(**SHARED, path="/done", name="done", method=Method.DELETE, run=write, status=202),
    Uncached(**SHARED, path="/nothing", name="nothing", run=ask_nothing),
)


async def test_a_command_is_whole_or_undone_and_what_only_reads_cannot_write(database_url: str) -> None:
    await insert(database_url, [a_row(number) for number in range(3)])
    async with a_service(database_url, endpoints=CHANGES) as client:
        headers = {"Authorization": f"Bearer {client.token}"}
        assert (await client.request("DELETE", "/refused", headers=headers)).status == 404
        assert (await client.get("/read")).status == 503
        assert (await client.get(PATH)).data == {"count": 1}
        done = await client.request("DELETE", "/done", headers=headers)
        assert (done.status, done.json["data"], done.headers["Cache-Control"]) == (202, {"count": 3}, "no-store")
        assert done.headers.keys().isdisjoint({"ETag", "Cache-Status"})
        assert done.json["meta"].keys() == {"timestamp", "request_id", "execution_time_ms", "cached", "version"}
        assert (await client.request("DELETE", "/done?x=1", headers=headers)).json["error_code"] == "UNKNOWN_PARAMETER"
        assert (await client.request("DELETE", "/done")).status == 401
        assert (await client.get(PATH, headers={"Cache-Control": "no-cache"})).data == {"count": 0}


async def test_what_asks_the_store_nothing_is_answered_without_it() -> None:
    async with a_service("postgres://user:word@127.0.0.1:1/none", ready=False, endpoints=CHANGES) as client:
        assert (await client.get("/nothing")).data == {"count": 0}
        assert (await client.get("/read")).status == 503


def test_a_kind_without_a_handler_is_found_when_the_routes_are_made() -> None:
    declared = Endpoint(
        path="/api/v1/later",
        name="later",
        summary="Later",
        permission=Permission.TRACES_READ,
        params=Parameters,
        data=Models,
    )
    services: Any = None  # nothing is asked of them
    with pytest.raises(TypeError, match="later: a Endpoint has no handler"):
        handler(declared, services)
