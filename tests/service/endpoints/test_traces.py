"""The list of traces: filters, fields, and walks that meet every row once."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.endpoints.traces.fields import Sort
from tests.support.service import HOUR, T0, Client, a_row, a_service, insert

SPAN: dict[str, Any] = {"from_": T0, "to": T0 + HOUR}
COLUMN = {"duration_ms": "duration_us", "ttft_ms": "ttft_us"}


def random_rows(seed: int, count: int = 60) -> list[dict[str, Any]]:
    """With ties in every column, and values that are not known."""
    chance = random.Random(seed)
    return [
        a_row(
            number,
            ts=T0 + timedelta(seconds=chance.randrange(5)),
            trace_id=f"t{chance.randrange(8)}",
            span_id=f"s{number}",
            provider=chance.choice(["", "openai", "anthropic"]),
            model=chance.choice(["", "a", "A", "ä", "_"]),
            environment=chance.choice(["", "dev"]),
            status_code=chance.choice(["OK", "ERROR", "UNSET"]),
            duration_us=chance.choice([None, 0, 5, 2**40]),
            ttft_us=chance.choice([None, 1]),
            total_tokens=chance.choice([None, 0, 2**50]),
            total_cost_usd=chance.choice(
                [None, Decimal(0), Decimal("0.000000000001"), Decimal("999999999.999999999999")]
            ),
        )
        for number in range(count)
    ]


async def walk(client: Client, between: Callable[[int], Any] | None = None, **params: Any) -> list[dict[str, Any]]:
    """The rows of all pages; `between` runs after each."""
    found: list[dict[str, Any]] = []
    pages, more = 0, dict[str, Any]()
    while True:
        answer = await client.get("/api/v1/traces", **params, **more)
        found += answer.data
        pages += 1
        page = answer.json["pagination"]
        assert page["has_more"] == ("cursor" in page)
        if not page["has_more"]:
            return found
        more = {"cursor": page["cursor"]}
        if between is not None:
            await between(pages)


def position(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["ts"], row["trace_id"], row["span_id"])


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", Sort)
async def test_a_walk_meets_every_row_once_in_order(database_url: str, sort: Sort, order: str) -> None:
    rows = random_rows(1)
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        walked = await walk(client, **SPAN, sort_by=sort, sort_order=order, limit=7)
        whole = (await client.get("/api/v1/traces", **SPAN, sort_by=sort, sort_order=order, limit=1000)).data
    assert walked == whole
    assert len(walked) == len(rows)
    assert {(row["trace_id"], row["span_id"]) for row in walked} == {(row["trace_id"], row["span_id"]) for row in rows}
    values = [row.get(sort) for row in walked]
    if sort in {Sort.DURATION_MS, Sort.TTFT_MS, Sort.TOTAL_TOKENS, Sort.TOTAL_COST_USD}:
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=order == "desc")
        assert values[len(known) :] == [None] * (len(values) - len(known))  # the unknown come last


@pytest.mark.parametrize("sort", [Sort.TS, Sort.TOTAL_COST_USD])
async def test_rows_that_arrive_meanwhile_move_no_other(database_url: str, sort: Sort) -> None:
    rows = random_rows(2)
    await insert(database_url, rows)

    async def arrive(page: int) -> None:
        await insert(database_url, [{**row, "trace_id": f"late{page}"} for row in random_rows(page + 10, 5)])

    async with a_service(database_url) as client:
        walked = await walk(client, arrive, **SPAN, sort_by=sort, limit=9)
    met = [position(row) for row in walked]
    assert len(set(met)) == len(met)
    assert sum(not row["trace_id"].startswith("late") for row in walked) == len(rows)


async def test_a_walk_keeps_the_range_that_its_first_page_had(database_url: str) -> None:
    """`to` is now: rows that come later are not in the range of the walk."""
    now = datetime.now(UTC)
    await insert(database_url, [a_row(number, ts=now - timedelta(minutes=30 + number)) for number in range(6)])

    async def arrive(page: int) -> None:
        await insert(database_url, [a_row(100 + page, ts=datetime.now(UTC))])

    async with a_service(database_url) as client:
        walked = await walk(client, arrive, from_="now-1h", sort_order="asc", limit=2)
    assert [row["trace_id"] for row in walked] == [f"trace-{number:05}" for number in (5, 4, 3, 2, 1, 0)]


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        pytest.param({"trace_id": "trace-00003"}, [3], id="trace_id"),
        pytest.param({"project_id": "p1"}, [4, 1], id="project_id"),
        pytest.param({"model": "m2"}, [5, 2], id="model"),
        pytest.param({"provider": "nobody"}, [], id="provider"),
        pytest.param({"status": "ERROR"}, [5], id="status"),
        pytest.param({"min_duration": "2.001"}, [5, 4, 3], id="min_duration"),
        pytest.param({"max_duration": "2"}, [2, 1, 0], id="max_duration"),
        pytest.param({"min_cost": "0.003", "max_cost": "0.004"}, [4, 3], id="cost"),
        pytest.param({"min_tokens": "4"}, [5, 4], id="tokens"),
        pytest.param({"tags": "a,b1"}, [5, 3, 1], id="tags"),
        pytest.param({"search": "50% O_F"}, [2], id="search takes % and _ as they are"),
        pytest.param({"search": "PROMPT"}, [5, 4, 3, 2, 1, 0], id="search in any case"),
        pytest.param({"sort_order": "asc", "limit": "2"}, [0, 1], id="ascending"),
        pytest.param({"from_": T0 + timedelta(seconds=1), "to": T0 + timedelta(seconds=3)}, [2, 1], id="half-open"),
    ],
)
async def test_a_filter_narrows(database_url: str, params: dict[str, Any], numbers: list[int]) -> None:
    texts = ["prompt 0", "prompt 50 off", "prompt 50% o_f", "prompt \\", "prompt 4", "prompt 5"]
    await insert(
        database_url,
        [
            a_row(
                number,
                project_id=f"p{number % 3}",
                model=f"m{number % 3}",
                status_code="ERROR" if number == 5 else "UNSET",
                duration_us=number * 1000,
                total_cost_usd=Decimal(number) / 1000,
                total_tokens=number,
                tags=["a", f"b{number % 2}"],
                input_text=texts[number] if number % 2 else None,
                output_text=None if number % 2 else texts[number],
            )
            for number in range(6)
        ],
    )
    async with a_service(database_url) as client:
        found = (await client.get("/api/v1/traces", **{**SPAN, **params})).data
    assert [int(trace["trace_id"][-5:]) for trace in found] == numbers


async def test_fields_are_exact_and_the_unknown_are_left_out(database_url: str) -> None:
    await insert(
        database_url,
        [
            a_row(
                provider="",
                total_cost_usd=Decimal("123456789.000000000001"),
                duration_us=1_234_567,
                attributes={"n": 1, "nested": {"text": "ü"}},
                input_text="in",
            )
        ],
    )
    async with a_service(database_url) as client:
        (usual,) = (await client.get("/api/v1/traces", **SPAN)).data
        assert usual["total_cost_usd"] == Decimal("123456789.000000000001")
        assert usual["duration_ms"] == Decimal("1234.567")
        assert usual["ts"] == "2024-03-04T12:00:00Z"
        assert not usual.keys() & {"provider", "ttft_ms", "user_id", "input_text", "attributes", "org_id", "is_request"}
        (included,) = (await client.get("/api/v1/traces", **SPAN, include="io,attributes")).data
        assert (included["input_text"], included["attributes"]) == ("in", {"n": 1, "nested": {"text": "ü"}})
        (resolved_interval,) = (await client.get("/api/v1/traces", **SPAN, fields="attributes,model,ttft_ms")).data
        assert list(resolved_interval) == ["model", "attributes"]


async def test_total_counts_all_rows_of_the_question(database_url: str) -> None:
    await insert(database_url, [a_row(number, model=f"m{number % 2}") for number in range(9)])
    async with a_service(database_url) as client:
        first = (await client.get("/api/v1/traces", **SPAN, model="m0", include="total", limit=2)).json["pagination"]
        assert first["total"] == 5
        second = await client.get(
            "/api/v1/traces", **SPAN, model="m0", include="total", limit=2, cursor=first["cursor"]
        )
        assert second.json["pagination"]["total"] == 5
        none = await client.get("/api/v1/traces", **SPAN, model="m7", include="total")
        assert none.json["pagination"] == {"has_more": False, "limit": 50, "total": 0}
