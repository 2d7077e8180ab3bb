"""No organisation learns anything of another, in any endpoint, and projects confine a token further."""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from analytics_service.contract import parameters
from analytics_service.contract.endpoint import Endpoint, Read
from analytics_service.contract.principal import Principal, Role
from analytics_service.database import tenancy
from analytics_service.endpoints import ENDPOINTS
from tests.support.service import HOUR, T0, a_row, a_service, a_token, insert

SPAN: dict[str, Any] = {"from_": T0, "to": T0 + HOUR}
NEEDED: dict[str, dict[str, Any]] = {
    "get_metrics": {
        "metrics": "request_count,total_cost,unique_users",
        "group_by": "project_id,model",
        "include_percentiles": "true",
    },
    "query_metrics": {
        "metrics": [{"metric": "request_count"}, {"metric": "total_cost"}, {"metric": "unique_users"}],
        "group_by": ["project_id", "model"],
    },
    "get_costs_summary": {"include_top_traces": "true"},
    "get_costs_attribution": {"dimension": "model"},
    "get_costs_explanation": {"dimension": "model"},
    "compare_models": {"models": "ours,secret"},
    "list_traces": {"include": "total,io,attributes"},
    "search_traces": {"include": ["total", "io", "attributes"]},
    "get_trace": {"include": "io,attributes"},
}
"""Parameters by endpoint that make it tell all that it knows."""

READS = [endpoint for endpoint in ENDPOINTS if isinstance(endpoint, Read)]
"""Of the others, which are about keys and callers, see test_keys.py."""
EACH = pytest.mark.parametrize("endpoint", READS, ids=lambda endpoint: endpoint.name)
NAMELESS = frozenset({"get_performance", "get_quality", "compare_models", "get_optimization", "get_costs_forecast"})
"""Reads whose answers name nothing that was not asked for: their own tests ask as several organisations."""
NAMING = pytest.mark.parametrize(
    "endpoint", [each for each in READS if each.name not in NAMELESS], ids=lambda endpoint: endpoint.name
)


PLACES = {"trace_id": "shared"}
"""What stands in paths."""


def asked(endpoint: Endpoint[Any]) -> dict[str, Any]:
    return NEEDED.get(endpoint.name, {})


def path(endpoint: Endpoint[Any]) -> str:
    return endpoint.path.format_map(PLACES)


def in_path(endpoint: Endpoint[Any]) -> dict[str, Any]:
    return {name: value for name, value in PLACES.items() if f"{{{name}}}" in endpoint.path}


@EACH
def test_the_organisation_is_the_first_argument_of_every_query(endpoint: Read[Any]) -> None:
    principal = Principal(
        subject="ann",
        organisation="the organisation",
        projects=frozenset({"b", "a"}),
        role=Role.VIEWER,
        permissions=frozenset(),
    )
    given = {"from": "now-7d", "to": "now", **asked(endpoint), **in_path(endpoint)}
    params = parameters.parse(endpoint.params, given.items(), now=T0)
    query = endpoint.query(principal, params)
    assert query.args[:2] == ("the organisation", ["a", "b"])
    assert any(tenancy.predicate(alias) in query.sql for alias in ("d", "t"))


def test_nothing_but_tenancy_writes_the_predicate() -> None:
    root = Path(tenancy.__file__).parents[1]
    sources = {file: file.read_text() for file in root.rglob("*.py") if file != Path(tenancy.__file__)}
    assert [file for file, text in sources.items() if re.search(r"project_id = ANY", text)] == []
    answers = (root / "contract", root / "endpoints", root / "http", root / "rollups" / "query")
    read = {file: text for file, text in sources.items() if any(file.is_relative_to(part) for part in answers)}
    assert [file for file, text in read.items() if re.search(r"org_id\s*=|\$2::text\[\]", text)] == []


@NAMING
async def test_organisations_never_see_each_others_rows(database_url: str, endpoint: Endpoint[Any]) -> None:
    await insert(
        database_url,
        [
            a_row(1, trace_id="shared", model="ours", user_id="u", input_text="ours", price_status="partial"),
            a_row(
                2,
                trace_id="shared",
                model="secret",
                org_id="globex",
                user_id="u",
                total_cost_usd=Decimal(7),
                price_status="partial",
            ),
        ],
    )
    question = SPAN | asked(endpoint)
    async with a_service(database_url) as client:
        for _ in range(2):  # computed, and from the cache
            ours = await client.ask(endpoint, path(endpoint), **question)
            theirs = await client.ask(
                endpoint, path(endpoint), **SPAN, **asked(endpoint), token=a_token(org_id="globex")
            )
            nobody = await client.ask(
                endpoint, path(endpoint), **SPAN, **asked(endpoint), token=a_token(org_id="initech")
            )
            assert b"ours" in ours.body
            assert b"secret" not in ours.body
            assert b"ours" not in theirs.body
            assert b"secret" in theirs.body
            assert not any(word in nobody.body for word in (b"ours", b"secret"))
            assert len({one.headers.get("ETag") for one in (ours, theirs, nobody)}) == 3


@NAMING
async def test_projects_confine_a_token(database_url: str, endpoint: Endpoint[Any]) -> None:
    rows = [
        a_row(
            number,
            trace_id="shared",
            project_id=f"p{number}",
            model=f"model-{number}",
            user_id="u",
            price_status="partial",
        )
        for number in range(4)
    ]
    await insert(database_url, rows)
    question = SPAN | asked(endpoint)
    async with a_service(database_url) as client:
        some = await client.ask(
            endpoint, path(endpoint), **SPAN, **asked(endpoint), token=a_token(projects=["p1", "p2"])
        )
        outside = await client.ask(
            endpoint, path(endpoint), **question, project_id="p3", token=a_token(projects=["p1", "p2"])
        )
        every = await client.ask(endpoint, path(endpoint), **question)
    assert [f"model-{number}".encode() in some.body for number in range(4)] == [False, True, True, False]
    assert [f"model-{number}".encode() in every.body for number in range(4)] == [True] * 4
    refused = 422 if endpoint.method.has_body else 400
    assert outside.status == (200 if "project_id" in endpoint.params.model_fields else refused)
    assert b"model-" not in outside.body


async def test_a_cursor_is_of_no_use_to_another_principal_or_question(database_url: str) -> None:
    await insert(database_url, [a_row(number, org_id=org) for number in range(5) for org in ("acme", "globex")])
    async with a_service(database_url) as client:
        cursor = (await client.get("/api/v1/traces", **SPAN, limit=2)).json["pagination"]["cursor"]
        good = await client.get("/api/v1/traces", **SPAN, limit=2, cursor=cursor)
        assert [trace["trace_id"] for trace in good.data] == ["trace-00002", "trace-00001"]
        refused: list[dict[str, Any]] = [
            {**SPAN, "token": a_token(org_id="globex")},
            {**SPAN, "token": a_token(projects=["web"])},
            {**SPAN, "model": "gpt-4"},
            {**SPAN, "sort_order": "asc"},
            {"from_": T0 - HOUR, "to": T0 + HOUR},
        ]
        for changed in refused:
            response = await client.get("/api/v1/traces", limit=2, cursor=cursor, **changed)
            assert (response.status, response.json["error_code"]) == (400, "INVALID_CURSOR"), changed
        for place in range(0, len(cursor), 7):
            forged = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
            assert (await client.get("/api/v1/traces", **SPAN, limit=2, cursor=forged)).status == 400
