"""Arrays of scores are stored as if each were sent alone, in one transaction, and never stop one another."""

import asyncio
import random
from datetime import timedelta
from typing import Any

import jsonschema
import orjson

from analytics_service.endpoints import ENDPOINTS
from analytics_service.http.openapi import document
from tests.support.forget import forget
from tests.support.keys import bearing
from tests.support.scores import PATH, assert_days_are_sums, scored
from tests.support.service import T0, Client, Response, a_row, a_token, insert

DAY = timedelta(days=1)
COLUMNS = ("org_id", "trace_id", "span_id", "name", "source", "data_type", "value", "category", "comment", "project_id")


async def sent(client: Client, body: Any, *, token: str | None = None, **query: str) -> Response:
    return await client.request("POST", PATH, json=body, headers=bearing(token or client.token), params=query)


async def stored(connection: Any) -> list[tuple[Any, ...]]:
    rows = await connection.fetch("SELECT * FROM score ORDER BY org_id, trace_id, span_id, name, source")
    return [
        tuple(row[name] for name in (*COLUMNS, "ts", "environment", "provider", "model", "user_id")) for row in rows
    ]


def random_scores(seed: int, count: int) -> list[dict[str, Any]]:
    """Of a few traces, spans and names, so that several have one key."""
    chance = random.Random(seed)
    return [
        {
            "trace_id": f"trace-{chance.randrange(8):05}",
            **({"span_id": "span"} if chance.random() < 0.5 else {}),
            "name": chance.choice(["feedback", "tone"]),
            "value": chance.choice([1, 0.5, True, False, "good", "bad"]),
            "source": chance.choice(["user", "judge"]),
        }
        for _ in range(count)
    ]


async def test_an_array_is_stored_as_each_alone_and_again_changes_nothing(
    database_url: str, client: Client, connection: Any
) -> None:
    rows = [a_row(number, ts=T0 + number * DAY, user_id=f"u{number % 2}") for number in range(8)]
    await insert(database_url, [*rows, a_row(3, ts=T0, span_id="other", model="another", project_id="batch")])
    scores = random_scores(1, 60)
    for score in scores:
        assert (await scored(client, **score)).status == 200
    alone = await stored(connection)
    await connection.execute("DELETE FROM score")
    for _ in range(2):
        answer = await sent(client, scores)
        assert (answer.status, answer.data) == (200, {"accepted": 60, "rejected": 0, "errors": []})
        assert await stored(connection) == alone
        await assert_days_are_sums(connection)
    moments = await connection.fetch("SELECT ctid, scored_at FROM score")
    assert len({row["scored_at"] for row in moments}) == 1, "the second time changed none"


async def test_a_fault_of_one_is_told_by_its_index_and_the_others_are_stored(
    database_url: str, client: Client, connection: Any
) -> None:
    await insert(database_url, [a_row(0), a_row(1, org_id="globex"), a_row(2, project_id="batch")])
    usual = {"name": "n", "value": 1}
    body = [
        {**usual, "trace_id": "trace-00000"},
        {**usual, "trace_id": "trace-00001"},
        {**usual, "trace_id": "trace-00002"},
        {**usual, "trace_id": "trace-00000", "span_id": "nothing"},
        {**usual, "trace_id": "trace-00000", "name": ""},
        {**usual, "trace_id": "trace-00000", "colour": "red"},
        7,
        {},
        {"trace_id": "trace-00000", "name": "m", "value": "fine"},
    ]
    answer = await sent(client, body, token=a_token(projects=["web"]))
    assert (answer.status, answer.data["accepted"], answer.data["rejected"]) == (200, 2, 7)
    assert [(each["index"], each["error_code"], each.get("field")) for each in answer.data["errors"]] == [
        (1, "TRACE_NOT_FOUND", "trace_id"),
        (2, "TRACE_NOT_FOUND", "trace_id"),
        (3, "TRACE_NOT_FOUND", "span_id"),
        (4, "INVALID_PARAMETER", "name"),
        (5, "UNKNOWN_PARAMETER", "colour"),
        (6, "VALIDATION_ERROR", None),
        (7, "INVALID_PARAMETER", "trace_id"),
    ]
    assert [row[:4] for row in await stored(connection)] == [
        ("acme", "trace-00000", "", "m"),
        ("acme", "trace-00000", "", "n"),
    ]
    said = orjson.loads(orjson.dumps(document(ENDPOINTS)))
    operation = said["paths"][PATH]["post"]
    for schema, value in (
        (operation["requestBody"]["content"]["application/json"]["schema"], body[:1]),
        (operation["responses"]["200"]["content"]["application/json"]["schema"], orjson.loads(answer.body)),
    ):
        jsonschema.validate(value, {**schema, "components": said["components"]})


