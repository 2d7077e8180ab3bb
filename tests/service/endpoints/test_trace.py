"""One trace as a tree: every span once, whatever clients sent, with totals that are those of its requests."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.endpoints.traces.detail.parameters import MAX_SPANS, MAX_SPANS_WITH_TEXT
from analytics_service.endpoints.traces.detail.tree import MAX_DEPTH, Node, build_tree
from analytics_service.units import decimals
from tests.support.service import HOUR, T0, a_row, a_service, a_token, insert

Shape = dict[str, "Shape"]


def node(name: str, parent: str | None = None) -> Node:
    return Node(name, parent, {"span_id": name})


def shape(spans: list[dict[str, Any]]) -> Shape:
    """Names of spans, with those below them."""
    return {span["span_id"]: shape(span.get("children", [])) for span in spans}


def levels(spans: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """Every span with its level; without recursion, which has a limit."""
    due = [(1, span) for span in spans]
    for level, span in due:
        yield level, span["span_id"]
        due += [(level + 1, child) for child in span.get("children", [])]


@pytest.mark.parametrize(
    ("spans", "tree"),
    [
        pytest.param([node("a"), node("b", "a"), node("c", "b")], {"a": {"b": {"c": {}}}}, id="a branch"),
        pytest.param([node("a"), node("b", "a"), node("c", "a")], {"a": {"b": {}, "c": {}}}, id="siblings"),
        pytest.param([node("b", "a"), node("a")], {"a": {"b": {}}}, id="a child before its parent"),
        pytest.param([node("a"), node("b", "lost"), node("c", "b")], {"a": {}, "b": {"c": {}}}, id="an orphan"),
        pytest.param([node("a", "a"), node("b", "a")], {"a": {"b": {}}}, id="its own parent"),
        pytest.param([node("x", "a"), node("a", "b"), node("b", "a")], {"a": {"x": {}, "b": {}}}, id="a cycle"),
        pytest.param([node("a"), node("b", "")], {"a": {}, "b": {}}, id="a parent without a name"),
    ],
)
def test_spans_stand_below_their_parents(spans: list[Node], tree: Shape) -> None:
    assert shape(build_tree(spans)) == tree


def test_spans_of_one_id_are_all_there() -> None:
    found = build_tree([node("a"), node("a"), node("b", "a")])
    assert found == [{"span_id": "a", "children": [{"span_id": "b"}]}, {"span_id": "a"}]


@given(st.lists(st.integers(-1, 29), min_size=1, max_size=30))
def test_every_span_is_there_once_whatever_its_parent_is(parents: list[int]) -> None:
    spans = [node(str(number), None if parent < 0 else str(parent)) for number, parent in enumerate(parents)]
    found = [name for _, name in levels(build_tree(spans))]
    assert sorted(found) == sorted(str(number) for number in range(len(parents)))


def test_deep_spans_stand_on_the_last_level_and_can_be_written() -> None:
    spans = [node("0"), *(node(str(number), str(number - 1)) for number in range(1, 1000))]
    tree = build_tree(spans)
    found = list(levels(tree))
    assert len({name for _, name in found}) == 1000
    assert max(level for level, _ in found) == MAX_DEPTH
    assert [name for level, name in found if level == MAX_DEPTH] == [str(n) for n in range(MAX_DEPTH - 1, 1000)]
    assert decimals.dumps({"data": {"spans": tree}})


async def test_a_trace_is_shown_with_its_totals(database_url: str) -> None:
    around = {"is_request": False, "total_tokens": 30, "total_cost_usd": Decimal("0.5"), "model": ""}
    rows = [
        a_row(0, trace_id="t", span_id="root", duration_us=5_000_000, **around),
        a_row(1, trace_id="t", span_id="one", parent_span_id="root", duration_us=2**40, model="b"),
        a_row(2, trace_id="t", span_id="two", parent_span_id="root", status_code="ERROR", model="a", input_text="hi"),
        a_row(3, trace_id="other"),
    ]
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        found = (await client.get("/api/v1/traces/t", from_=T0, to=T0 + HOUR)).data
        ever = (await client.get("/api/v1/traces/t")).data
        texts = (await client.get("/api/v1/traces/t", include="io")).data
    assert shape(found["spans"]) == {"root": {"one": {}, "two": {}}}
    assert found == ever
    assert found["start"] == "2024-03-04T12:00:00Z"
    assert found["duration_ms"] == Decimal(2**40 + 1_000_000) / 1000
    assert found["totals"] == {
        "span_count": 3,
        "request_count": 2,
        "error_count": 1,
        "prompt_tokens": 0,
        "completion_tokens": 0,
        "total_tokens": 20,
        "prompt_cost_usd": 0,
        "completion_cost_usd": 0,
        "total_cost_usd": Decimal("0.002"),
        "unpriced_requests": 0,
        "nested_calls": 0,
        "models": ["a", "b"],
    }
    assert "input_text" not in found["spans"][0]["children"][1]
    assert texts["spans"][0]["children"][1]["input_text"] == "hi"


async def test_totals_say_what_they_do_not_count(database_url: str) -> None:
    rows = [
        a_row(0, trace_id="t", span_id="gateway", is_request=False, is_nested=True),
        a_row(1, trace_id="t", span_id="sdk", parent_span_id="gateway", price_status="full"),
        a_row(2, trace_id="t", span_id="unknown", total_cost_usd=None, price_status="none"),
        a_row(3, trace_id="t", span_id="search", price_status="partial"),
        a_row(4, trace_id="t", span_id="tool", is_request=False, total_cost_usd=None),
    ]
    rows = [{"is_nested": False, **row} for row in rows]
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        totals = (await client.get("/api/v1/traces/t")).data["totals"]
    assert (totals["request_count"], totals["unpriced_requests"], totals["nested_calls"]) == (3, 2, 1)


async def test_what_another_organisation_or_project_has_is_not_there(database_url: str) -> None:
    await insert(
        database_url, [a_row(0, trace_id="t", project_id="p", span_id="ours"), a_row(1, trace_id="t", project_id="q")]
    )
    async with a_service(database_url) as client:
        some = await client.get("/api/v1/traces/t", token=a_token(projects=["p"]))
        theirs = await client.get("/api/v1/traces/t", token=a_token(org_id="globex"))
        nobodys = await client.get("/api/v1/traces/none", token=a_token(org_id="globex"))
    assert shape(some.data["spans"]) == {"ours": {}}
    assert (theirs.status, theirs.json["error_code"], theirs.json["field"]) == (404, "TRACE_NOT_FOUND", "trace_id")
    each = {"request_id": "", "instance": ""}
    assert theirs.json | each == nobodys.json | each


async def test_a_trace_of_too_many_spans_is_refused_with_the_way_out(database_url: str) -> None:
    await insert(
        database_url, [a_row(0, trace_id="t", span_id=f"s{number}") for number in range(MAX_SPANS_WITH_TEXT + 1)]
    )
    async with a_service(database_url) as client:
        assert (await client.get("/api/v1/traces/t")).status == 200
        refused = await client.get("/api/v1/traces/t", include="io")
        await insert(database_url, [a_row(1, trace_id="t", span_id=f"m{number}") for number in range(MAX_SPANS)])
        many = await client.get("/api/v1/traces/t", to="now+2h")
    for answer in (refused, many):
        assert (answer.status, answer.json["error_code"]) == (400, "RANGE_TOO_LARGE")
        assert "page through GET /api/v1/traces?trace_id=" in answer.json["detail"]


async def test_the_path_holds_any_id(database_url: str) -> None:
    await insert(database_url, [a_row(0, trace_id="a/b c%ü")])
    async with a_service(database_url) as client:
        found = await client.get("/api/v1/traces/a%2Fb%20c%25%C3%BC")
        twice = await client.get("/api/v1/traces/a", trace_id="b")
    assert found.data["trace_id"] == "a/b c%ü"
    assert (twice.status, twice.json["detail"]) == (400, "trace_id is given twice")
