"""Children of listed spans: of their own trace, range, organisation and projects, whatever the filters are."""

from typing import Any

import pytest

from analytics_service.endpoints.traces.list.children import MAX_CHILDREN, MAX_PARENTS
from tests.support.service import HOUR, T0, a_row, a_service, a_token, insert

SPAN: dict[str, Any] = {"from_": T0, "to": T0 + HOUR, "fields": "span_id", "include": "children"}


def a_span(number: int, name: str, parent: str | None = None, **changes: Any) -> dict[str, Any]:
    return a_row(number, trace_id="t", span_id=name, parent_span_id=parent, **changes)


async def test_each_span_shows_its_direct_children_in_order_of_time(database_url: str) -> None:
    rows = [a_span(0, "root"), a_span(2, "late", "root"), a_span(1, "early", "root", model="other")]
    await insert(database_url, [*rows, a_span(3, "grandchild", "early", tags=["deep"])])
    async with a_service(database_url) as client:
        walked = (await client.get("/api/v1/traces", **SPAN, sort_order="asc")).data
        filtered = (await client.get("/api/v1/traces", **SPAN, model="other")).data
    assert walked == [
        {"span_id": "root", "children": [{"span_id": "early"}, {"span_id": "late"}], "more_children": False},
        {"span_id": "early", "children": [{"span_id": "grandchild"}], "more_children": False},
        {"span_id": "late"},
        {"span_id": "grandchild"},
    ]
    assert filtered == [{"span_id": "early", "children": [{"span_id": "grandchild"}], "more_children": False}]


@pytest.mark.parametrize("sort", ["ts", "duration_ms", "model"])
async def test_pages_with_children_are_those_without(database_url: str, sort: str) -> None:
    rows = [a_span(number, f"s{number}", f"s{number // 3}", duration_us=number % 4 or None) for number in range(20)]
    await insert(database_url, rows)
    asked = {**SPAN, "sort_by": sort, "limit": 6, "include": "children,total"}
    async with a_service(database_url) as client:
        pages: list[Any] = []
        more: dict[str, Any] | None = {}
        while more is not None:
            answer = await client.get("/api/v1/traces", **asked, **more)
            pages.append(answer.data)
            said = answer.json["pagination"]
            assert said["total"] == 20
            more = {"cursor": said["cursor"]} if said["has_more"] else None
        whole = (await client.get("/api/v1/traces", **{**SPAN, "sort_by": sort, "include": "total"})).data
    found = [span for page in pages for span in page]
    assert [span["span_id"] for span in found] == [span["span_id"] for span in whole]
    for span in found:
        expected = [name for name in range(20) if f"s{name // 3}" == span["span_id"]]
        assert [child["span_id"] for child in span.get("children", [])] == [f"s{name}" for name in expected]


async def test_children_of_others_are_not_shown(database_url: str) -> None:
    hidden = [
        a_span(1, "other project", "root", project_id="secret"),
        a_span(2, "other organisation", "root", org_id="rival"),
        {**a_span(3, "other trace", "root"), "trace_id": "another"},
        a_span(7200, "after the range", "root"),
    ]
    await insert(database_url, [a_span(0, "root"), a_span(4, "ours", "root"), *hidden])
    token = a_token(projects=["web"])
    async with a_service(database_url) as client:
        (root, *_) = (await client.get("/api/v1/traces", **SPAN, token=token, sort_order="asc")).data
    assert [child["span_id"] for child in root["children"]] == ["ours"]


async def test_more_children_than_are_shown_are_said(database_url: str) -> None:
    children = [a_span(number, f"c{number}", "root") for number in range(1, MAX_CHILDREN + 2)]
    await insert(database_url, [a_span(0, "root"), *children])
    async with a_service(database_url) as client:
        (root, *_) = (await client.get("/api/v1/traces", **SPAN, sort_order="asc", limit=1)).data
        refused = await client.get("/api/v1/traces", **SPAN, limit=MAX_PARENTS + 1)
    assert [child["span_id"] for child in root["children"]] == [f"c{n}" for n in range(1, MAX_CHILDREN + 1)]
    assert root["more_children"] is True
    assert (refused.status, refused.json["field"]) == (400, "limit")
