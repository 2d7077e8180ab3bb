"""Whatever goes wrong, a client gets a problem with a code, an id, and no secret."""

import asyncio
import json
import socket
from typing import Any

import pytest

from analytics_service.contract import problems
from analytics_service.contract.problems import Problem
from analytics_service.http.refusals import MAX_HEADER_BYTES, MAX_HEADERS, MAX_URL_BYTES
from tests.support.postgres import PASSWORD
from tests.support.service import SECRET, T0, Client, a_row, a_service, a_token, execute, insert

RANGES = {
    "authentication": range(1000, 1004),
    "authorization": range(1100, 1103),
    "validation": range(1200, 1206),
    "not_found": range(1300, 1304),
    "conflict": range(1400, 1403),
    "rate_limit": range(1500, 1503),
    "database": range(1600, 1604),
    "dependency": range(1700, 1703),
    "timeout": range(1800, 1802),
    "internal": range(1900, 1903),
}


@pytest.mark.parametrize("problem", Problem, ids=lambda problem: problem.name)
def test_every_code_lies_in_the_range_of_its_category(problem: Problem) -> None:
    assert problem.value.code in RANGES[problem.value.category]


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        pytest.param("GET", "/nothing", {}, 404, "ROUTE_NOT_FOUND", id="no such path"),
        pytest.param("GET", "/api/v1/nothing", {}, 404, "ROUTE_NOT_FOUND", id="no such route"),
        pytest.param("DELETE", "/api/v1/metrics", {}, 405, "METHOD_NOT_ALLOWED", id="another method"),
        pytest.param("PROPFIND", "/api/v1/traces", {}, 405, "METHOD_NOT_ALLOWED", id="an unknown method"),
        pytest.param("GET", "/api/v1/traces", {}, 401, "AUTHENTICATION_REQUIRED", id="no token"),
        pytest.param(
            "GET",
            "/api/v1/traces",
            {"headers": {"Authorization": "Bearer x.y.z"}},
            401,
            "INVALID_TOKEN",
            id="a bad token",
        ),
        pytest.param(
            "GET",
            "/api/v1/traces",
            {"headers": {"Authorization": f"Bearer {a_token(role='billing')}"}},
            403,
            "INSUFFICIENT_PERMISSIONS",
            id="no permission",
        ),
    ],
)
async def test_every_refusal_has_a_body(
    database_url: str, *, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    async with a_service(database_url, ready=False) as client:
        response = await client.request(method, path, **options)
    assert response.status == status
    assert response.headers["Content-Type"].startswith(problems.MEDIA_TYPE)
    body = response.json
    assert (body["status"], body["error_code"], body["instance"]) == (status, code, path)
    assert body["code"] == Problem[code].value.code
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert body.keys() >= {"type", "title", "detail", "category"}
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    assert ("Allow" in response.headers) == (status == 405)


@pytest.mark.parametrize(
    ("path", "params", "code", "field"),
    [
        pytest.param("traces", {"colour": "red"}, "UNKNOWN_PARAMETER", "colour", id="unknown"),
        pytest.param("traces", {"_after": "x"}, "UNKNOWN_PARAMETER", "_after", id="a name of ours"),
        pytest.param("traces", {"from_": "now"}, "UNKNOWN_PARAMETER", "from_", id="a name of Python's"),
        pytest.param(
            "traces", {"from": "now-1h", "start_time": "now-2h"}, "INVALID_PARAMETER", "start_time", id="twice"
        ),
        pytest.param("traces", {"limit": "1_0"}, "INVALID_PARAMETER", "limit", id="a number as Python has it"),
        pytest.param("traces", {"cursor": "a b"}, "INVALID_CURSOR", "cursor", id="a cursor with a space"),
        pytest.param("traces", {"limit": "0"}, "INVALID_PARAMETER", "limit", id="too few"),
        pytest.param("traces", {"limit": "1001"}, "INVALID_PARAMETER", "limit", id="too many"),
        pytest.param("traces", {"sort_by": "ts; DROP TABLE traces"}, "INVALID_PARAMETER", "sort_by", id="SQL"),
        pytest.param("traces", {"model": "a\0b"}, "INVALID_PARAMETER", "model", id="NUL"),
        pytest.param("traces", {"tz": "Mars/Olympus"}, "INVALID_PARAMETER", "tz", id="no such zone"),
        pytest.param("traces", {"fields": "ts,secret"}, "INVALID_PARAMETER", "fields", id="no such field"),
        pytest.param("traces", {"min_cost": "NaN"}, "INVALID_PARAMETER", "min_cost", id="not a number"),
        pytest.param("traces", {"from": "soon"}, "INVALID_TIME_RANGE", "from", id="no time"),
        pytest.param("traces", {"from": "now", "to": "now-1h"}, "INVALID_TIME_RANGE", "from", id="backwards"),
        pytest.param("traces", {"from": "now-100d"}, "INVALID_TIME_RANGE", "from", id="too long"),
        pytest.param("traces", {"from": "now-8d", "search": "abc"}, "INVALID_TIME_RANGE", "search", id="long search"),
        pytest.param(
            "traces", {"from": "now-32d", "sort_by": "model"}, "INVALID_TIME_RANGE", "sort_by", id="long sort"
        ),
        pytest.param("traces", {"cursor": "abc"}, "INVALID_CURSOR", "cursor", id="no cursor"),
        pytest.param("metrics", {}, "INVALID_PARAMETER", "metrics", id="missing"),
        pytest.param("metrics", {"metrics": "happiness"}, "INVALID_PARAMETER", "metrics", id="no such metric"),
        pytest.param(
            "metrics",
            {"metrics": "total_cost", "aggregation": "p95", "from": "now-8d"},
            "RANGE_TOO_LARGE",
            "aggregation",
            id="percentiles of a long range",
        ),
        pytest.param(
            "metrics",
            {"metrics": "unique_sessions", "from": "now-8d"},
            "RANGE_TOO_LARGE",
            "metrics",
            id="sessions of a long range",
        ),
        pytest.param(
            "metrics",
            {"metrics": "request_count", "interval": "1min", "from": "now-8d"},
            "RANGE_TOO_LARGE",
            "interval",
            id="minutes of a long range",
        ),
        pytest.param(
            "costs/summary",
            {"from": "now-32d", "include_top_traces": "true"},
            "RANGE_TOO_LARGE",
            "include_top_traces",
            id="top traces of a long range",
        ),
    ],
)
async def test_a_wrong_parameter_is_named(
    database_url: str, path: str, params: dict[str, str], code: str, field: str
) -> None:
    async with a_service(database_url, ready=False) as client:
        headers = {"Authorization": f"Bearer {client.token}"}
        response = await client.request("GET", f"/api/v1/{path}", params=params, headers=headers)
    assert response.status == 400
    assert (response.json["error_code"], response.json["field"]) == (code, field)
    assert response.headers["X-RateLimit-Limit"] == "10000"


@pytest.mark.parametrize("replay", ["on", "off"])
@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param(b"BREW:coffee with-a-secret", 400, b"VALIDATION_ERROR", id="no HTTP"),
        pytest.param(b"GET /secret\xff HTTP/1.1", 400, b"VALIDATION_ERROR", id="a path that is no text"),
        pytest.param(b"GET /secret%ff%00 HTTP/1.1", 404, b"ROUTE_NOT_FOUND", id="an escaped one"),
        pytest.param(b"GET /" + b"secret" * 4000 + b" HTTP/1.1", 414, b"URL_TOO_LONG", id="a long one"),
        pytest.param(
            b"GET /health HTTP/1.1\r\nX-Long: " + b"secret" * 4000, 431, b"HEADER_TOO_LARGE", id="a long header"
        ),
        pytest.param(b"GET /health HTTP/1.1" + b"\r\nX: secret" * 129, 431, b"HEADER_TOO_LARGE", id="many headers"),
        pytest.param(b"GET /health HTTP/1.1\r\nExpect: secret", 417, b"EXPECTATION_FAILED", id="an expectation"),
        pytest.param(b"GET /nothing HTTP/1.1\r\nExpect: secret", 417, b"EXPECTATION_FAILED", id="one of no route"),
        pytest.param(b"OPTIONS * HTTP/1.1", 404, b"ROUTE_NOT_FOUND", id="no path"),
        pytest.param(
            b"GET /api/v1/traces HTTP/1.1\r\nAuthorization: Bearer secret\xff\xfe",
            401,
            b"INVALID_TOKEN",
            id="a token that is no text",
        ),
        pytest.param(
            b"GET /health HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            400,
            b"VALIDATION_ERROR",
            id="two lengths",
        ),
    ],
)
async def test_bytes_that_make_no_sense_get_a_problem(
    database_url: str, request_: bytes, status: int, code: bytes, replay: str
) -> None:
    async with a_service(database_url, ready=False, ANSWER_REPLAY=replay) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.running.port)
        writer.write(request_ + b"\r\nHost: here\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    assert b" %d " % status in answer.splitlines()[0]
    assert b"application/problem+json" in answer
    assert b'"error_code":"%s"' % code in answer
    assert b"aiohttp" not in answer
    assert (b"secret" in answer) == (b"ROUTE" in code and b"secret" in request_)  # `instance` names it


@pytest.mark.parametrize(
    "claim", [{"sub": "a\0b"}, {"org_id": "a\0b"}, {"org_id": "\ud83d"}, {"projects": ["a\0b"]}], ids=str
)
async def test_a_claim_that_no_database_can_hold_is_401(database_url: str, claim: dict[str, Any]) -> None:
    """The database is there and ready: without the check it would refuse the statement."""
    async with a_service(database_url) as client:
        for path in ("traces", "metrics?metrics=request_count", "costs/summary", "traces/t"):
            answer = await client.get(f"/api/v1/{path}", token=a_token(**claim))
            assert (answer.status, answer.json["error_code"]) == (401, "INVALID_TOKEN")
            assert f"the claim `{next(iter(claim))}" in answer.json["detail"]


REFUSALS = [
    (b"GET /%s HTTP/1.1" % (b"u" * MAX_URL_BYTES), 414, "the URL may have at most 8190 bytes"),
    (b"GET /%s HTTP/1.1" % (b"u" * (MAX_URL_BYTES - 1)), 404, "nothing at this path"),
    (b"GET /nothing HTTP/1.1\r\nX: %s" % (b"h" * MAX_HEADER_BYTES), 431, "a header may have at most 8192 bytes"),
    (b"GET /nothing HTTP/1.1\r\nX: %s" % (b"h" * (MAX_HEADER_BYTES - 1)), 404, "nothing at this path"),
    (b"GET /nothing HTTP/1.1" + b"\r\nX: y" * (MAX_HEADERS + 1), 431, "a request may have at most 128 headers"),
    (b"GET /nothing HTTP/1.1" + b"\r\nX: y" * (MAX_HEADERS - 2), 404, "nothing at this path"),
    (b"GET /nothing HTTP/1.1\r\nExpect: a-miracle", 417, "only expectation that is met is `Expect: 100-continue`"),
    (b"GET /nothing HTTP/1.1\r\nExpect: 100-continue", 404, "nothing at this path"),
    (b"HELO example.org", 400, "the first line is not one of an HTTP/1.1 request"),
    (b"GET / HTTP/1.1\r\nNo header", 400, "the bytes are not those of an HTTP/1.1 request"),
]


async def test_a_refusal_of_the_library_says_which_bound(database_url: str) -> None:
    async with a_service(database_url, ready=False) as client:
        for line, status, detail in REFUSALS:
            reader, writer = await asyncio.open_connection("127.0.0.1", client.running.port)
            writer.write(line + b"\r\nHost: here\r\nConnection: close\r\n\r\n")
            head, _, body = (await reader.read()).rpartition(b"\r\n\r\n")
            writer.close()
            await writer.wait_closed()
            problem = json.loads(body)
            assert problem["status"] == status, line[:40]
            assert detail in problem["detail"], line[:40]
            assert b" %d " % status in head.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").splitlines()[0]
            assert b"\r\nX-Request-ID: " + problem["request_id"].encode() in head
            assert b"\r\nServer: analytics-service" in head


async def test_the_port_of_metrics_names_no_library_either(database_url: str) -> None:
    async with a_service(database_url, ready=False) as client:
        for method, path, headers, status in (
            ("GET", "/nothing", {}, 404),
            ("POST", "/metrics", {}, 405),
            ("GET", "/metrics", {"Expect": "a-miracle"}, 417),
        ):
            url = f"http://127.0.0.1:{client.running.metrics_port}{path}"
            async with client.session.request(method, url, headers=headers) as answer:
                body = await answer.json(content_type=problems.MEDIA_TYPE)
            assert (answer.status, body["status"], body["instance"]) == (status, status, path)
            assert answer.headers["Server"] == "analytics-service"
            assert ("Allow" in answer.headers) == (status == 405)


async def test_a_repeated_parameter_is_named(database_url: str) -> None:
    async with a_service(database_url, ready=False) as client:
        headers = {"Authorization": f"Bearer {client.token}"}
        response = await client.request("GET", "/api/v1/traces?limit=1&limit=2", headers=headers)
    assert (response.status, response.json["field"]) == (400, "limit")


async def test_without_a_database_requests_are_503_and_name_no_secret() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgres://someone:{PASSWORD}@127.0.0.1:{nobody.getsockname()[1]}/somewhere"
        async with a_service(url, ready=False) as client:
            response = await client.get("/api/v1/traces")
            ready = await client.request("GET", "/health/ready")
    assert (response.status, response.json["error_code"]) == (503, "DATABASE_CONNECTION_FAILED")
    assert response.headers["Retry-After"] == "5"
    assert ready.status == 503
    for body in (response.body, ready.body):
        assert not any(secret.encode() in body for secret in (PASSWORD, SECRET, "someone", "somewhere"))


async def test_a_statement_that_takes_too_long_is_504(database_url: str) -> None:
    await insert(database_url, [a_row()])
    async with a_service(database_url, DATABASE_STATEMENT_TIMEOUT_SECONDS="1") as client:
        await execute(
            database_url,
            "ALTER TABLE traces RENAME TO spans;"
            "CREATE VIEW traces AS SELECT * FROM spans WHERE pg_sleep(3) IS NOT NULL",
        )
        response = await client.get("/api/v1/traces", from_=T0, to="2024-03-05T00:00:00Z")
    assert (response.status, response.json["error_code"]) == (504, "QUERY_TIMEOUT")
    assert b"statement timeout" not in response.body


async def test_a_defect_of_ours_is_500_with_an_id_and_nothing_else(database_url: str) -> None:
    async with a_service(database_url) as client:
        await execute(database_url, "ALTER TABLE traces RENAME COLUMN model TO secret_model")
        response = await client.get("/api/v1/traces", from_=T0, to="2024-03-05T00:00:00Z")
    assert response.status in {500, 503}
    assert b"secret_model" not in response.body
    assert b"model" not in response.body


async def test_a_head_request_answers_without_a_body(database_url: str) -> None:
    async with a_service(database_url) as client:
        headers = {"Authorization": f"Bearer {client.token}"}
        response = await client.request("HEAD", "/api/v1/traces", headers=headers)
    assert (response.status, response.body) == (200, b"")


async def client_is_limited(client: Client) -> None:
    """Uses up a viewer's burst."""
    token = a_token(role="viewer")
    for _ in range(10_000):  # the burst is 1,200, and grows again while a busy machine asks slowly
        response = await client.get("/api/v1/traces", token=token, limit="x")
        if response.status == 429:
            assert response.json["error_code"] == "RATE_LIMIT_EXCEEDED"
            assert int(response.headers["Retry-After"]) >= 1
            assert response.headers["X-RateLimit-Remaining"] == "0"
            return
    raise AssertionError("never limited")


async def test_too_many_requests_are_429(database_url: str) -> None:
    async with a_service(database_url, ready=False, LOG_LEVEL="error") as client:
        await client_is_limited(client)
        assert await client.metric("rate_limit_exceeded_total", role="viewer") == 1
        assert (await client.get("/api/v1/traces", token=a_token(sub="bob"), limit="x")).status == 400
