"""Rows that a client sends in the fields of `import`, with counts, errors by position, and keys of requests."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.policies.desired import Policy, desired_values
from analytics_service.policies.published import publish
from analytics_service.settings import Settings
from tests.support.keys import created
from tests.support.otlp import Span, encoded, send
from tests.support.service import Client, Response, a_token, execute

NOW = datetime.now(UTC)
LINES = "application/x-ndjson"


def a_row(number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "ts": (NOW - timedelta(seconds=number)).isoformat(),
        "provider": "openai",
        "model": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 100,
        "user": "ann",
        **changes,
    }


async def post(
    client: Client, body: Any, media_type: str = "application/json", *, token: str | None = None, **headers: str
) -> Response:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await send(client, sent, media_type, path="/api/v1/traces", token=token, **headers)


async def test_an_object_an_array_and_lines_are_stored_once(client: Client, stored: Callable[[str], str]) -> None:
    rows = [a_row(number, tags=["a"], attributes={"k": number}, cost="0.25") for number in range(1, 4)]
    assert (await post(client, rows[0])).data == {"accepted": 1, "known": 0, "rejected": 0, "errors": []}
    assert (await post(client, rows)).data == {"accepted": 3, "known": 1, "rejected": 0, "errors": []}
    lines = b"\n".join(json.dumps(row).encode() for row in [*rows, a_row(9)]) + b"\n\n"
    for known in (3, 4):
        answer = await post(client, lines, LINES)
        assert answer.data == {"accepted": 4, "known": known, "rejected": 0, "errors": []}
    assert stored("SELECT count(*), trim_scale(sum(total_cost_usd)), min(user_id), min(tags::text) FROM traces") == (
        "4|0.7535|ann|{a}"
    )
    assert answer.json["meta"]["request_id"] == answer.headers["X-Request-ID"]


async def test_batches_of_a_gateway_that_come_again_are_known(client: Client, stored: Callable[[str], str]) -> None:
    """As LiteLLM's logger sends them: a batch that was not answered in time comes again, with more."""
    calls = [
        {
            "id": f"chatcmpl-{number}",
            "call_type": "acompletion",
            "response_cost": 0.25,
            "model_map_information": {"model_map_key": "gpt-4o"},
            "custom_llm_provider": "openai",
            "model": "gpt-4o",
            "startTime": NOW.timestamp() - number,
            "endTime": NOW.timestamp() - number + 2,
            "prompt_tokens": 1000,
            "completion_tokens": 100,
            "total_tokens": 1100,
            "end_user": "ann",
            "request_tags": ["search"],
            "status": "success",
            "metadata": {
                "user_api_key_team_id": "web-team",
                "user_api_key_alias": "web",
                "usage_object": {"prompt_tokens_details": {"cached_tokens": 400}},
            },
            "messages": [{"role": "user", "content": "How are you?"}],
        }
        for number in range(6)
    ]
    for batch, known in ((calls[:3], 0), (calls[:5], 3), (calls, 5)):
        answer = await post(client, batch)
        assert answer.data == {"accepted": len(batch), "known": known, "rejected": 0, "errors": []}
    shown = "count(*), trim_scale(sum(total_cost_usd)), sum(cached_tokens), min(user_id), min(team_id), min(tags::text)"
    assert stored(f"SELECT {shown} FROM traces WHERE is_request") == "6|1.5|2400|ann|web-team|{search}"


async def test_bad_rows_are_named_and_all_others_stored(client: Client, stored: Callable[[str], str]) -> None:
    lines = [
        json.dumps(a_row(1)).encode(),
        b"{",
        b'{"ts": 5}',
        json.dumps(a_row(2, promt="typo")).encode(),
        json.dumps(a_row(3, org_id="rival")).encode(),
        json.dumps(a_row(4, org_id="acme")).encode(),
        json.dumps(a_row(5, input_tokens=-1)).encode(),
        json.dumps({**a_row(6), "ts": "2020-01-01"}).encode(),
        b'{"ts": "' + a_row(7)["ts"].encode() + b'", "model": "first", "model": "last"}',
        b"7",
    ]
    answer = await post(client, b"\n".join(lines), LINES)
    assert (answer.data["accepted"], answer.data["rejected"]) == (3, 7)
    errors = {each["index"]: (each.get("field"), each["detail"]) for each in answer.data["errors"]}
    assert {index: field for index, (field, _) in errors.items()} == {
        1: None,
        2: "ts",
        3: "promt",
        4: "org_id",
        6: "prompt_tokens",
        7: "ts",
        9: None,
    } | {6: errors[6][0]}
    assert "ts_ms" in errors[2][1]
    assert errors[3][1] == "is unknown: put it into attributes, or leave it out"
    assert not any("--" in detail for _, detail in errors.values()), "options of a command are no cure here"
    assert stored("SELECT count(*), count(*) FILTER (WHERE model = 'last') FROM traces") == "3|1"


