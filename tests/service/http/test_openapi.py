"""The document says what the endpoints declare, and their answers are as it says."""

from datetime import timedelta
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
    "search_traces": {"include": ["io", "attributes", "total"], "sort_by": "model"},
    "get_trace": {"include": "io,attributes"},
    "get_metrics": {"metrics": "request_count,total_cost,duration,unique_users", "include_percentiles": True},
    "query_metrics": {"metrics": [{"metric": "duration", "aggregation": "p95"}, {"metric": "unique_users"}]},
    "get_costs_summary": {"include_top_traces": True},
    "get_costs_attribution": {"dimension": "tag"},
    "get_costs_forecast": {"to": T0 + timedelta(days=9)},
    "get_costs_explanation": {"dimension": "tag"},
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
        parameters = [one["name"] for one in operation["parameters"] if one["in"] != "header"]
        found = parameters + list(members.get("properties", ()))
        assert found == names(endpoint.params)
        for parameter in operation["parameters"]:
            jsonschema.Draft202012Validator.check_schema(parameter["schema"])
            assert "$ref" not in orjson.dumps(parameter).decode()


def test_lists_in_queries_are_written_as_they_are_parsed() -> None:
    operations = [operation for methods in DOCUMENT["paths"].values() for operation in methods.values()]
    lists = [one for each in operations for one in each["parameters"] if one["schema"].get("type") == "array"]
    assert {"fields", "tags", "metrics", "models"} <= {one["name"] for one in lists}
    assert all((one["style"], one["explode"]) == ("form", False) for one in lists)
    assert not any({"minLength", "maxLength"} & one["schema"].keys() for one in lists)


def test_the_table_is_the_api() -> None:
    assert [(endpoint.method, endpoint.path, endpoint.permission) for endpoint in ENDPOINTS] == [
        ("GET", "/api/v1/traces", "traces:read"),
        ("POST", "/api/v1/traces/search", "traces:read"),
        ("GET", "/api/v1/traces/{trace_id}", "traces:read"),
        ("DELETE", "/api/v1/traces", "traces:delete"),
        ("GET", "/api/v1/metrics", "metrics:read"),
        ("GET", "/api/v1/metrics/summary", "metrics:read"),
        ("POST", "/api/v1/metrics/query", "metrics:query"),
        ("GET", "/api/v1/costs/summary", "costs:read"),
        ("GET", "/api/v1/costs/attribution", "costs:read"),
        ("GET", "/api/v1/costs/forecast", "costs:read"),
        ("GET", "/api/v1/costs/explain", "costs:read"),
        ("GET", "/api/v1/prices/coverage", "costs:read"),
        ("POST", "/api/v1/export/traces", "exports:create"),
        ("GET", "/api/v1/export/jobs", "exports:read"),
        ("GET", "/api/v1/export/jobs/{job_id}", "exports:read"),
        ("DELETE", "/api/v1/export/jobs/{job_id}", "exports:cancel"),
        ("GET", "/api/v1/export/jobs/{job_id}/download", "exports:download"),
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
        asked: dict[str, Any] = {"from_": T0, "to": T0 + HOUR, **ASKED.get(endpoint.name, {})}
        answer = await client.ask(endpoint, path, **asked)
        problem = await client.ask(endpoint, path, nonsense=1)
        served = await client.request("GET", "/openapi.json")
    assert answer.status == 200, answer.body
    method, refused = endpoint.method.lower(), "422" if endpoint.method.has_body else "400"
    jsonschema.validate(orjson.loads(answer.body), schema(endpoint.path, "200", "application/json", method))
    jsonschema.validate(orjson.loads(problem.body), schema(endpoint.path, refused, "application/problem+json", method))
    assert orjson.loads(served.body) == DOCUMENT
