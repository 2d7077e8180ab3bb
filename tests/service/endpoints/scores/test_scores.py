"""Scores are stored once, of rows that are stored, and nobody sees or changes those of another organisation."""

import asyncio
import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import jsonschema
import orjson

from analytics_service.endpoints import ENDPOINTS
from analytics_service.endpoints.scores.parameters import EXAMPLE
from analytics_service.http.openapi import document
from analytics_service.rollups.retention.raw import retain_raw
from analytics_service.rollups.retention.scores import retain_scores
from analytics_service.rollups.versions import of_row, query
from tests.support.forget import applied
from tests.support.keys import bearing
from tests.support.rollups import refresh
from tests.support.scores import PATH, assert_days_are_sums, scored
from tests.support.service import T0, Client, a_row, a_service, a_token, insert

TRACE = "trace-00000"
DAY = timedelta(days=1)


async def stored(connection: Any) -> list[Any]:
    return list(await connection.fetch("SELECT * FROM score ORDER BY org_id, trace_id, span_id, name, source"))


async def test_the_type_is_that_of_the_value(database_url: str, client: Client, connection: Any) -> None:
    await insert(database_url, [a_row()])
    values: list[tuple[Any, str, Any, str]] = [
        (0.75, "numeric", Decimal("0.75"), ""),
        (-3, "numeric", Decimal(-3), ""),
        (1 / 3, "numeric", Decimal("0.333333333333"), ""),
        (True, "boolean", Decimal(1), ""),
        (False, "boolean", Decimal(0), ""),
        ("helpful", "categorical", None, "helpful"),
        ("0.5", "categorical", None, "0.5"),
    ]
    for value, data_type, number, category in values:
        data = (await scored(client, trace_id=TRACE, name="feedback", value=value, comment="why")).data
        assert (data["data_type"], data["comment"], data["source"]) == (data_type, "why", "api")
        assert data["value"] == (number if data_type == "numeric" else value)
        assert isinstance(data["value"], bool) == (data_type == "boolean")
        (row,) = await stored(connection)
        assert (row["data_type"], row["value"], row["category"]) == (data_type, number, category)
        await assert_days_are_sums(connection)


async def test_the_same_again_changes_nothing_and_another_value_replaces_it(
    database_url: str, client: Client, connection: Any
) -> None:
    await insert(database_url, [a_row()])
    first = (await scored(client, trace_id=TRACE, name="feedback", value=1)).data
    again = (await scored(client, trace_id=TRACE, name="feedback", value=1)).data
    assert again == first
    other = (await scored(client, trace_id=TRACE, name="feedback", value="good", comment="changed my mind")).data
    assert other["scored_at"] > first["scored_at"]
    await scored(client, trace_id=TRACE, name="other", value=0)
    await scored(client, trace_id=TRACE, name="feedback", value=0, source="user")
    await scored(client, trace_id=TRACE, name="feedback", value=0, span_id="span")
    rows = await stored(connection)
    assert [(row["span_id"], row["name"], row["source"], row["category"]) for row in rows] == [
        ("", "feedback", "api", "good"),
        ("", "feedback", "user", ""),
        ("", "other", "api", ""),
        ("span", "feedback", "api", ""),
    ]
    await assert_days_are_sums(connection)


async def test_many_at_once_are_counted_once_each(database_url: str, client: Client, connection: Any) -> None:
    await insert(database_url, [a_row(number) for number in range(10)])
    chance = random.Random(1)
    scores: list[dict[str, Any]] = [
        {"trace_id": f"trace-{chance.randrange(10):05}", "name": chance.choice("ab"), "value": chance.randrange(5)}
        for _ in range(100)
    ]
    for first in range(0, len(scores), 10):
        responses = await asyncio.gather(*(scored(client, **score) for score in scores[first : first + 10]))
        assert {response.status for response in responses} == {200}
    assert len(await stored(connection)) == len({(score["trace_id"], score["name"]) for score in scores})
    await assert_days_are_sums(connection)