@pytest.mark.parametrize(
    ("body", "media_type", "status", "field"),
    [
        pytest.param({"model": "x"}, "application/json", 422, "0.ts", id="no row can be used"),
        pytest.param([], "application/json", 422, None, id="nothing"),
        pytest.param(7, "application/json", 422, None, id="a number"),
        pytest.param(b"{", "application/json", 422, None, id="no JSON"),
        pytest.param(b"[" * 100_000, "application/json", 422, None, id="deep"),
        pytest.param(b"\n", LINES, 422, None, id="no line"),
        pytest.param({"resourceSpans": []}, "application/json", 422, "0.resourceSpans", id="a request of OTLP"),
        pytest.param(b"x", "text/csv", 415, None, id="another type"),
        pytest.param(b" " * (2**24 + 1), "application/json", 413, None, id="too long"),
    ],
)
async def test_what_cannot_be_used_is_a_problem(
    client: Client, body: Any, media_type: str, status: int, field: str | None
) -> None:
    answer = await post(client, body, media_type)
    assert (answer.status, answer.json["status"], answer.json.get("field")) == (status, status, field)
    assert answer.headers["Content-Type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    ("published", "age", "accepted"),
    [
        pytest.param(None, 100, False, id="none: its own retention, of 92 days"),
        pytest.param({Policy.RAW: None}, 100, True, id="for ever"),
        pytest.param({Policy.RAW: None}, 500, False, id="for ever, and yet no older than partitions are made for"),
        pytest.param({Policy.RAW: 30}, 40, False, id="a shorter one"),
    ],
)
async def test_rows_are_taken_for_as_long_as_the_worker_retains_them(
    client: Client,
    database_url: str,
    published: dict[Policy, int | None] | None,
    age: int,
    accepted: bool,  # noqa: FBT001
) -> None:
    if published is not None:
        connection: Any = await asyncpg.connect(database_url)
        await publish(connection, {**desired_values(Settings()), **published})
        await connection.close()
    answer = await post(client, [a_row(1), a_row(ts=(NOW - timedelta(days=age)).isoformat())])
    assert answer.data["accepted"] == 1 + accepted


