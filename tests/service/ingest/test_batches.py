"""Records that are alike are parsed together: what becomes of each is what it would be alone."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.errors import UsageError
from analytics_service.ingest.batches import NO_PRESET, OnError, Options, batches
from analytics_service.ingest.fields import FIELDS, Field
from analytics_service.ingest.files.input import Input
from analytics_service.ingest.mapping import columns
from analytics_service.ingest.rows import BadRow, Fields, SpanRow, parsed, parsed_together
from analytics_service.ingest.tally import Tally

TEXTS = ("", "0", "7", "7", "1.50", "1.5", "1e-13", "-1", "gpt-4o", "true", "OK", "a\0b", "\ud83d", "x" * 300)
TIMES = ("2024-03-09T10:00:00Z", "2024-03-09 10:00:00.25", "1710000000", "20240309")
CELL = st.sampled_from((*TEXTS, *TIMES))
VALUE = CELL | st.sampled_from([None, 0, 1, 7, True, False, Decimal("1.50"), ["a", "b"], {"a": 1}, 1710000000, 2**63])
OF = st.lists(st.sampled_from(list(FIELDS.values())), min_size=1, max_size=6).map(tuple)
NAMES = ("ts", "organisation", "model", "prompt_tokens", "completion_tokens", "cached_tokens", "total_cost", "prompt")


def alone(of: tuple[Field, ...], values: Any) -> SpanRow | str:
    try:
        return parsed(Fields(of, values))
    except BadRow as error:
        return str(error)


@given(st.data(), OF)
def test_records_are_parsed_together_as_each_alone(data: st.DataObject, of: tuple[Field, ...]) -> None:
    records = data.draw(st.lists(st.lists(VALUE, min_size=len(of), max_size=len(of)), min_size=1, max_size=6)) * 3
    each = [alone(of, values) for values in records]
    if any(isinstance(one, str) for one in each):
        with pytest.raises(ValueError, match=r"."):
            parsed_together(of, records)
    else:
        together = parsed_together(of, records)
        assert together == each
        assert [{name: type(value) for name, value in one.items()} for one in together] == [
            {name: type(value) for name, value in one.items()} for one in each if isinstance(one, dict)
        ]


def imported(content: str, *, batch_size: int = 8000) -> tuple[list[SpanRow], Tally]:
    stream: Any = io.BufferedReader(io.BytesIO(content.encode("utf-8", "surrogatepass")))
    beginning = stream.peek()
    file = Input(name="a.csv", stream=stream, stored=stream, size=None, beginning=beginning)
    options = Options(
        columns=columns([], ["provider=openai"], []), on_error=OnError.SKIP, preset=NO_PRESET, batch_size=batch_size
    )
    tally = Tally()
    return [row for batch in batches(file, "a", options, tally) for row in batch.rows], tally


def as_csv(records: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows([list(NAMES), *records])
    return text.getvalue()


ROW = st.tuples(st.sampled_from(TIMES[:3]), st.just("acme"), *[CELL] * (len(NAMES) - 2)).map(list)


@given(st.lists(ROW, max_size=8))
def test_a_bad_row_changes_no_other(records: list[list[str]]) -> None:
    rows, tally = imported(as_csv(records))
    lines = {each.line for each in tally.first_bad}
    good, clean = imported(as_csv([each for number, each in enumerate(records, start=2) if number not in lines]))
    assert (rows, len(rows), clean.bad) == (good, tally.read - tally.bad, 0)
    assert (tally.prices.priced, tally.prices.unpriced) == (clean.prices.priced, clean.prices.unpriced)
    assert (tally.rounded, tally.repaired, tally.spans) == (clean.rounded, clean.repaired, clean.spans)
    for number, each in enumerate(records, start=2):
        if number in lines:
            _, one = imported(as_csv([each]))
            assert [bad.reason for bad in one.first_bad] == [b.reason for b in tally.first_bad if b.line == number]


# half a surrogate pair is one character of JSON, and three bytes of no text in CSV
@given(st.lists(ROW.filter(lambda cells: "\ud83d" not in cells), min_size=1, max_size=8), st.integers(1, 3))
def test_json_lines_and_cells_give_the_same_rows_with_the_same_ids(records: list[list[str]], batch_size: int) -> None:
    """Without what is empty, so that the objects of a file do not have the same members."""
    objects = [{name: value for name, value in zip(NAMES, each, strict=True) if value} for each in records]
    of_lines, lines = imported("\n".join(map(json.dumps, objects)), batch_size=batch_size)
    of_cells, cells = imported(as_csv(records))
    assert (of_lines, lines.bad) == (of_cells, cells.bad)


def test_what_was_read_before_a_file_ends_badly_is_counted_first() -> None:
    records = [["2024-03-09", "acme", "m", "many", "1", "", "", ""]]
    content = as_csv(records) + '2024-03-09,"acme\n'
    with pytest.raises(UsageError, match="is no CSV from here on"):
        imported(content)
    options = Options(columns=columns([], [], []), preset=NO_PRESET)
    stream: Any = io.BufferedReader(io.BytesIO(content.encode()))
    file = Input(name="a.csv", stream=stream, stored=stream, size=None, beginning=stream.peek())
    with pytest.raises(UsageError, match=r"a\.csv:2: prompt_tokens: 'many'"):
        list(batches(file, "a", options, Tally()))