async def test_a_score_has_what_its_spans_share(database_url: str, client: Client, connection: Any) -> None:
    later = T0 + timedelta(seconds=5)
    await insert(
        database_url,
        [
            a_row(0, trace_id="t", span_id="root", model="", provider="", is_request=False, user_id="ann"),
            a_row(0, trace_id="t", span_id="one", ts=later, model="a", environment="production"),
            a_row(0, trace_id="t", span_id="two", ts=later, model="b", environment="staging"),
        ],
    )
    for span in (None, "one"):
        await scored(client, trace_id="t", name="n", value=1, span_id=span)
    whole, one = await stored(connection)
    shared = ("model", "provider", "environment", "user_id", "ts")
    assert [whole[name] for name in shared] == ["", "openai", "", "ann", T0]
    assert [one[name] for name in shared] == ["a", "openai", "production", None, later]


async def test_rows_of_others_are_not_there(database_url: str, client: Client, connection: Any) -> None:
    await insert(database_url, [a_row(), a_row(1, org_id="globex"), a_row(2, project_id="batch")])
    refused = [
        await scored(client, trace_id="trace-00001", name="n", value=1),
        await scored(client, trace_id="nothing", name="n", value=1),
        await scored(client, trace_id=TRACE, span_id="nothing", name="n", value=1),
        await scored(client, trace_id="trace-00002", name="n", value=1, token=a_token(projects=["web"])),
    ]
    assert [(each.status, each.json["error_code"]) for each in refused] == [(404, "TRACE_NOT_FOUND")] * 4
    assert [each.json["field"] for each in refused] == ["trace_id", "trace_id", "span_id", "trace_id"]
    ours = (await scored(client, trace_id=TRACE, name="n", value=1)).data
    assert (
        await scored(client, trace_id="trace-00001", name="n", value=2, token=a_token(org_id="globex"))
    ).status == 200
    assert (await scored(client, trace_id=TRACE, name="n", value=1)).data == ours
    assert (await scored(client, trace_id=TRACE, name="n", value=1, token=a_token(role="viewer"))).status == 403
    assert [row["org_id"] for row in await stored(connection)] == ["acme", "globex"]


async def test_a_score_of_another_project_is_not_replaced(database_url: str, client: Client, connection: Any) -> None:
    spans = [a_row(number, trace_id="t", span_id=project, project_id=project) for number, project in enumerate("ab")]
    await insert(database_url, spans)
    only_b = a_token(projects=["b"])
    assert (await scored(client, trace_id="t", name="n", value=1)).data["project_id"] == "a"
    assert (await scored(client, trace_id="t", name="n", value=0, token=only_b)).status == 404
    assert (await scored(client, trace_id="t", name="m", value=0, token=only_b)).data["project_id"] == "b"
    assert [(row["name"], row["value"]) for row in await stored(connection)] == [("m", 0), ("n", 1)]


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"value": None}, "value"),
    ({"value": [1]}, "value"),
    ({"value": 1e9}, "value"),
    ({"value": ""}, "value"),
    ({"value": "x" * 65}, "value"),
    ({"value": "\0"}, "value"),
    ({"name": ""}, "name"),
    ({"name": "n\n"}, "name"),
    ({"source": "x" * 65}, "source"),
    ({"trace_id": "t\0"}, "trace_id"),
    ({"comment": "x" * 4097}, "comment"),
    ({"comment": "\0"}, "comment"),
    ({"sort": 1}, "sort"),
)


async def test_what_is_no_score_is_named(client: Client) -> None:
    for changed, field in REFUSED:
        response = await scored(client, **{"trace_id": TRACE, "name": "n", "value": 1, **changed})
        assert (response.status, response.json["field"].split(".")[0]) == (422, field), response.body


async def test_comments_are_stored_as_the_rules_for_content_let_them_be(database_url: str, connection: Any) -> None:
    await insert(database_url, [a_row()])
    comment = "mail me at ann@example.com"
    shown = []
    rules: tuple[dict[str, Any], ...] = (
        *({"INGEST_REDACT": "email"}, {"INGEST_CONTENT": "truncate 4"}, {"INGEST_CONTENT": "drop"}),
    )
    for rule in rules:
        async with a_service(database_url, **rule) as client:
            shown.append((await scored(client, trace_id=TRACE, name="n", value=1, comment=comment)).data["comment"])
    assert shown == ["mail me at [email]", "mail…", None]
    assert [row["comment"] for row in await stored(connection)] == [None]


