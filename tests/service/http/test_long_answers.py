"""Answers are bounded in bytes, whatever texts the spans have, and so is the memory of six that are made at once."""

import asyncio
import re
from pathlib import Path
from typing import Any

from analytics_service.contract.endpoint import MAX_PAGE_BYTES
from tests.support.process import serving
from tests.support.service import HOUR, T0, Client, a_row, a_service, a_token, execute, insert

TEXT = '\U0001f600 "quoted"\n' + "tokens and more tokens, " * 4_000
"""About 100 kB; one character beyond the basic plane, so that Python needs four bytes for each."""
SPAN: dict[str, Any] = {"from_": T0, "to": T0 + HOUR}
META_BYTES = 2_000
MEMORY_BYTES = 512 * 2**20
"""What the api pods request by default."""


async def long_rows(database_url: str, count: int, **changes: Any) -> None:
    await insert(database_url, [a_row(number, **changes) for number in range(count)])
    await execute(database_url, "UPDATE traces SET output_text = $1", TEXT)


async def pages(client: Client, **asked: Any) -> list[Any]:
    found: list[Any] = []
    more: dict[str, Any] | None = {}
    while more is not None:
        answer = await client.get("/api/v1/traces", **SPAN, **asked, **more)
        found.append(answer)
        said = answer.json["pagination"]
        more = {"cursor": said["cursor"]} if said["has_more"] else None
    return found


async def test_a_page_of_long_texts_ends_early_and_its_cursor_goes_on(database_url: str) -> None:
    await long_rows(database_url, 100)
    async with a_service(database_url) as client:
        found = await pages(client, limit=1000, include="io")
    assert len(found) > 2
    for page in found:
        assert len(page.body) <= MAX_PAGE_BYTES + META_BYTES
        assert ("byte_limit" in page.json["pagination"]) == (page is not found[-1])
    rows = [row for page in found for row in page.data]
    assert [row["trace_id"] for row in rows] == [f"trace-{number:05}" for number in reversed(range(100))]
    assert {row["output_text"] for row in rows} == {TEXT}


async def test_texts_that_take_more_in_json_count_as_they_are_sent(database_url: str) -> None:
    await insert(database_url, [a_row(number) for number in range(6)])
    await execute(database_url, "UPDATE traces SET input_text = repeat(chr(1), 400000)")
    async with a_service(database_url) as client:
        found = await pages(client, limit=1000, include="io")
    assert [len(page.data) for page in found] == [1, 1, 1, 1, 1, 1]
    assert all(len(page.body) <= MAX_PAGE_BYTES for page in found)


async def test_a_span_that_is_longer_than_an_answer_comes_alone(database_url: str) -> None:
    await insert(database_url, [a_row(number) for number in range(3)])
    await execute(database_url, "UPDATE traces SET input_text = repeat('x', 4194304) WHERE trace_id = 'trace-00001'")
    async with a_service(database_url) as client:
        found = await pages(client, limit=1000, include="io")
        detail = await client.get("/api/v1/traces/trace-00001", include="io")
    assert [[row["trace_id"][-1] for row in page.data] for page in found] == [["2"], ["1"], ["0"]]
    assert len(found[1].data[0]["input_text"]) == 4_194_304
    assert len(detail.data["spans"][0]["input_text"]) == 4_194_304


async def test_children_count_with_their_span(database_url: str) -> None:
    rows = [a_row(number, trace_id="t", span_id=f"s{number}") for number in range(3)]
    rows += [
        a_row(60 + number, trace_id="t", span_id=f"c{number}", parent_span_id=f"s{number // 30}", model="child")
        for number in range(60)
    ]
    await insert(database_url, rows)
    await execute(database_url, "UPDATE traces SET output_text = $1", TEXT)
    asked = {"limit": 100, "include": "io,children", "sort_order": "asc", "model": "gpt-4"}
    async with a_service(database_url) as client:
        found = await pages(client, **asked)
    assert all(len(page.body) <= MAX_PAGE_BYTES + META_BYTES for page in found)
    shown = [row for page in found for row in page.data]
    assert [row["span_id"] for row in shown] == ["s0", "s1", "s2"]
    for number, span in enumerate(shown[:2]):
        names = [child["span_id"] for child in span["children"]]
        assert names == [f"c{number * 30 + index}" for index in range(len(names))]
        assert span["more_children"] == (len(names) < 30)
    assert "children" not in shown[2]


async def test_a_trace_whose_texts_are_too_long_is_refused_with_the_cure(database_url: str) -> None:
    await long_rows(database_url, 100, trace_id="t")
    await execute(database_url, "UPDATE traces SET span_id = ts::text")
    async with a_service(database_url) as client:
        refused = await client.get("/api/v1/traces/t", include="io")
        assert (refused.status, refused.json["error_code"], refused.json["field"]) == (
            400,
            "RANGE_TOO_LARGE",
            "include",
        )
        assert len((await client.get("/api/v1/traces/t")).data["spans"]) == 100
        part = await client.get("/api/v1/traces/t", include="io", **SPAN | {"to": a_row(20)["ts"]})
        assert len(part.data["spans"]) == 20


def peak(pid: int) -> int:
    """Bytes of memory that the process has had at most."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


async def test_six_such_answers_at_once_stay_within_the_memory_of_a_pod(database_url: str) -> None:
    await long_rows(database_url, 1_000)
    async with serving(database_url) as process:
        await process.until("/health/ready", 200)
        before = peak(process.process.pid)

        async def page(limit: int) -> int:
            asked = f"/api/v1/traces?limit={limit}&include=io&from=2024-03-04T12:00:00Z&to=2024-03-04T13:00:00Z"
            headers = {"Authorization": f"Bearer {a_token()}"}
            async with process.session.get(process.url + asked, headers=headers) as response:
                assert response.status == 200
                return len(await response.read())

        for limits in (range(995, 1001), range(989, 995)):
            sizes = await asyncio.gather(*map(page, limits))
            assert all(MAX_PAGE_BYTES // 2 < size <= MAX_PAGE_BYTES + META_BYTES for size in sizes)
        assert before < peak(process.process.pid) < MEMORY_BYTES // 2
