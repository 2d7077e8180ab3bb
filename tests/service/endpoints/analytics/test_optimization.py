"""Findings equal what is computed plainly from the rows, add up, and are none where nothing is to be saved."""

import random
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import asyncpg

from analytics_service.rollups.retention.raw import retain_raw
from tests.support import reference
from tests.support.reference import Row
from tests.support.rollups import refresh
from tests.support.service import HOUR, T0, a_row, a_service, a_token, insert

PATH = "/api/v1/analytics/optimization"
DAY = timedelta(days=1)
GROUP = ("project_id", "environment", "provider", "model")


def random_rows() -> list[dict[str, Any]]:
    chance = random.Random(23)
    rows = reference.random_requests(23, T0 - DAY, T0 + 6 * DAY, 900)
    prompts = [None, "", *(f"prompt {number}" for number in range(40))]
    return [row | {"input_text": chance.choice(prompts), "prompt_tokens": chance.choice([None, 7, 8])} for row in rows]


def expected(rows: list[Row]) -> dict[tuple[Any, ...], tuple[int, Decimal, Decimal]]:
    """Number, cost and saved cost by kind, group and first moment."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        names = [row[name] for name in GROUP]
        if row["status_code"] == "ERROR":
            groups[("failed_requests", *names, None)].append(row)
        elif row["input_text"] and row["total_cost_usd"]:
            groups[("repeated_prompts", *names, (row["input_text"], row["prompt_tokens"]))].append(row)
    found = {}
    for key, group in groups.items():
        cost, repeated = reference.money(group), key[0] == "repeated_prompts"
        first = min(group, key=lambda row: (row["ts"], row["trace_id"], row["span_id"]))
        if (repeated and len(group) > 1) or (not repeated and cost):
            when = first["ts"] if repeated else None
            found[(*key[:-1], when)] = (len(group), cost, cost - first["total_cost_usd"] if repeated else cost)
    return found


async def test_the_findings_equal_the_rows(database_url: str) -> None:
    rows = random_rows()
    await insert(database_url, rows[:700])
    await reference.refreshed(database_url)
    await insert(database_url, rows[700:])
    span = T0 - timedelta(hours=3, minutes=7), T0 + 5 * DAY
    async with a_service(database_url) as client:
        for organisation, projects, narrowed in (
            ("acme", (), {}),
            ("acme", ("web",), {"user_id": "u1"}),
            ("globex", (), {"model": "a", "provider": "openai"}),
        ):
            equal: dict[str, Any] = narrowed
            token = a_token(org_id=organisation, projects=list(projects), role="viewer")
            answer = await client.get(PATH, token=token, from_=span[0], to=span[1], limit=200, **equal)
            seen = reference.requests(rows, *span, organisation=organisation, projects=projects, **equal)
            data, findings, whole = answer.data, expected(seen), reference.money(seen)
            found = {}
            for one in data["findings"]:
                repeated = one["kind"] == "repeated_prompts"
                when = datetime.fromisoformat(one["rows"]["start_time"]) if repeated else None
                key = (one["kind"], *(one["rows"][name] for name in GROUP), when)
                found[key] = (one["requests"], one["cost"], one["saved_cost"])
                assert one["cost"] - one["necessary_cost"] == one["saved_cost"]
                assert Fraction(one["percentage"]) == reference.rounded(
                    Fraction(one["saved_cost"] * 100) / Fraction(whole)
                )
            assert found == findings
            assert data["metadata"]["total_findings"] == len(findings)
            saved = sum((each[2] for each in findings.values()), Decimal(0))
            assert (data["total_cost"], data["saved_cost"]) == (whole, saved)
            score = Fraction(whole - saved) * 100 / Fraction(whole)
            assert Fraction(data["overall_score"]) == reference.rounded(score)
            assert [one["saved_cost"] for one in data["findings"]] == sorted(
                (one["saved_cost"] for one in data["findings"]), reverse=True
            )
            assert answer.json["meta"]["coverage"] == reference.coverage(seen)


async def test_the_rows_of_a_finding_are_those_of_the_list(database_url: str) -> None:
    await insert(
        database_url,
        [
            *(a_row(number, input_text="again", total_cost_usd=Decimal("0.1")) for number in (3, 5, 9)),
            *(a_row(number, status_code="ERROR", total_cost_usd=Decimal("0.05")) for number in (4, 6)),
            a_row(7, input_text="once"),
        ],
    )
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=T0, to=T0 + HOUR)).data
        traces = {}
        for one in data["findings"]:
            rows = one["rows"]
            asked = {name: rows[name] for name in (*GROUP, "status") if rows[name]}
            span = {"from_": rows["start_time"], "to": rows["end_time"]}
            listed = (await client.get("/api/v1/traces", **span, **asked, sort_order="asc")).data
            traces[one["kind"]] = [each["trace_id"] for each in listed]
        repeated, failed = data["findings"]
    assert (repeated["kind"], repeated["saved_cost"]) == ("repeated_prompts", Decimal("0.2"))
    assert repeated["rows"]["trace_ids"] == [f"trace-{number:05}" for number in (3, 5, 9)]
    assert set(repeated["rows"]["trace_ids"]) <= set(traces["repeated_prompts"])
    assert (failed["kind"], failed["saved_cost"]) == ("failed_requests", Decimal("0.1"))
    assert traces["failed_requests"] == ["trace-00004", "trace-00006"]


async def test_prompts_that_are_stored_cut_or_masked_are_not_compared(database_url: str) -> None:
    """They are equal as they are stored, and nobody knows whether they were when they were sent."""
    texts = {"cut": "You are a helpful…", "masked": "mail [email] now", "longer": "the same", "whole": "again"}
    await insert(
        database_url,
        [
            a_row(
                10 * index + number,
                input_text=text,
                prompt_tokens=100 * (1 + number) if name == "longer" else 100,
                total_cost_usd=Decimal("0.1"),
            )
            for index, (name, text) in enumerate(texts.items())
            for number in range(2)
        ],
    )
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=T0, to=T0 + HOUR)).data
    assert [one["rows"]["trace_ids"] for one in data["findings"]] == [["trace-00030", "trace-00031"]]
    assert data["saved_cost"] == Decimal("0.1")
    assert data["metadata"]["searched"] == {"requests": 4, "cost": Decimal("0.4"), "percentage": 50}


async def test_findings_of_a_user_have_rows_of_the_user(database_url: str) -> None:
    await insert(
        database_url,
        [
            a_row(number, span_id=user, user_id=user, status_code="ERROR", total_cost_usd=Decimal("0.05"))
            for number in range(2)
            for user in ("ann", "bob")
        ],
    )
    async with a_service(database_url) as client:
        (one,) = (await client.get(PATH, from_=T0, to=T0 + HOUR, user_id="ann")).data["findings"]
        (of_all,) = (await client.get(PATH, from_=T0, to=T0 + HOUR)).data["findings"]
    assert (one["requests"], one["rows"]["user_id"]) == (2, "ann")
    assert (of_all["requests"], of_all["rows"]["user_id"]) == (4, None)


async def test_a_prompt_that_one_trace_repeats_names_the_trace_once(database_url: str) -> None:
    spans = [a_row(n, trace_id="t", span_id=str(n), input_text="again") for n in range(3)]
    await insert(database_url, spans)
    async with a_service(database_url) as client:
        (one,) = (await client.get(PATH, from_=T0, to=T0 + HOUR)).data["findings"]
    assert (one["requests"], one["rows"]["trace_ids"]) == (3, ["t"])


async def test_there_is_no_finding_where_nothing_is_to_be_saved(database_url: str) -> None:
    await insert(
        database_url,
        [
            a_row(1, input_text="one"),
            a_row(2, input_text="two"),
            a_row(3, input_text="one", model="another"),
            a_row(4, status_code="ERROR", total_cost_usd=None),
            *(a_row(number, input_text="free", total_cost_usd=Decimal(0)) for number in (5, 6)),
        ],
    )
    async with a_service(database_url) as client:
        data = (await client.get(PATH, from_=T0, to=T0 + HOUR)).data
        empty = (await client.get(PATH, from_=T0 - HOUR, to=T0)).data
    assert (data["findings"], data["saved_cost"], data["overall_score"]) == ([], 0, 100)
    assert (empty["findings"], empty["total_cost"], empty["overall_score"]) == ([], 0, None)


async def test_prompts_that_are_no_longer_kept_are_said_to_be_missing(database_url: str) -> None:
    await insert(database_url, [a_row(number, status_code="ERROR", input_text="again") for number in range(2)])
    connection = await asyncpg.connect(database_url)
    await refresh(connection)
    midnight = T0.replace(hour=0)
    assert [step async for step in retain_raw(connection, midnight + DAY)]
    await connection.close()
    async with a_service(database_url) as client:
        answer = await client.get(PATH, from_=midnight, to=midnight + DAY)
    assert [one["kind"] for one in answer.data["findings"]] == ["failed_requests"]
    assert [part["reason"] for part in answer.json["meta"]["incomplete"]] == ["prompts_below_retention"]


async def test_what_cannot_be_answered_is_named(database_url: str) -> None:
    async with a_service(database_url) as client:
        long = await client.get(PATH, from_=T0 - 8 * DAY, to=T0)
        many = await client.get(PATH, limit=201)
    assert (long.json["error_code"], long.json["field"]) == ("INVALID_TIME_RANGE", "from")
    assert (many.json["error_code"], many.json["field"]) == ("INVALID_PARAMETER", "limit")
