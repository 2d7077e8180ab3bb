"""The document says what the endpoints declare, and their answers are as it says."""

from decimal import Decimal
from typing import Any

import jsonschema
import orjson
import pytest

from analytics_service.contract.endpoint import Read
from analytics_service.contract.principal import Permission
from analytics_service.contract.wire import names
from analytics_service.endpoints import ENDPOINTS, INGEST_ENDPOINTS
from analytics_service.http.openapi import document
from tests.support.service import HOUR, T0, a_row, a_service, insert

ALL = (*ENDPOINTS, *INGEST_ENDPOINTS)
DOCUMENT: dict[str, Any] = orjson.loads(orjson.dumps(document(ALL)))
ASKED: dict[str, dict[str, Any]] = {
    "list_traces": {"include": "io,attributes,total,children", "limit": 1},
    "get_trace": {"include": "io,attributes"},
    "get_metrics": {"metrics": "request_count,total_cost,duration,unique_users", "include_percentiles": True},
    "get_costs_summary": {"include_top_traces": True},
    "compare_models": {"models": "gpt-4,another"},
}


def schema(path: str, status: str, media: str, method: str = "get") -> dict[str, Any]:
    found = DOCUMENT["paths"][path][method]["responses"][status]["content"][media]["schema"]
    return {**found, "components": DOCUMENT["components"]}


def test_every_endpoint_and_each_of_its_parameters_is_in_the_document() -> None:
    assert DOCUMENT["openapi"] == "3.1.0"
    assert list(DOCUMENT["paths"]) == list(dict.fromkeys(endpoint.path for endpoint in ALL))
    for endpoint in ENDPOINTS:
        operation = DOCUMENT["paths"][endpoint.path][endpoint.method.lower()]
        assert operation["operationId"] == endpoint.name
        members = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        found = [one["name"] for one in operation["parameters"]] + list(members.get("properties", ()))
        assert found == names(endpoint.params)
        for parameter in operation["parameters"]:
            jsonschema.Draft202012Validator.check_schema(parameter["schema"])
            assert "$ref" not in orjson.dumps(parameter).decode()


def test_the_table_is_the_api() -> None:
    assert [(endpoint.method, endpoint.path, endpoint.permission) for endpoint in ENDPOINTS] == [
        ("GET", "/api/v1/traces", "traces:read"),
        ("GET", "/api/v1/traces/{trace_id}", "traces:read"),
        ("DELETE", "/api/v1/traces", "traces:delete"),
        ("GET", "/api/v1/metrics", "metrics:read"),
        ("GET", "/api/v1/costs/summary", "costs:read"),
        ("GET", "/api/v1/prices/coverage", "costs:read"),
        ("GET", "/api/v1/analytics/performance", "analytics:read"),
        ("GET", "/api/v1/analytics/quality", "analytics:read"),
        ("GET", "/api/v1/analytics/models/compare", "analytics:read"),
        ("GET", "/api/v1/analytics/optimization", "analytics:read"),
        ("POST", "/api/v1/scores", "traces:write"),
        ("GET", "/api/v1/keys", "keys:write"),
        ("POST", "/api/v1/keys", "keys:write"),
        ("DELETE", "/api/v1/keys/{key_id}", "keys:write"),
        ("POST", "/api/v1/keys/{key_id}/rotate", "keys:write"),
        ("GET", "/api/v1/auth/me", None),
    ]


def test_the_table_is_all_that_takes_rows() -> None:
    assert {endpoint.permission for endpoint in INGEST_ENDPOINTS} == {Permission.TRACES_WRITE}
    assert [endpoint.path for endpoint in INGEST_ENDPOINTS] == [
        "/api/v1/traces",
        *(f"{prefix}/v1/{signal}" for prefix in ("", "/api/v1/otlp") for signal in ("traces", "logs", "metrics")),
        "/api/public/otel/v1/traces",
    ]
    for endpoint in INGEST_ENDPOINTS:
        content = DOCUMENT["paths"][endpoint.path]["post"]["requestBody"]["content"]
        for each in content.values():
            jsonschema.Draft202012Validator.check_schema(each["schema"])


def test_names_of_endpoints_and_paths_are_unique() -> None:
    assert (
        len({endpoint.name for endpoint in ALL})
        == len({(endpoint.method, endpoint.path) for endpoint in ALL})
        == len(ALL)
    )


READS = [endpoint for endpoint in ENDPOINTS if isinstance(endpoint, Read)]


@pytest.mark.parametrize("endpoint", READS, ids=lambda endpoint: endpoint.name)
async def test_answers_and_problems_are_as_the_document_says(database_url: str, endpoint: Any) -> None:
    await insert(database_url, [a_row(number, total_cost_usd=Decimal("0.1"), tags=["a"]) for number in range(3)])
    async with a_service(database_url) as client:
        path = endpoint.path.format(trace_id="trace-00000")
        answer = await client.get(path, from_=T0, to=T0 + HOUR, **ASKED.get(endpoint.name, {}))
        problem = await client.get(path, nonsense=1)
        served = await client.request("GET", "/openapi.json")
    assert answer.status == 200, answer.body
    jsonschema.validate(orjson.loads(answer.body), schema(endpoint.path, "200", "application/json"))
    jsonschema.validate(orjson.loads(problem.body), schema(endpoint.path, "400", "application/problem+json"))
    assert orjson.loads(served.body) == DOCUMENT
