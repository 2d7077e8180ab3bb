"""Arrays of JSON are read element by element, whatever their length, their lines and where a read ends."""

import gzip
import io
import json
import os
import random
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import zstandard

from analytics_service.errors import UsageError
from analytics_service.ingest.files import names_of
from analytics_service.ingest.files.csv_rows import csv_rows
from analytics_service.ingest.files.input import MAX_LINE_BYTES, Input, lines, open_input
from analytics_service.ingest.files.json_rows import json_array
from analytics_service.ingest.files.json_text import JsonText
from analytics_service.ingest.mapping import columns
from analytics_service.ingest.rows import BadRow

HOW = columns([], ["organisation=acme"], ["*"])


def read(content: bytes) -> list[tuple[int, Any]]:
    stream: Any = io.BufferedReader(io.BytesIO(content))
    file = Input(name="a.json", stream=stream, stored=stream, size=None, beginning=content)
    parts, records = json_array(file, HOW)
    return [
        (
            line,
            fields
            if isinstance(fields, BadRow)
            else {field.column: value for field, value in zip(*fields, strict=True)},
        )
        for line, fields in records(list(parts))
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
    numbers = [line for line, _ in found]
    assert numbers == sorted(numbers)
    assert numbers[0] == (2 if indent is None else 3)


def test_numbers_are_exact_and_an_empty_array_has_nothing() -> None:
    assert read(b'[{"cost": 0.1234567890123456789}]') == [(1, {"total_cost_usd": Decimal("0.1234567890123456789")})]
    assert read(b" [ ] ") == []


def test_arrays_that_follow_one_another_are_read_on() -> None:
    assert [line for line, _ in read(b'[{"model": "a"}]\n[]\n[\n{"model": "b"}]')] == [1, 4]


def test_an_element_that_is_no_object_is_a_bad_row_in_its_place() -> None:
    (first, second) = read(b'[\n1,\n{"model": "m"}]')
    assert (first[0], str(first[1])) == (2, "is not a JSON object")
    assert second == (3, {"model": "m"})


def documents(content: bytes) -> list[tuple[int, Any]]:
    stream: Any = io.BufferedReader(io.BytesIO(content))
    file = Input(name="a.json", stream=stream, stored=stream, size=None, beginning=content)
    return list(JsonText(file, "JSON").objects("data"))


@pytest.mark.parametrize("indent", [None, 2])
def test_elements_of_documents_are_those_of_their_array(indent: int | None) -> None:
    """Whatever stands around it, and wherever a read ends: 2^18 is the length of the first."""
    chance = random.Random(indent)
    for length in (0, 1, 2**18 - 40, *range(2**18 - 14, 2**18), 700_000):
        data = [{"n": number, "text": "x" * chance.choice([0, 10, 90_000])} for number in range(9)]
        one = {"before": "x" * length, "number": 1234567, "data": data, "more": {"data": [1]}, "none": None}
        content = (
            json.dumps(one, indent=indent) + "\n" + json.dumps([{"data": []}, {"data": 7}, {}, one], indent=indent)
        )
        assert [value for _, value in documents(content.encode())] == [*data, *data], length


@pytest.mark.parametrize("content", [b'{"data": [1', b'{"data": [1]', b'{"data" [1]}', b"{1}", b"7", b'[{"a": 1} {}]'])
def test_what_is_no_document_is_said_with_its_line(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"a\.json:2: is no JSON from here on"):
        documents(b"\n" + content)


@pytest.mark.parametrize(
    "content", [b"[", b"[1", b"[1,", b"[1 2]", b"[1] x", b"[1],", b'["a', b"[NaN]", b"[{]", b"[" * 5000]
)
def test_what_is_no_array_is_said_with_its_line(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"a\.json:1: is no JSON array from here on"):
        read(content)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_a_packed_file_that_ends_too_early_is_refused(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    content = b"".join(b"%d,%d\n" % (number, number**3) for number in range(300_000))
    path = tmp_path / "a.csv"
    path.write_bytes(pack(content))
    with open_input(str(path)) as file:
        assert b"".join(lines(file)) == content
    path.write_bytes(pack(content)[:-1000])
    with pytest.raises(UsageError, match="cannot be read to its end"), open_input(str(path)) as file:
        assert len(b"".join(lines(file))) < len(content)


def test_frames_of_zstd_follow_one_another(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(zstandard.compress(b"a\n" * 1000) + zstandard.compress(b"b\n"))
    with open_input(str(path)) as file:
        assert b"".join(lines(file)) == b"a\n" * 1000 + b"b\n"


def test_the_beginning_of_a_pipe_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as stream:
            for part in (b"TIMESTAMP,Context", b"Tokens,GeneratedTokens\n", b"2026-01-01,1,2\n"):
                stream.write(part)
                time.sleep(0.05)

    writing = threading.Thread(target=write)
    writing.start()
    with open_input(str(path)) as file:
        assert names_of(file, "auto") == ["TIMESTAMP", "ContextTokens", "GeneratedTokens"]
        assert len(list(lines(file))) == 2
    writing.join()


def test_a_line_that_is_too_long_is_named_before_all_of_it_is_read() -> None:
    stream: Any = io.BufferedReader(io.BytesIO(b"ts\n2024-03-09\n" + b"x" * 2 * MAX_LINE_BYTES))
    file = Input(name="a.csv", stream=stream, stored=stream, size=None, beginning=b"ts")
    with pytest.raises(UsageError, match=r"a\.csv:3: the line is longer than"):
        list(csv_rows(file, HOW).parts)
    assert stream.read(1) == b"x"