async def test_a_score_moves_the_version_of_its_day_alone(database_url: str, client: Client, connection: Any) -> None:
    async def version(day: int) -> str:
        asked = query("acme")
        row = await connection.fetchrow(asked.sql, *asked.args)
        return of_row(*row).of(T0 + day * DAY, T0 + (day + 1) * DAY)

    await insert(database_url, [a_row(0), a_row(1, ts=T0 + 5 * DAY)])
    await refresh(connection)
    before = await version(0), await version(5)
    await scored(client, trace_id=TRACE, name="n", value=1)
    assert await version(0) != before[0]
    assert await version(5) == before[1]
    during = await version(0)
    await refresh(connection)
    assert await version(0) == during


async def test_who_is_forgotten_has_no_scores(database_url: str, client: Client, connection: Any) -> None:
    await insert(
        database_url,
        [
            a_row(0, trace_id="ann", user_id="ann"),
            a_row(0, trace_id="ann", span_id="unnamed"),
            a_row(0, trace_id="shared", span_id="of-ann", user_id="ann"),
            a_row(0, trace_id="shared", span_id="of-bob", user_id="bob"),
            a_row(0, trace_id="bob", user_id="bob"),
            a_row(0, trace_id="ann", org_id="globex", user_id="ann"),
        ],
    )
    for trace, span in (
        *(("ann", None), ("ann", "unnamed"), ("shared", None), ("shared", "of-ann"), ("shared", "of-bob")),
        *(("bob", None),),
    ):
        assert (await scored(client, trace_id=trace, span_id=span, name="n", value=1, comment="of ann")).status == 200
    await scored(client, trace_id="ann", name="n", value=1, token=a_token(org_id="globex"))
    await applied(client)
    left = [(row["org_id"], row["trace_id"], row["span_id"]) for row in await stored(connection)]
    assert left == [("acme", "bob", ""), ("acme", "shared", "of-bob"), ("globex", "ann", "")]
    await assert_days_are_sums(connection)


async def test_scores_end_with_their_rows_and_their_sums_stay(
    database_url: str, client: Client, connection: Any
) -> None:
    await insert(database_url, [a_row(0), a_row(1, ts=T0 + 3 * DAY)])
    for number in range(2):
        await scored(client, trace_id=f"trace-{number:05}", name="n", value=number)
    days = await connection.fetch("SELECT * FROM score_1day ORDER BY bucket")
    await refresh(connection)
    midnight = T0.replace(hour=0)
    assert [step async for step in retain_raw(connection, midnight + DAY)]
    assert sum([step.rows async for step in retain_scores(connection, batch=1)]) == 1
    assert [row["trace_id"] for row in await stored(connection)] == ["trace-00001"]
    assert await connection.fetch("SELECT * FROM score_1day ORDER BY bucket") == days
    assert (await scored(client, trace_id=TRACE, name="n", value=1)).status == 404
    await connection.execute("UPDATE rollup_horizon SET floor = $1 WHERE name = 'totals_1day'", midnight + DAY)
    assert sum([step.rows async for step in retain_scores(connection, batch=1)]) == 1
    assert await connection.fetchval("SELECT min(bucket) FROM score_1day") == midnight + 3 * DAY


async def test_the_example_of_the_document_is_taken_and_answered_as_it_says(database_url: str, client: Client) -> None:
    said = orjson.loads(orjson.dumps(document(ENDPOINTS)))
    operation = said["paths"][PATH]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert schema["examples"] == [EXAMPLE]
    jsonschema.validate(EXAMPLE, {**schema, "components": said["components"]})
    await insert(database_url, [a_row(trace_id=EXAMPLE["trace_id"])])
    answer = await client.request("POST", PATH, json=EXAMPLE, headers=bearing(client.token))
    assert answer.status == 200
    answered = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(orjson.loads(answer.body), {**answered, "components": said["components"]})
    assert "404" in operation["responses"]
