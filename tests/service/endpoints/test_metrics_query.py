"""A query of metrics has the rows that plain Python computes from the requests: groups, conditions, order and limit."""

import operator
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from analytics_service.contract import parameters
from analytics_service.contract.endpoint import RAW_WEIGHT
from analytics_service.contract.problems import RequestError
from analytics_service.endpoints.metrics.query.parameters import QueryParameters
from tests.support import reference
from tests.support.keys import created
from tests.support.reference import Row
from tests.support.service import HOUR, T0, Client, Response, a_row, a_service, a_token, insert

QUERY = "/api/v1/metrics/query"
START, END = datetime(2024, 3, 29, 5, tzinfo=UTC), datetime(2024, 4, 4, 3, tzinfo=UTC)
"""Clocks change in Berlin on 31 March."""
ZONES = ("UTC", "Europe/Berlin", "Asia/Kathmandu")
COMPARISONS = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq}
DIMENSIONS = ("provider", "model", "environment", "status_code", "user_id", "session_id", "project_id")
MEASURES = [
    ("request_count", "count"),
    ("request_count", None),
    ("error_count", "sum"),
    ("error_rate", None),
    ("success_rate", "avg"),
    ("throughput", None),
    ("unique_users", "count"),
    ("unique_sessions", None),
    *((metric, one) for metric in reference.VALUES for one in ("avg", "sum", "min", "max", "count")),
    ("total_cost", None),
    ("total_tokens", "p90"),
]
ROWS = reference.random_requests(11, START, END, 600)


@pytest.fixture
async def client(database_url: str) -> AsyncIterator[Client]:
    """Some buckets are in the rollups, some are dirty."""
    await insert(database_url, ROWS[:400])
    await reference.refreshed(database_url)
    await insert(database_url, ROWS[400:])
    async with a_service(database_url) as running:
        yield running


def exact(metric: str, aggregation: str | None, group: Sequence[Row], seconds: Fraction) -> Fraction | None:
    """Before it is rounded."""
    errors = sum(row["status_code"] == "ERROR" for row in group)
    counted = {
        "request_count": Fraction(len(group)),
        "error_count": Fraction(errors),
        "error_rate": Fraction(errors, len(group)),
        "success_rate": Fraction(len(group) - errors, len(group)),
        "throughput": len(group) / seconds,
        "unique_users": Fraction(len({row["user_id"] for row in group} - {None})),
        "unique_sessions": Fraction(len({row["session_id"] for row in group} - {None})),
    }
    if metric in counted:
        return counted[metric]
    kind = aggregation or ("avg" if metric in {"duration", "time_to_first_token"} else "sum")
    if kind != "avg":
        return reference.aggregate(metric, kind, group)
    total, count = (reference.aggregate(metric, one, group) for one in ("sum", "count"))
    return total / count if total is not None and count else None


def passes(row: Row, condition: dict[str, Any]) -> bool:
    value, asked = row[condition["dimension"]] or "", condition["value"]
    inside = value in ([asked] if isinstance(asked, str) else asked)
    return inside != (condition["operator"] in {"ne", "not_in"})


@cache
def end_of(start: datetime, interval: str, zone: ZoneInfo) -> datetime:
    """Where the bucket ends, in steps of the shortest shift of a clock."""
    end = start + (timedelta(hours=22) if interval == "1day" else timedelta(0))
    while reference.bucket(end, interval, zone) == start:
        end += timedelta(minutes=15)
    return end


