"""Whatever a value holds, COPY's text brings it into the table as it was."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.ingest.conflicts import OnConflict
from analytics_service.ingest.copy import Writer
from analytics_service.ingest.fields import COLUMNS, DEFAULTS
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.text import encode

pytestmark = pytest.mark.postgres

T0 = datetime(2024, 3, 4, 12, 0, 0, 123456, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20) | st.text(
    "\\Nt\t\n\r.{}\"',", max_size=6
)
AWKWARD = ["", "\\N", "\\.", "a\tb", "line\nand\r\nline", "\\", '"', "{}", "NULL", "größer 🙂", "\x01\x7f", "null"]


def a_row(number: int, **values: Any) -> dict[str, Any]:
    return {
        **DEFAULTS,
        "is_request": True,
        "org_id": "acme",
        "trace_id": f"t{number}",
        "span_id": "s",
        "ts": T0,
        **values,
    }


async def test_values_arrive_as_they_were(database_url: str) -> None:
    rows = [
        a_row(
            number,
            model=text,
            input_text=text * 3,
            user_id=text or None,
            tags=[text, "plain", f"{text}{text}"],
            attributes='{"a": "b\\\\c\\n\\"d\\""}',
            total_tokens=2**63 - 1,
            total_cost_usd=Decimal("1E-12"),
            duration_us=0,
            is_request=number % 2 == 0,
        )
        for number, text in enumerate(AWKWARD)
    ]
    rows = [{name: value for name, value in row.items() if value is not None} for row in rows]
    connection = await asyncpg.connect(database_url)
    try:
        written = await Writer(connection, OnConflict.MERGE, Prices().price).write(encode([*rows, a_row(99)]))
        assert (written.inserted, written.present) == (len(rows) + 1, 0)
        again = await Writer(connection, OnConflict.MERGE, Prices().price).write(encode([*rows, a_row(100)]))
        assert (again.inserted, again.present) == (1, len(rows)), "by way of staging"
        found = {row["trace_id"]: row for row in await connection.fetch("SELECT * FROM traces")}
    finally:
        await connection.close()
    for row in rows:
        stored = found[row["trace_id"]]
        assert {name: stored[name] for name in row if name != "attributes"} == {
            name: value for name, value in row.items() if name != "attributes"
        }
        assert all(stored[name] is None for name in COLUMNS if name not in {*row, "request_weight"})
    assert found["t0"]["attributes"] == '{"a": "b\\\\c\\n\\"d\\""}'


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_row_is_one_line_with_a_cell_for_each_column(texts: list[list[str]]) -> None:
    rows = [a_row(0, model=one, error_message=two, tags=[three]) for one, two, three in texts]
    text = encode(rows)
    lines = text.data.decode().split("\n")
    assert lines.pop() == ""
    assert len(lines) == len(rows)
    for line in lines:
        assert "\r" not in line
        assert line.count("\t") == len(text.columns) - 1


@given(st.datetimes(datetime(1970, 1, 1), datetime(2199, 12, 31), timezones=st.just(UTC)))  # noqa: DTZ001 - of a zone
def test_a_time_is_the_same_moment_as_text(moment: datetime) -> None:
    text = encode([a_row(0, ts=moment), a_row(1, model="m")])
    cell = text.data.decode().split("\t")[text.columns.index("ts")]
    assert datetime.fromisoformat(cell) == moment


def test_each_row_keeps_its_own_values_and_what_it_does_not_have_is_null() -> None:
    rows = [a_row(number, **({"user_id": f"u{number}"} if number % 3 else {})) for number in range(600)]
    text = encode(rows)
    cells = [line.split("\t") for line in text.data.decode().splitlines()]
    user, trace = text.columns.index("user_id"), text.columns.index("trace_id")
    assert [(each[trace], each[user]) for each in cells] == [
        (f"t{number}", f"u{number}" if number % 3 else "\\N") for number in range(600)
    ]
