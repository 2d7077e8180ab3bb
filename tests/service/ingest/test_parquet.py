"""Parquet is read as any other file, by batches; without its library one line says what to install."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import analytics_service
from analytics_service.__main__ import run
from analytics_service.errors import UsageError
from analytics_service.ingest.files import AUTO, names_of, reading
from analytics_service.ingest.files.input import open_input
from analytics_service.ingest.mapping import columns
from analytics_service.ingest.rows import BadRow, parsed
from tests.support.postgres import Server

HOW = columns(["usage.prompt_tokens=prompt_tokens"], ["organisation=acme"], ["*"])
PLAIN = columns([], ["organisation=acme"], [])
AT = datetime(2026, 8, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def written(path: Path, rows: list[dict[str, Any]], schema: Any = None, **options: Any) -> Path:
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path, **options)
    return path


def read(path: Path, how: Any = HOW) -> list[Any]:
    with open_input(str(path)) as file:
        parts, records = reading(file, AUTO, how)
        return [
            each.fields if isinstance(each.fields, BadRow) else parsed(each.fields) for each in records(list(parts))
        ]


def test_values_are_those_of_other_files(tmp_path: Path) -> None:
    schema = pa.schema(
        {
            "ts": pa.timestamp("ns", tz="Europe/Berlin"),
            "usage": pa.struct({"prompt_tokens": pa.int64()}),
            "cost": pa.float64(),
            "prompt_cost": pa.decimal128(20, 12),
            "completion_tokens": pa.float64(),
            "tags": pa.list_(pa.string()),
            "input": pa.list_(pa.struct({"role": pa.string()})),
            "name": pa.binary(),
        }
    )
    full = {"ts": AT, "usage": {"prompt_tokens": 7}, "cost": 0.1, "prompt_cost": Decimal("0.000000000001")}
    full |= {"completion_tokens": 5.0, "tags": ["a", "b"], "input": [{"role": "user"}], "name": b"chat"}
    path = written(tmp_path / "a.parquet", [full, {"ts": AT, "cost": float("nan")}], schema)
    assert read(path) == [
        {
            "ts": AT,
            "prompt_tokens": 7,
            "total_cost_usd": Decimal("0.1"),
            "prompt_cost_usd": Decimal("0.000000000001"),
            "completion_tokens": 5,
            "tags": ["a", "b"],
            "input_text": '[{"role":"user"}]',
            "span_name": "chat",
        },
        {"ts": AT},
    ]
    with open_input(str(path)) as file:
        assert names_of(file, AUTO) == list(full)


def test_a_row_that_cannot_be_used_is_named_by_its_number(tmp_path: Path) -> None:
    path = written(tmp_path / "a.parquet", [{"ts": AT, "usage": "{"}])
    with open_input(str(path)) as file:
        parts, records = reading(file, AUTO, HOW)
        (bad,) = records(list(parts))
    assert bad.line == 1
    assert str(bad.fields).startswith("usage: is not JSON")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PAR1 and nothing more", "is a Parquet file that cannot be read"),
        (b"PAR1", "is a Parquet file that cannot be read"),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=why):
        read(path)


NANOSECONDS = {"at": pa.timestamp("ns"), "took": pa.duration("ns"), "hour": pa.time64("ns")}
NESTED = {
    **NANOSECONDS,
    "lists": pa.list_(pa.timestamp("ns")),
    "large": pa.large_list(pa.timestamp("ns", tz="UTC")),
    "fixed": pa.list_(pa.duration("ns"), 1),
    "map": pa.map_(pa.string(), pa.timestamp("ns")),
    "struct": pa.struct(NANOSECONDS),
}


def test_nanoseconds_are_cut_wherever_they_are(tmp_path: Path) -> None:
    of = {"at": 1_500_001, "took": 2_500_001, "hour": 3_500_001}
    nested = {**of, "lists": [1_500_001], "large": [1_500_001], "fixed": [2_500_001], "map": [("a", 1_500_001)]}
    schema = pa.schema({"ts": pa.timestamp("ns"), "duration_us": pa.duration("ns"), "attributes": pa.struct(NESTED)})
    given = {"ts": AT, "duration_us": 1_500_001, "attributes": {**nested, "struct": of}}
    (row,) = read(written(tmp_path / "a.parquet", [given], schema), PLAIN)
    assert (row["ts"], row["duration_us"]) == (AT, 1_500)
    at = "1970-01-01T00:00:00.001500"
    plain = {"at": at, "took": 2_500, "hour": "00:00:00.003500"}
    assert json.loads(row["attributes"]) == {
        **plain,
        "lists": [at],
        "large": [f"{at}+00:00"],
        "fixed": [2_500],
        "map": [["a", at]],
        "struct": plain,
    }


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("field", ["duration_us", "duration_ms", "latency_s", "ttft_ns"])
def test_a_duration_has_its_own_unit_whatever_its_name_says(tmp_path: Path, unit: str, field: str) -> None:
    two_seconds = 2 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    schema = pa.schema({"ts": pa.timestamp("us"), field: pa.duration(unit)})
    (row,) = read(written(tmp_path / "a.parquet", [{"ts": AT, field: two_seconds}], schema), PLAIN)
    assert row["ttft_us" if field == "ttft_ns" else "duration_us"] == 2_000_000


@pytest.mark.parametrize("field", ["prompt_tokens", "total_cost", "user_id", "end_time"])
def test_a_duration_is_no_other_value(tmp_path: Path, field: str) -> None:
    schema = pa.schema({"ts": pa.timestamp("us"), field: pa.duration("s")})
    path = written(tmp_path / "a.parquet", [{"ts": AT, field: 2}], schema)
    with pytest.raises(BadRow, match=field):
        read(path, PLAIN)


@pytest.mark.parametrize(
    "ignored",
    [
        pa.array([2**62], pa.timestamp("us")),
        pa.array([2**62], pa.duration("s")),
        pa.array([1_001], pa.time64("ns")),
        pa.array([{"at": 1_001}], pa.struct({"at": pa.timestamp("ns")})),
        pa.array([2**62], pa.timestamp("us", tz="Nowhere/Else")),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_that_fills_nothing_is_not_read(tmp_path: Path, ignored: Any) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"ts": pa.array([AT]), "other": ignored, "meta": ignored}), path)
    assert read(path, columns([], ["organisation=acme"], ["other", "meta"])) == [{"ts": AT}]


def test_a_time_that_python_does_not_have_is_one_bad_row(tmp_path: Path) -> None:
    moment = int(AT.timestamp() * 10**6)
    path, moments = tmp_path / "a.parquet", pa.array([moment, 2**62, moment], pa.timestamp("us", tz="UTC"))
    parquet.write_table(pa.table({"ts": pa.array([AT] * 3), "end_time": moments}), path)
    first, bad, last = read(path, PLAIN)
    assert str(bad).startswith("end_time: has a value that cannot be read: ")
    assert (first["ts"], last["ts"]) == (AT, AT)


def test_a_zone_that_nobody_knows_does_not_change_the_moment(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"ts": pa.array([AT]).cast(pa.timestamp("us", tz="Nowhere/Else"))}), path)
    assert read(path, PLAIN) == [{"ts": AT}]


@pytest.mark.postgres
def test_characters_that_cannot_be_stored_are_replaced_in_maps_too(
    database_url: str, postgres: Server, tmp_path: Path
) -> None:
    schema = pa.schema(
        {"ts": pa.timestamp("us", tz="UTC"), "attributes": pa.struct({"m": pa.map_(pa.string(), pa.string())})}
    )
    path = written(tmp_path / "a.parquet", [{"ts": AT, "attributes": {"m": [("a\0", "b\0")]}}], schema)
    assert run(["import", str(path), "--set", "organisation=acme"], {"DATABASE_URL": database_url}) == 0
    stored = postgres.sql("SELECT attributes->'m' FROM traces", database=database_url.rsplit("/", 1)[1])
    assert json.loads(stored) == [["a\ufffd", "b\ufffd"]]


READ = """
import sys
from analytics_service.errors import UsageError
from analytics_service.ingest.files import AUTO, reading
from analytics_service.ingest.files.input import open_input
from analytics_service.ingest.mapping import columns
try:
    with open_input(sys.argv[1]) as file:
        list(reading(file, AUTO, columns([], ["organisation=acme"], [])).parts)
