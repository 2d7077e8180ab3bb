"""Logs say which request failed and why, as JSON; never what clients wrote or hold."""

import json
from typing import Any

import pytest
from asyncpg.exceptions._base import DataError

from analytics_service import settings
from analytics_service.database.failures import FailureReason, classify
from analytics_service.settings import LogLevel
from tests.support.postgres import PASSWORD
from tests.support.process import Process, serving
from tests.support.redis import RedisServer
from tests.support.service import HOUR, SECRET, T0, a_row, a_token, execute, insert

PROMPT = "my cat's secret diary"
PARAMS = {"from": f"{T0:%Y-%m-%dT%H:%M:%SZ}", "to": f"{T0 + HOUR:%Y-%m-%dT%H:%M:%SZ}"}
TRACE = "0af7651916cd43dd8448eb211c80319c"


async def asked(service: Process, path: str = "/api/v1/traces", *, token: str, **params: Any) -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "mine", "traceparent": f"00-{TRACE}-{'b' * 16}-01"}
    async with service.session.get(f"{service.url}{path}", headers=headers, params=params) as response:
        return response.status, await response.text()


async def test_the_log_names_requests_and_causes_and_nothing_that_clients_wrote_or_hold(
    database_url: str, redis: RedisServer
) -> None:
    await insert(database_url, [a_row(input_text=PROMPT, output_text=PROMPT, user_id=PROMPT)])
    token = a_token(sub=PROMPT)
    async with serving(database_url, LOG_LEVEL="debug", REDIS_URL=redis.url) as service:
        await service.until("/health/ready", 200)
        status, found = await asked(service, token=token, **PARAMS, search=PROMPT, include="io")
        assert (status, PROMPT in found) == (200, True)
        for wrong in ({"limit": PROMPT}, {PROMPT: 1}, {"cursor": PROMPT}, {"sort_by": PROMPT}):
            assert (await asked(service, token=token, **wrong))[0] == 400
        assert (await asked(service, f"/api/v1/traces/{PROMPT}", token=token))[0] == 404
        assert (await asked(service, f"/{PROMPT}", token=token))[0] == 404
        assert (await asked(service, token=f"{token}x"))[0] == 401
        redis.stop()
        await execute(database_url, "ALTER TABLE traces RENAME COLUMN input_text TO elsewhere")
        status, told = await asked(service, token=token, **PARAMS, search=PROMPT, limit=7)
        assert (status, "input_text" in told) == (503, False)
        service.process.terminate()
        _, output = await service.ended()
    lines = [json.loads(line) for line in output.splitlines()]
    requests = [line for line in lines if line["event"] == "request" and line.get("request_id") == "mine"]
    assert [line["status"] for line in requests] == [200, 400, 400, 400, 400, 404, 404, 401, 503]
    assert {(line["method"], line["level"], line["trace_id"]) for line in requests} == {("GET", "info", TRACE)}
    assert {line["route"] for line in requests} == {"/api/v1/traces", "/api/v1/traces/{trace_id}", "unmatched"}
    (cause,) = [line for line in lines if line["event"] == "the database failed"]
    assert (cause["request_id"], cause["error_code"], cause["level"]) == ("mine", "SCHEMA_INCOMPATIBLE", "error")
    for hidden in (PROMPT, "diary", token, token.rsplit(".", 1)[0], SECRET, PASSWORD):
        assert hidden not in output


async def test_the_log_can_be_text_and_quiet(database_url: str) -> None:
    async with serving(database_url, LOG_FORMAT="text", RUST_LOG="analytics_api=warn,tower_http=info") as service:
        await service.until("/health/ready", 200)
        assert await service.status("/nothing") == 404
        service.process.terminate()
        code, output = await service.ended()
    assert (code, output) == (0, "")


@pytest.mark.parametrize(
    ("environment", "level"),
    [
        pytest.param({}, LogLevel.INFO, id="neither"),
        pytest.param({"RUST_LOG": "warn"}, LogLevel.WARNING, id="RUST_LOG"),
        pytest.param({"RUST_LOG": "analytics_api=debug,tower_http=info"}, LogLevel.DEBUG, id="RUST_LOG of the guide"),
        pytest.param({"RUST_LOG": "analytics_api,tower_http=warn"}, LogLevel.WARNING, id="the first that is a level"),
        pytest.param({"RUST_LOG": "debug", "LOG_LEVEL": "error"}, LogLevel.ERROR, id="LOG_LEVEL first"),
    ],
)
def test_the_level_is_what_the_environment_says(environment: dict[str, str], level: LogLevel) -> None:
    assert settings.load(environment).log_level is level


def test_an_argument_that_does_not_fit_is_named_and_not_shown() -> None:
    failure = classify(DataError(f"invalid input for query argument $5: {PROMPT!r} (expected int)"), "")
    assert (failure.reason, failure.message) == (FailureReason.OTHER, "an argument does not fit its statement ($5)")
