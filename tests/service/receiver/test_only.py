"""Processes that only take rows, beside those that only answer."""

from tests.support.otlp import JSON, Span, encoded
from tests.support.process import Process, serving
from tests.support.service import a_token

SPAN = Span()
TRACE = f"/api/v1/traces/{SPAN.trace_id}"


async def ask(process: Process, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {a_token()}", "Content-Type": JSON}
    async with process.session.request(method, process.url + path, data=body, headers=headers) as response:
        return response.status, await response.read()


async def test_a_span_that_one_has_acknowledged_is_in_the_answer_of_the_other(database_url: str) -> None:
    async with serving(database_url, "serve --only ingest") as takes, serving(database_url, "serve --only api") as api:
        for each in (takes, api):
            for probe in ("startup", "live", "ready"):
                await each.until(f"/health/{probe}", 200)
        assert (await ask(api, "GET", TRACE))[0] == 404
        status, body = await ask(takes, "POST", "/v1/traces", encoded([SPAN], JSON))
        assert (status, body) == (200, b"{}")
        status, body = await ask(api, "GET", TRACE)
        assert status == 200
        assert SPAN.span_id.encode() in body
        assert (await ask(api, "POST", "/v1/traces", encoded([SPAN], JSON)))[0] == 404
        assert (await ask(takes, "GET", TRACE))[0] == 404


async def test_to_take_rows_only_and_none_is_a_mistake(database_url: str) -> None:
    async with serving(database_url, "serve --only ingest", INGEST_ENABLED="off") as process:
        code, output = await process.ended()
    assert code == 2
    assert "INGEST_ENABLED: is off, and with --only ingest nothing would be served" in output
