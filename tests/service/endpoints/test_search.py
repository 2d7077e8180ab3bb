"""The search answers what plain Python says of the same rows, and what the list answers to the same question."""

import random
import re
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.contract.endpoint import RAW_WEIGHT
from analytics_service.endpoints.traces.search.filters import MAX_DEPTH, MAX_FILTERS
from analytics_service.endpoints.traces.search.parameters import EXAMPLE
from tests.support.keys import created
from tests.support.service import HOUR, T0, Client, Response, a_row, a_service, a_token, insert

SEARCH = "/api/v1/traces/search"
SPAN: dict[str, Any] = {"from_": T0, "to": T0 + HOUR}
TEXTS = ["", "a", "B", "a%b", "A_B", "prompt 1", "Prompt 22", "x\\y", "(z"]
ATTRIBUTES: list[Any] = [None, {}, {"k": "A"}, {"k": 1}, {"k": 1.5}, {"k": True}, {"k": None}, {"k": {"n": "deep"}}]
ATTRIBUTES += [{"k.n": "flat", "k": {"n": "deep"}}, {"k": "1"}, {"k": [1]}]


def random_rows(seed: int, count: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [
        a_row(
            number,
            org_id=chance.choice(["acme", "acme", "globex"]),
            project_id=chance.choice(["web", "batch"]),
            ts=T0 + timedelta(seconds=chance.randrange(600)),
            provider=chance.choice(["", "openai", "Anthropic"]),
            model=chance.choice(["", "a", "A", "gpt-4o"]),
            status_code=chance.choice(["OK", "ERROR", "UNSET"]),
            user_id=chance.choice([None, "u1", "u2"]),
            duration_us=chance.choice([None, 0, 1500, 2**40]),
            total_tokens=chance.choice([None, 0, 7, 2**50]),
            total_cost_usd=chance.choice([None, Decimal(0), Decimal("0.000000000001"), Decimal("1.5")]),
            tags=chance.choice([[], ["a"], ["a", "b"], ["A"]]),
            input_text=chance.choice([None, *TEXTS[1:]]),
            error_message=chance.choice([None, "timeout after 3 s", "rate limit"]),
            attributes=chance.choice(ATTRIBUTES),
        )
        for number in range(count)
    ]


VALUES: Mapping[str, list[Any]] = {
    "provider": ["openai", "anthropic"],
    "model": ["a", "A", "gpt-4o"],
    "user_id": ["u1", "nobody"],
    "input_text": TEXTS[1:],
    "error_message": ["TIMEOUT", "limit"],
    "status_code": ["OK", "error"],
    "duration_ms": [0, 1.5, "1.5", 2],
    "total_tokens": [0, 7, 7.5, 2**50],
    "total_cost_usd": [0, "0.000000000001", 1.5],
    "ts": [T0, T0 + timedelta(seconds=300)],
    "tags": ["a", "b", "nothing"],
    "attributes.k": ["A", "a", 1, 1.0, 1.5, True, "1"],
    "attributes.k.n": ["deep", "flat", "nothing"],
    "attributes.none": ["x"],
}
PATTERNS = ("contains", "not_contains", "starts_with", "ends_with", "search", "regex")
EQUALITY, ORDER = ("eq", "ne", "in", "not_in"), ("gt", "gte", "lt", "lte")


def operators(field: str) -> tuple[str, ...]:
    if field == "tags":
        return ("contains", "not_contains", "in", "not_in")
    if field in {"duration_ms", "total_tokens", "total_cost_usd", "ts"}:
        return (*EQUALITY, *ORDER)
    return EQUALITY if field == "status_code" else (*EQUALITY, *PATTERNS)


def a_condition(chance: random.Random) -> dict[str, Any]:
    field = chance.choice(list(VALUES))
    kind = chance.choice(operators(field))
    value: Any = chance.choice(VALUES[field])
    if field.startswith("attributes") and kind in PATTERNS:
        value = chance.choice(["A", "deep", "1"])
    if kind == "regex":
        value = chance.choice(["^p", "[ab]$", "1|2", ".*", "\\(z"])
    if kind in {"in", "not_in"}:
        value = chance.sample(VALUES[field], min(2, len(VALUES[field])))
    if kind in {"eq", "ne"} and field != "tags" and chance.random() < 0.2:
        value = None
    spelled = chance.choice([kind, kind.upper(), kind.replace("_", "")])
    return {"field": field, "operator": spelled, "value": value}


def a_filter(chance: random.Random, depth: int) -> dict[str, Any]:
    if depth == 1 or chance.random() < 0.3:
        return a_condition(chance)
    kind = chance.choice(["and", "or", "not", "AND"])
    count = 1 if kind == "not" else chance.randrange(1, 4)
    return {"operator": kind, "filters": [a_filter(chance, depth - 1) for _ in range(count)]}


def value_of(row: Mapping[str, Any], field: str) -> Any:
    if field.startswith("attributes."):
        attributes: Any = row["attributes"] or {}
        key = field.removeprefix("attributes.")
        if key in attributes:
            return attributes[key]
        for part in key.split("."):
            attributes = attributes.get(part) if isinstance(attributes, dict) else None
        return attributes
    if field == "duration_ms":
        return None if row["duration_us"] is None else Decimal(row["duration_us"]) / 1000
    return None if row[field] == "" else row[field]


def comparable(field: str, value: Any) -> Any:
    if field.startswith("attributes.") or value is None or isinstance(value, datetime):
        return (type(value) is bool, isinstance(value, str), value)
    if field in {"duration_ms", "total_tokens", "total_cost_usd"}:
        return Decimal(str(value))
    return value.upper() if field == "status_code" else value


def meets(row: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Plainly: a missing value meets nothing, and what is negated is met where its opposite is not."""
    kind = given["operator"].lower().replace("_", "")
    if "filters" in given:
        members = [meets(row, one) for one in given["filters"]]
        return {"and": all(members), "or": any(members), "not": not members[0]}[kind]
    opposite = {"ne": "eq", "notin": "in", "notcontains": "contains"}.get(kind)
    if opposite is not None:
        return not meets(row, {**given, "operator": opposite})
    field, asked = given["field"], given["value"]
    value = value_of(row, field)
    if asked is None or value is None:
        return asked is None and value is None
    if field == "tags":
        return bool(set(value) & set(asked if isinstance(asked, list) else [asked]))
    if kind in {"eq", "in"}:
        wanted = asked if isinstance(asked, list) else [asked]
        return comparable(field, value) in [comparable(field, one) for one in wanted]
    return compares(kind, field, value, asked)


def compares(kind: str, field: str, value: Any, asked: Any) -> bool:
    if kind in {"gt", "gte", "lt", "lte"}:
        one, other = comparable(field, value), comparable(field, asked)
        return bool({"gt": one > other, "gte": one >= other, "lt": one < other, "lte": one <= other}[kind])
    if not isinstance(value, str):
        return False
    text, part = value.lower(), asked.lower()
    return {
        "startswith": text.startswith(part),
        "endswith": text.endswith(part),
        "regex": kind == "regex" and re.search(asked, value, re.IGNORECASE) is not None,
    }.get(kind, part in text)


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["trace_id"] for row in rows]


ROWS = random_rows(1, 250)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    await insert(database_url, ROWS)
    async with a_service(database_url) as running:
        yield running


async def search(client: Client, token: str | None = None, **body: Any) -> Response:
    return await client.post(SEARCH, {**SPAN, **body}, token=token)


async def test_random_filters_match_what_plain_python_matches(client: Client) -> None:
    chance = random.Random(2)
    matched = 0
    for _ in range(250):
        organisation, projects = chance.choice(["acme", "globex", "nobody"]), chance.choice([[], ["web"]])
        token = a_token(org_id=organisation, projects=projects, role="admin")
        given = a_filter(chance, 4)
        answer = await search(client, token, filter=given, limit=1000, fields=["trace_id"])
        expected = {
            row["trace_id"]
            for row in ROWS
            if row["org_id"] == organisation and (not projects or row["project_id"] in projects) and meets(row, given)
        }
        assert set(ids(answer.data)) == expected, given
        matched += len(expected)
    assert matched > 1000


@pytest.mark.parametrize(
    ("listed", "condition"),
    [
        ({"model": "a"}, {"field": "model", "operator": "eq", "value": "a"}),
        ({"status": "ERROR"}, {"field": "status_code", "operator": "eq", "value": "ERROR"}),
        ({"min_duration": "1.5"}, {"field": "duration_ms", "operator": "gte", "value": 1.5}),
        ({"max_cost": "0.000000000001"}, {"field": "total_cost_usd", "operator": "lte", "value": "0.000000000001"}),
        ({"tags": "a"}, {"field": "tags", "operator": "contains", "value": "a"}),
        ({"search": "a_b"}, {"field": "input_text", "operator": "search", "value": "a_b"}),
        ({"sort_by": "total_cost_usd", "sort_order": "asc"}, None),
        ({"sort_by": "model", "include": ["io", "attributes"]}, None),
    ],
)
async def test_it_equals_the_list(client: Client, listed: dict[str, Any], condition: dict[str, Any] | None) -> None:
    by_list = await client.get("/api/v1/traces", **SPAN, **listed, limit=1000)
    page = {name: value for name, value in listed.items() if name in {"sort_by", "include"}}
    found = await search(client, filter=condition, **page, sort_desc=listed.get("sort_order") != "asc", limit=1000)
    assert found.data == by_list.data
    assert by_list.data
    assert found.json["meta"]["source"] == "raw"


async def test_a_number_in_a_path_is_a_place_in_a_list(database_url: str) -> None:
    found = [{"k": [{"n": "a"}, "b"]}, {"k": {"0": {"n": "a"}}}, {"k.0.n": "a"}, {"k": ["b", {"n": "a"}]}]
    await insert(database_url, [a_row(number, attributes=one) for number, one in enumerate(found)])
    async with a_service(database_url) as client:
        given = {"field": "attributes.k.0.n", "operator": "eq", "value": "a"}
        answer = await search(client, filter=given, sort_desc=False)
    assert ids(answer.data) == ["trace-00000", "trace-00001", "trace-00002"]


@pytest.mark.parametrize("sort", ["ts", "total_tokens", "model"])
@pytest.mark.parametrize("descending", [True, False])
async def test_a_walk_meets_every_row_once(client: Client, sort: str, *, descending: bool) -> None:
    asked: dict[str, Any] = {
        "filter": {"field": "total_tokens", "operator": "ne", "value": 7},
        "sort_by": sort,
        "sort_desc": descending,
    }
    whole = (await search(client, **asked, limit=1000)).data
    walked: list[dict[str, Any]] = []
    more: dict[str, Any] = {}
    while True:
        answer = await search(client, **asked, limit=17, **more)
        walked += answer.data
        if not answer.json["pagination"]["has_more"]:
            break
        more = {"cursor": answer.json["pagination"]["cursor"]}
    assert walked == whole
    assert len(walked) == sum(row["org_id"] == "acme" and row["total_tokens"] != 7 for row in ROWS)


async def test_a_cursor_is_of_its_filter_and_organisation(client: Client) -> None:
    asked: dict[str, Any] = {"filter": {"field": "model", "operator": "ne", "value": "a"}, "limit": 2}
    cursor = (await search(client, **asked)).json["pagination"]["cursor"]
    other = {**asked, "filter": {"field": "model", "operator": "ne", "value": "A"}}
    for body, token in ((other, None), (asked, a_token(org_id="globex"))):
        refused = await search(client, token, **body, cursor=cursor)
        assert (refused.status, refused.json["error_code"]) == (422, "INVALID_CURSOR")


async def test_conditions_on_the_time_are_the_range(client: Client) -> None:
    times = [
        {"field": "ts", "operator": "gte", "value": T0 + timedelta(seconds=100)},
        {"field": "ts", "operator": "lte", "value": T0 + timedelta(seconds=200)},
    ]
    answer = await client.post(SEARCH, {"filter": {"operator": "and", "filters": times}, "limit": 1000})
    seconds = [(row["ts"] - T0).total_seconds() for row in ROWS if row["org_id"] == "acme"]
    assert len(answer.data) == sum(100 <= one <= 200 for one in seconds) > 0
    either = await client.post(SEARCH, {"filter": {"operator": "or", "filters": times}})
    assert either.data == []  # of the last day: neither alone has to be met


async def test_the_example_is_answered(client: Client) -> None:
    answer = await client.post(SEARCH, EXAMPLE)
    assert answer.data == []
    assert (await client.post(SEARCH, {})).data == []
    cached = await client.post(SEARCH, {})
    assert "hit" in cached.headers["Cache-Status"]
    headers = {"Authorization": f"Bearer {client.token}", "If-None-Match": cached.headers["ETag"]}
    assert (await client.request("POST", SEARCH, json={}, headers=headers)).status == 200  # 304 is for GET alone


@pytest.mark.parametrize(
    ("more", "conditions", "field", "message"),
    [
        ({}, {"gte": "2099-01-01T00:00:00Z"}, "filter", "from must be before to; conditions on ts"),
        ({}, {"gte": "2024-01-02T00:00:00Z", "lt": "2024-01-01T00:00:00Z"}, "filter", "from must be before to"),
        ({}, {"gte": "2024-01-01T00:00:00Z"}, "filter", "at most 90 days long; conditions on ts"),
        ({"from": "now", "to": "now-1h"}, {"gte": "2024-01-01T00:00:00Z"}, "from", "from must be before to"),
    ],
)
async def test_a_range_that_cannot_be_used_is_that_of_the_member_that_says_it(
    client: Client, more: dict[str, str], conditions: dict[str, str], field: str, message: str
) -> None:
    times = [{"field": "ts", "operator": one, "value": value} for one, value in conditions.items()]
    answer = await client.post(SEARCH, {**more, "filter": {"operator": "and", "filters": times}})
    assert (answer.status, answer.json["error_code"], answer.json["field"]) == (422, "INVALID_TIME_RANGE", field)
    assert message in answer.json["detail"]


def nested(depth: int) -> dict[str, Any]:
    given: dict[str, Any] = {"field": "model", "operator": "eq", "value": "a"}
    for _ in range(depth - 1):
        given = {"operator": "not", "filters": [given]}
    return given


A = {"field": "model", "operator": "eq", "value": "a"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({**A, "field": "org_id"}, "there is no field of this name", id="another organisation"),
        pytest.param({**A, "field": "attributes"}, "attributes.<key>", id="attributes as such"),
        pytest.param({**A, "field": "attributes." + ".".join("abcdefghijklmnopq")}, "at most 16 keys", id="path"),
        pytest.param({**A, "operator": "like"}, "Input should be", id="operator"),
        pytest.param({**A, "operator": "gt"}, "gt does not apply", id="operator of another type"),
        pytest.param({**A, "value": 1}, "takes a text", id="number for a text"),
        pytest.param({**A, "value": ""}, "1 to 256 characters", id="empty text"),
        pytest.param({**A, "value": "a\0"}, "NUL", id="NUL"),
        pytest.param({**A, "value": {"a": 1}}, "takes a text", id="object"),
        pytest.param({**A, "operator": "regex", "value": "a" * 257}, "1 to 256 characters", id="long expression"),
        pytest.param({**A, "operator": "in", "value": "a"}, "takes a list", id="no list"),
        pytest.param({**A, "operator": "in", "value": []}, "1 to 100 values", id="empty list"),
        pytest.param({**A, "operator": "in", "value": ["a"] * 101}, "1 to 100 values", id="long list"),
        pytest.param({"field": "model", "operator": "eq"}, "takes a field and a value", id="no value"),
        pytest.param({**A, "filters": [A]}, "and no filters", id="condition with filters"),
        pytest.param({"operator": "and", "filters": []}, "at least 1 item", id="no filters"),
        pytest.param({"operator": "and", "field": "model", "filters": [A]}, "no field or value", id="field of and"),
        pytest.param({"operator": "not", "filters": [A, A]}, "takes one filter", id="not of two"),
        pytest.param({"field": "total_cost_usd", "operator": "gt", "value": "1_0"}, "digits 0 to 9", id="digits"),
        pytest.param({"field": "total_cost_usd", "operator": "gt", "value": True}, "takes a number", id="boolean"),
        pytest.param({"field": "ts", "operator": "gt", "value": "now-1h"}, "go into from and to", id="relative time"),
        pytest.param({"field": "status_code", "operator": "eq", "value": "FINE"}, "OK, ERROR, UNSET", id="status"),
        pytest.param({"field": "attributes.k", "operator": "gt", "value": "a"}, "takes a number", id="order of texts"),
        pytest.param({**A, "limit": 3}, "Extra inputs", id="unknown member"),
        pytest.param([A], "valid dictionary", id="list"),
        pytest.param(nested(MAX_DEPTH + 1), "more than 8 levels", id="deep"),
        pytest.param({"operator": "or", "filters": [A] * MAX_FILTERS}, "more than 100 filters", id="many"),
        pytest.param({**A, "operator": "regex", "value": "("}, "regular expression is not valid", id="expression"),
        pytest.param({**A, "operator": "regex", "value": "((a{200}){200}){200}"}, "too complex", id="complex"),
    ],
)
async def test_a_filter_that_cannot_be_used_is_refused_by_name(client: Client, given: Any, message: str) -> None:
    answer = await search(client, filter=given)
    problem = answer.json
    assert (answer.status, problem["error_code"]) == (422, "INVALID_PARAMETER"), problem
    assert problem["field"].startswith("filter")
    assert message in problem["detail"]


async def test_the_place_of_an_error_is_named(client: Client) -> None:
    inner = {"operator": "or", "filters": [A, {**A, "field": "modle"}]}
    answer = await search(client, filter={"operator": "and", "filters": [A, inner]})
    assert answer.json["field"] == "filter.filters.1.filters.1"


async def test_filters_of_the_largest_depth_and_number_are_answered(client: Client) -> None:
    assert (await search(client, filter=nested(MAX_DEPTH))).status == 200
    many = {"operator": "or", "filters": [A] * (MAX_FILTERS - 1)}
    assert (await search(client, filter=many, limit=1000)).data == (await search(client, filter=A, limit=1000)).data


@pytest.mark.parametrize("field", ["input_text", "error_message", "attributes.k"])
async def test_long_fields_take_a_short_range(client: Client, field: str) -> None:
    body = {"from": T0 - timedelta(days=8), "to": T0, "filter": {"field": field, "operator": "eq", "value": "a"}}
    answer = await client.post(SEARCH, body)
    assert (answer.status, answer.json["error_code"], answer.json["field"]) == (422, "INVALID_TIME_RANGE", "filter")
    assert (await client.post(SEARCH, {**body, "from": T0 - timedelta(days=7)})).status == 200


async def test_a_search_counts_as_several_requests(client: Client) -> None:
    """A key of one request a minute regains nothing meanwhile."""
    key = (await created(client, rate_limit={"per_minute": 1, "burst": 9}))["secret"]
    listed = await client.get("/api/v1/traces", token=key, **SPAN)
    found, refused = await search(client, key), await search(client, key)
    assert listed.headers["X-RateLimit-Remaining"] == "8"
    assert found.headers["X-RateLimit-Remaining"] == str(8 - RAW_WEIGHT)
    assert (refused.status, refused.json["error_code"]) == (429, "RATE_LIMIT_EXCEEDED")