def seconds_inside(start: datetime, interval: str, zone: ZoneInfo, span: tuple[datetime, datetime]) -> Fraction:
    inside = min(end_of(start, interval, zone), span[1]) - max(start, span[0])
    return Fraction(inside // timedelta(microseconds=1), 10**6)


def a_question(chance: random.Random) -> dict[str, Any]:
    measures = chance.sample(MEASURES, chance.choice([1, 2, 5]))
    filters = [
        chance.choice(
            [
                {"dimension": "model", "operator": "ne", "value": "a"},
                {"dimension": "environment", "operator": "eq", "value": ""},
                {"dimension": "status_code", "operator": "in", "value": ["OK", "ERROR"]},
                {"dimension": "user_id", "operator": "not_in", "value": ["u1", ""]},
                {"dimension": "user_id", "operator": "ne", "value": "u2"},
                {"dimension": "session_id", "operator": "in", "value": ["s1", "s2", "s3"]},
                {"dimension": "project_id", "operator": "eq", "value": "web"},
            ]
        )
        for _ in range(chance.choice([0, 1, 2]))
    ]
    having = [
        {"metric": metric, "aggregation": one, "operator": chance.choice(list(COMPARISONS)), "value": value}
        for (metric, one), value in chance.sample(
            [
                (("request_count", None), chance.choice([1, 2, 5])),
                (("error_rate", "avg"), 0.5),
                (("total_cost", "sum"), 1.5),
                (("duration", "avg"), 2000.5),
                (("total_tokens", "p90"), 1000),
                (("throughput", None), 0.0005),
                (("unique_users", None), 2),
            ],
            chance.choice([0, 1, 2]),
        )
    ]
    return {
        "metrics": [
            {"metric": metric, **({"aggregation": one} if one else {}), "alias": f"m{number}"}
            for number, (metric, one) in enumerate(measures)
        ],
        "interval": chance.choice(["1hour", "1day"]),
        "tz": chance.choice(ZONES),
        "group_by": chance.sample(DIMENSIONS, chance.choice([0, 1, 1, 2])),
        "filters": filters,
        "having": having,
        "sort_by": chance.choice([None, {"field": "m0", "descending": True}, {"field": "timestamp"}, {"field": "m0"}]),
        "limit": chance.choice([10_000, 5]),
    }


def expected(asked: dict[str, Any], rows: Sequence[Row], span: tuple[datetime, datetime]) -> list[dict[str, Any]]:
    """All rows that meet the conditions, in order, with exact values."""
    zone, by = ZoneInfo(asked["tz"]), asked["group_by"]
    left = [row for row in rows if all(passes(row, one) for one in asked["filters"])]
    found = []
    for (start, *group), members in reference.grouped(left, asked["interval"], zone, by).items():
        seconds = seconds_inside(start, asked["interval"], zone, span)
        values = {
            one["alias"]: exact(one["metric"], one.get("aggregation"), members, seconds) for one in asked["metrics"]
        }
        compared = [(one, exact(one["metric"], one["aggregation"], members, seconds)) for one in asked["having"]]
        if all(
            value is not None and COMPARISONS[one["operator"]](value, Fraction(str(one["value"])))
            for one, value in compared
        ):
            found.append({"timestamp": start, **dict(zip(by, group, strict=True)), **values})
    found.sort(key=lambda row: (row["timestamp"], *((row[one] is None, row[one] or "") for one in by)))
    sort = asked["sort_by"] or {"field": "timestamp"}
    known = [row for row in found if row[sort["field"]] is not None]
    known.sort(key=lambda row: row[sort["field"]], reverse=sort.get("descending", False))
    return [*known, *(row for row in found if row[sort["field"]] is None)]


def shown(row: dict[str, Any]) -> dict[str, Any]:
    return {name: reference.rounded(value) if isinstance(value, Fraction) else value for name, value in row.items()}


def parsed(row: dict[str, Any], metrics: set[str]) -> dict[str, Any]:
    numbers = {name: value if value is None else Fraction(value) for name, value in row.items() if name in metrics}
    return {**row, "timestamp": datetime.fromisoformat(row["timestamp"]).astimezone(UTC), **numbers}


async def test_random_queries_have_the_rows_of_plain_python(client: Client) -> None:
    chance = random.Random(3)
    sources, some = set(), 0
    for _ in range(50):
        asked = a_question(chance)
        organisation, projects = chance.choice(["acme", "globex"]), chance.choice([(), ("web",)])
        token = a_token(org_id=organisation, projects=list(projects), role="admin")
        start = START + timedelta(minutes=chance.randrange(24 * 60))
        span = (start, start + chance.choice([timedelta(hours=30), timedelta(days=4, minutes=7)]))
        answer = await client.post(QUERY, {**asked, "from": span[0], "to": span[1]}, token=token)
        rows = reference.requests(ROWS, *span, organisation=organisation, projects=projects)
        every = expected(asked, rows, span)
        found = [parsed(row, {one["alias"] for one in asked["metrics"]}) for row in answer.data["data"]]
        assert found == [shown(row) for row in every[: asked["limit"]]], asked
        metadata = answer.data["metadata"]
        assert (metadata["total_rows"], metadata["truncated"]) == (len(every), len(every) > asked["limit"])
        assert metadata["data_source"] == answer.json["meta"]["source"]
        sources.add(metadata["data_source"])
        some += bool(every)
    assert {"raw", "traces_1hour", "traces_1day"} <= sources
    assert some > 20


async def query(client: Client, **changes: Any) -> Response:
    asked = {"start_time": T0, "end_time": T0 + HOUR, "metrics": [{"metric": "request_count"}], **changes}
    return await client.post(QUERY, asked)


async def test_a_condition_compares_what_is_not_rounded(database_url: str) -> None:
    """A third of a millisecond is less than what is shown of it, rounded up."""
    await insert(database_url, [a_row(one, duration_us=value) for one, value in enumerate((1, 0, 1))])
    having = {"metric": "duration", "aggregation": "avg", "operator": "lt", "value": "0.000666666666667"}
    async with a_service(database_url) as client:
        answer = await query(client, metrics=[{"metric": "duration"}], having=[having])
        none = await query(client, having=[{**having, "operator": "eq"}])
    assert [str(row["duration"]) for row in answer.data["data"]] == ["0.000666666667"]
    assert none.data["data"] == []


async def test_a_status_is_meant_in_any_case_as_in_a_search(database_url: str) -> None:
    await insert(database_url, [a_row(1, status_code="ERROR"), a_row(2), a_row(3)])
    failed = {"dimension": "status_code", "operator": "eq", "value": "error"}
    others = {"dimension": "status_code", "operator": "not_in", "value": ["Error", "unset"]}
    async with a_service(database_url) as client:
        counts = [(await query(client, filters=[one])).data["data"][0]["request_count"] for one in (failed, others)]
    assert counts == [1, 2]


async def test_columns_are_named_and_costs_say_what_they_cover(database_url: str) -> None:
    await insert(database_url, [a_row(1), a_row(2, total_cost_usd=None, model="b")])
    async with a_service(database_url) as client:
        answer = await query(
            client,
            metrics=[
                {"metric": "total_cost"},
                {"metric": "total_cost", "aggregation": "max"},
                {"metric": "total_cost", "aggregation": "count", "alias": "priced"},
            ],
            group_by=["model"],
            sort_by={"field": "total_cost"},
        )
    assert [list(row) for row in answer.data["data"]] == [
        ["timestamp", "model", "total_cost", "total_cost_max", "priced"]
    ] * 2
    assert [(row["model"], row["priced"]) for row in answer.data["data"]] == [("gpt-4", 1), ("b", 0)]
    assert answer.json["meta"]["coverage"] == {"unpriced_requests": 1, "unpriced_tokens": 10, "lower_bound": True}
    assert (answer.json["meta"]["source"], answer.json["meta"]["complete"]) == ("traces_1hour", True)


async def test_numbers_of_users_are_exact_where_they_are_compared(client: Client) -> None:
    asked: dict[str, Any] = {"metrics": [{"metric": "unique_users"}], "from": START, "to": END, "group_by": ["model"]}
    shown_only = await client.post(QUERY, asked)
    having = [{"metric": "unique_users", "operator": "gt", "value": 3}]
    compared = await client.post(QUERY, {**asked, "having": having})
    days = await client.post(QUERY, {**asked, "having": having, "interval": "1day"})
    sources = [one.json["meta"]["source"] for one in (shown_only, compared, days)]
    assert sources == ["traces_1hour", "raw", "traces_1day"]
    assert compared.data["metadata"]["unique_counts"]["method"] == "exact"
    long = await client.post(QUERY, {**asked, "having": having, "from": END - timedelta(days=8)})
    assert (long.status, long.json["error_code"], long.json["field"]) == (422, "RANGE_TOO_LARGE", "interval")


async def test_a_query_from_raw_counts_as_several_requests(client: Client) -> None:
    """A key of one request a minute regains nothing meanwhile."""
    key = await created(client, rate_limit={"per_minute": 1, "burst": 20}, scopes=["metrics:query"])
    asked = {"from": T0, "to": T0 + HOUR, "metrics": [COUNT]}
    left = [
        int((await client.post(QUERY, asked | more, token=key["secret"])).headers["X-RateLimit-Remaining"])
        for more in ({}, {"group_by": ["session_id"]})
    ]
    assert left == [19, 19 - RAW_WEIGHT]


COUNT = {"metric": "request_count"}
MODEL = {"dimension": "model", "operator": "eq", "value": "a"}
EIGHT_DAYS = T0 - timedelta(days=8)
MANY = {**COUNT, "operator": "gt", "value": 1}


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        pytest.param({"metrics": []}, "metrics", "at least 1 item", id="no metrics"),
        pytest.param({"metrics": [COUNT] * 21}, "metrics", "at most 20 items", id="too many metrics"),
        pytest.param({"metrics": [{"metric": "cost"}]}, "metrics.0.metric", "Input should be", id="metric"),
        pytest.param({"metrics": [{**COUNT, "aggregation": "p95"}]}, "metrics.0", "has no p95", id="aggregation"),
        pytest.param({"metrics": [{**COUNT, "alias": "a b"}]}, "metrics.0.alias", "pattern", id="alias"),
        pytest.param({"metrics": [COUNT, COUNT]}, "metrics", "two columns are called request_count", id="twice"),
        pytest.param({"metrics": [{**COUNT, "alias": "timestamp"}]}, "metrics", "called timestamp", id="alias taken"),
        pytest.param({"group_by": ["tag"]}, "group_by.0", "Input should be", id="dimension"),
        pytest.param({"group_by": ["model"] * 2}, "group_by", "names something twice", id="dimension twice"),
        pytest.param({"filters": [{**MODEL, "value": ["a"]}]}, "filters.0", "eq and ne a text", id="list for eq"),
        pytest.param({"filters": [{**MODEL, "operator": "in"}]}, "filters.0", "take a list", id="text for in"),
        pytest.param({"filters": [{**MODEL, "value": 1}]}, "filters.0.value", "must be a text", id="number"),
        pytest.param(
            {"filters": [{**MODEL, "dimension": "status_code", "value": "failed"}]},
            *("filters.0", "status_code is one of OK, ERROR, UNSET"),
            id="status",
        ),
        pytest.param({"having": [{**MANY, "operator": "ne"}]}, "having.0.operator", "Input should be", id="operator"),
        pytest.param({"having": [{**MANY, "value": "x"}]}, "having.0.value", "decimal", id="value"),
        pytest.param({"having": [MANY] * 11}, "having", "at most 10", id="conditions"),
        pytest.param({"sort_by": {"field": "total_cost"}}, "sort_by.field", "there is no column total_cost", id="sort"),
        pytest.param({"limit": 10_001}, "limit", "less than or equal to 10000", id="limit"),
        pytest.param({"interval": "1min", "from": EIGHT_DAYS}, "interval", "at most 7 days", id="minutes"),
        pytest.param({"group_by": ["session_id"], "from": EIGHT_DAYS}, "group_by", "at most 7 days", id="raw"),
        pytest.param({"from": T0 - timedelta(days=91)}, "from", "at most 90 days", id="range"),
    ],
)
def test_a_query_that_cannot_be_answered_is_refused_by_name(changes: dict[str, Any], field: str, message: str) -> None:
    asked = {"from": T0.isoformat(), "to": (T0 + HOUR).isoformat(), "metrics": [COUNT], **changes}
    asked["from"] = asked["from"].isoformat() if isinstance(asked["from"], datetime) else asked["from"]
    with pytest.raises(RequestError) as refused:
        parameters.parse(QueryParameters, asked.items(), now=T0 + HOUR)
    assert refused.value.problem.value.status == 400, refused.value
    assert refused.value.field == field
    assert message in refused.value.detail
