"""Arrays of JSON are read element by element, whatever their length, their lines and where a read ends."""

import io
import json
import random
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.errors import UsageError
from analytics_service.ingest.files.input import Input
from analytics_service.ingest.files.json_rows import json_array
from analytics_service.ingest.mapping import columns
from analytics_service.ingest.rows import BadRow

HOW = columns([], ["organisation=acme"], ["*"])


def read(content: bytes) -> list[tuple[int, Any]]:
    stream: Any = io.BufferedReader(io.BytesIO(content))
    file = Input(name="a.json", stream=stream, stored=stream, size=None)
    return [
        (line, fields if isinstance(fields, BadRow) else {field.column: value for field, value in fields})
        for line, fields in json_array(file, HOW)
    ]


@pytest.mark.parametrize("indent", [None, 0, 2])
def test_elements_are_those_of_the_array(indent: int | None) -> None:
    chance = random.Random(indent)
    lengths = [0, 1, 100, 2**18 - 1, 2**18, 300_000, 5, 700_000, 3]
    values = [
        {"model": f"m{number}", "prompt": chance.choice("aü🙂") * length, "tags": ["[", "]", "},{"]}
        for number, length in enumerate(lengths)
    ]
    content = json.dumps(values, ensure_ascii=False, indent=indent).encode()
    found = read(b"\xef\xbb\xbf \n" + content + b"\n")
    assert [value for _, value in found] == [
        {"model": value["model"], "input_text": value["prompt"], "tags": value["tags"]} for value in values
    ]
    lines = [line for line, _ in found]
    assert lines == sorted(lines)
    assert lines[0] == (2 if indent is None else 3)


def test_numbers_are_exact_and_an_empty_array_has_nothing() -> None:
    assert read(b'[{"cost": 0.1234567890123456789}]') == [(1, {"total_cost_usd": Decimal("0.1234567890123456789")})]
    assert read(b" [ ] ") == []


def test_an_element_that_is_no_object_is_a_bad_row_in_its_place() -> None:
    (first, second) = read(b'[\n1,\n{"model": "m"}]')
    assert (first[0], str(first[1])) == (2, "is not a JSON object")
    assert second == (3, {"model": "m"})


@pytest.mark.parametrize("content", [b"[", b"[1", b"[1,", b"[1 2]", b'["a', b"[NaN]", b"[{]", b"[" * 5000])
def test_what_is_no_array_is_said_with_its_line(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"a\.json:1: is no JSON array from here on"):
        read(content)