except UsageError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def site_without_pyarrow(tmp_path: Path) -> Path:
    """A folder of all packages that are installed but that one."""
    site = tmp_path / "site"
    site.mkdir()
    for each in Path(pa.__file__).parents[1].iterdir():
        if not each.name.startswith("pyarrow"):
            (site / each.name).symlink_to(each)
    return site


def test_without_its_library_one_line_says_what_to_install(tmp_path: Path, site_without_pyarrow: Path) -> None:
    path = written(tmp_path / "a.parquet", [{"ts": AT}])
    packages = f"{site_without_pyarrow}:{Path(analytics_service.__file__).parents[1]}"
    done = subprocess.run(
        [sys.executable, "-S", "-c", READ, str(path)],
        env={"PYTHONPATH": packages},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert re.search(r"pip install 'analytics-service\[parquet\]'", done.stderr)


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Rows are handed on as they are read: of a file of many batches the first is there before the last is read."""
    path = tmp_path / "a.parquet"
    schema = pa.schema({"ts": pa.timestamp("us", tz="UTC"), "input": pa.string()})
    with parquet.ParquetWriter(path, schema) as writer:
        for number in range(40):
            rows = [{"ts": AT, "input": f"{number}-{row}" * 100} for row in range(2_000)]
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    before, most = pa.total_allocated_bytes(), 0
    with open_input(str(path)) as file:
        for number, _ in enumerate(reading(file, AUTO, columns([], ["organisation=acme"], [])).parts):
            if number % 1_000 == 0:
                most = max(most, pa.total_allocated_bytes() - before)
    assert number == 79_999
    assert most < 8 * 2**20, "of 60 MB"


@pytest.mark.postgres
def test_a_frame_of_spans_is_known_by_its_columns(
    database_url: str, postgres: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = {"context.span_id": "a1", "context.trace_id": "t1", "span_kind": "LLM", "start_time": AT, "end_time": AT}
    row |= {"attributes.llm.model_name": "gpt-4o", "attributes.llm.token_count.prompt": 1000.0}
    row |= {"attributes.llm.token_count.completion": 100.0}
    path = written(tmp_path / "spans.parquet", [row])
    command = ["import", str(path), "--set", "organisation=acme", "provider=openai", "--output", "json"]
    assert run(command, {"DATABASE_URL": database_url}) == 0
    assert json.loads(capsys.readouterr().out)["presets"] == {str(path): "phoenix"}
    sql = "SELECT trace_id, span_id, prompt_tokens, trim_scale(total_cost_usd) FROM traces"
    assert postgres.sql(sql, database=database_url.rsplit("/", 1)[1]).strip() == "t1|a1|1000|0.0035"