async def test_what_is_no_array_of_scores_is_refused(database_url: str, client: Client, connection: Any) -> None:
    await insert(database_url, [a_row()])
    fine = {"trace_id": "trace-00000", "name": "n", "value": 1}
    refused: tuple[tuple[Any, dict[str, str], str, str | None], ...] = (
        ([], {}, "an array has 1 to 1000 scores, and this one 0", None),
        ([fine] * 1001, {}, "an array has 1 to 1000 scores, and this one 1001", None),
        ("score", {}, "the body must be a JSON object, or an array of objects", None),
        ([{**fine, "name": ""}, 7], {}, "no score can be used: score 0: name: ", "0.name"),
        ([fine], {"name": "n"}, "name must be a member of the body", "name"),
    )
    for body, query, detail, field in refused:
        answer = await sent(client, body, **query)
        assert (answer.status, answer.json.get("field")) == (422, field), answer.body
        assert answer.json["detail"].startswith(detail)
    assert await stored(connection) == []
    assert (await sent(client, [fine], token=a_token(role="viewer"))).status == 403
    assert (await sent(client, [fine] * 1000)).data["accepted"] == 1000


async def test_corrections_at_once_never_stop_one_another(database_url: str, client: Client, connection: Any) -> None:
    """Each takes scores of several days away from one category and adds them to another, in an order of its own."""
    await insert(database_url, [a_row(number, ts=T0 + number * DAY) for number in range(8)])
    chance = random.Random(3)
    for _ in range(12):
        arrays = []
        for value in ("good", "bad", 1, "good", "bad", 0.5):
            order = chance.sample(range(8), 8)
            arrays.append(
                [
                    {"trace_id": f"trace-{number:05}", "name": name, "value": value}
                    for number in order
                    for name in chance.sample(["a", "b"], 2)
                ]
            )
        responses = await asyncio.gather(*(sent(client, array) for array in arrays))
        assert [response.status for response in responses] == [200] * len(arrays)
        await assert_days_are_sums(connection)


async def test_single_corrections_at_once_never_stop_one_another(
    database_url: str, client: Client, connection: Any
) -> None:
    """One takes from the sum that another adds to, and the other way round."""
    await insert(database_url, [a_row(number) for number in range(6)])
    for turn in range(25):
        responses = await asyncio.gather(
            *(
                scored(client, trace_id=f"trace-{number:05}", name="n", value="ab"[(number + turn) % 2])
                for number in range(6)
            )
        )
        assert {response.status for response in responses} == {200}
    await assert_days_are_sums(connection)


async def test_who_is_forgotten_stops_no_scores_and_the_plan_counts_them(
    database_url: str, client: Client, connection: Any
) -> None:
    rows = [a_row(number, ts=T0 + number * DAY, user_id="ann" if number % 2 else "bob") for number in range(8)]
    await insert(database_url, rows)
    array = [{"trace_id": f"trace-{number:05}", "name": "n", "value": "a"} for number in range(8)]
    assert (await sent(client, [*array, {**array[1], "span_id": "span"}, {**array[3], "name": "m"}])).status == 200
    plan = (await forget(client)).data
    assert plan["scores"] == 6
    done, *responses = await asyncio.gather(
        forget(client, plan=plan["plan"]),
        *(sent(client, [{**each, "value": value} for each in array[::2]]) for value in ("b", "a", "c", "b")),
    )
    assert (done.status, done.data["state"], done.data["scores"]) == (200, "applied", 6)
    assert {response.status for response in responses} == {200}
    assert [row[1] for row in await stored(connection)] == [f"trace-{number:05}" for number in range(0, 8, 2)]
    await assert_days_are_sums(connection)


async def test_a_plan_of_some_projects_leaves_the_scores_of_others(
    database_url: str, client: Client, connection: Any
) -> None:
    """A trace has spans of two projects, and its score is of the first."""
    await insert(
        database_url,
        [
            a_row(0, trace_id="t", span_id="first", project_id="a"),
            a_row(1, trace_id="t", span_id="second", project_id="b", user_id="ann"),
        ],
    )
    for score in ({}, {"span_id": "second"}):
        assert (await scored(client, trace_id="t", name="n", value=1, **score)).status == 200
    only_b = bearing(a_token(projects=["b"], role="admin"))
    plan = (await forget(client, headers=only_b)).data
    assert (plan["rows"], plan["scores"]) == (1, 1)
    assert (await forget(client, headers=only_b, plan=plan["plan"])).data["state"] == "applied"
    assert [(row[1], row[2]) for row in await stored(connection)] == [("t", "")]
    await assert_days_are_sums(connection)