async def test_a_key_has_one_answer_and_its_rows_are_stored_once(
    client: Client, stored: Callable[[str], str], database_url: str
) -> None:
    body = [a_row(1), {"model": "no time"}]
    first = await post(client, body, Idempotency_Key="a-1")
    assert (first.data["accepted"], first.data["rejected"], first.data["known"]) == (1, 1, 0)
    again = await post(client, body, Idempotency_Key="a-1")
    assert (again.data, again.headers["Idempotency-Replayed"]) == (first.data, "true")
    other = await post(client, [a_row(2)], Idempotency_Key="a-1")
    assert (other.status, other.json["error_code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    theirs = await post(client, [a_row(2)], token=a_token(org_id="rival"), Idempotency_Key="a-1")
    assert theirs.data["accepted"] == 1
    assert (await post(client, body, Idempotency_Key="two words")).status == 422
    assert stored("SELECT count(*) FROM traces WHERE org_id = 'acme'") == "1"
    await execute(database_url, "UPDATE ingest_request SET stored_at = now() - interval '25 hours'")
    later = await post(client, [a_row(2)], Idempotency_Key="a-1")
    assert (later.data["accepted"], "Idempotency-Replayed" in later.headers) == (1, False)


async def test_one_of_many_with_the_same_key_stores_its_rows(client: Client, stored: Callable[[str], str]) -> None:
    body = [a_row(number) for number in range(20)]
    answers = await asyncio.gather(*(post(client, body, Idempotency_Key="same") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    assert {json.dumps(answer.data, sort_keys=True) for answer in answers} == {
        '{"accepted": 20, "errors": [], "known": 0, "rejected": 0}'
    }
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 19
    assert stored("SELECT count(*) FROM traces") == "20"


@pytest.mark.parametrize(
    ("projects", "named", "accepted", "project"),
    [
        pytest.param([], None, True, "", id="of all"),
        pytest.param([], "web", True, "web", id="of all, named"),
        pytest.param(["web"], None, True, "web", id="of one"),
        pytest.param(["web"], "web", True, "web", id="of one, named"),
        pytest.param(["web"], "shop", False, "", id="of one, another named"),
        pytest.param(["web", "shop"], "shop", True, "shop", id="of several, named"),
        pytest.param(["web", "shop"], None, False, "", id="of several, not named"),
        pytest.param(["web", "shop"], "bank", False, "", id="of several, another named"),
    ],
)
async def test_a_credential_writes_to_its_projects_only(  # noqa: PLR0917
    client: Client,
    stored: Callable[[str], str],
    projects: list[str],
    named: str | None,
    accepted: bool,  # noqa: FBT001
    project: str,
) -> None:
    token = a_token(projects=projects)
    row = a_row(1, **({} if named is None else {"project": named}))
    answer = await post(client, row, token=token)
    assert answer.status == (200 if accepted else 422)
    resource = {} if named is None else {"analytics__project": named}
    span = await send(client, encoded([Span(ts=NOW)], **resource), token=token)
    assert (span.status, span.body == b"") == (200, accepted)
    assert stored("SELECT array_agg(project_id) FROM traces") == (
        f"{{{project},{project}}}" if accepted and project else '{"",""}' if accepted else ""
    )


@pytest.mark.parametrize("before", ["web", ""])
async def test_a_credential_changes_no_row_of_another_project(
    client: Client, stored: Callable[[str], str], before: str
) -> None:
    """Not even where it knows the ids of a span: its text would come to stand beside the other's."""
    named = {"project": before} if before else {}
    ids = {"trace_id": "t", "span_id": "s"}
    assert (await post(client, a_row(1, **ids, **named, input="mine"))).data["accepted"] == 1
    theirs = a_token(projects=["shop"])
    answer = await post(client, [a_row(1, **ids, input="longer than mine"), a_row(2, **ids, model="x")], token=theirs)
    assert (answer.data["accepted"], answer.data["rejected"]) == (0, 2)
    assert "in a project that the credential does not have" in answer.data["errors"][0]["detail"]
    assert stored("SELECT project_id, input_text, model FROM traces") == f"{before}|mine|gpt-4o"
    own = await post(client, [a_row(1, **ids, input="longer than mine")], token=a_token())
    assert own.data["known"] == 1
    assert stored("SELECT project_id, input_text FROM traces") == f"{before}|longer than mine"


async def test_a_key_rules_what_is_stored_of_content(client: Client, stored: Callable[[str], str]) -> None:
    """By rows and by spans alike, and a row that is sent again is known."""
    key = await created(
        client,
        scopes=["traces:write"],
        content={"mode": "truncate", "characters": 5, "redact": ["email"]},
    )
    row = a_row(input="a long prompt", output="short", error_message="of ann@example.com")
    for known in (0, 1):
        answer = await post(client, row, token=key["secret"])
        assert answer.data == {"accepted": 1, "known": known, "rejected": 0, "errors": []}
    span = Span(attributes={**Span().attributes, "input.value": "another prompt", "note": "ask bob@example.com"})
    assert (await send(client, encoded([span]), token=key["secret"])).status == 200
    assert stored("SELECT input_text, output_text, error_message FROM traces ORDER BY input_text LIMIT 1") == (
        "a lon…|short|of [email]"
    )
    assert stored("SELECT input_text, attributes->>'note' FROM traces WHERE attributes ? 'note'") == (
        "anoth…|ask [email]"
    )
