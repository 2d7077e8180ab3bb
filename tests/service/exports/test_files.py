"""Files of exports hold the rows that plain Python chooses from what was written, in each format and compression."""

import asyncio
import csv
import gzip
import hashlib
import io
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import zstandard

from analytics_service.contract.exports import Compression, Format
from analytics_service.endpoints.traces.fields import OPT_IN_FIELDS, Trace
from tests.service.conftest import Command
from tests.support import reference
from tests.support.exports import Exports, an_exporter, exports
from tests.support.service import HOUR, T0, a_row, a_token, insert

pytestmark = pytest.mark.postgres

START, END = datetime(2024, 3, 29, 5, tzinfo=UTC), datetime(2024, 4, 2, 3, tzinfo=UTC)
FIELDS = list(Trace.__annotations__)
SHORT = [name for name in FIELDS if not any(name in long for long in OPT_IN_FIELDS.values())]
DECOMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    Compression.NONE: bytes,
    Compression.GZIP: gzip.decompress,
    Compression.ZSTD: lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


def random_rows() -> list[dict[str, Any]]:
    chance = random.Random(11)
    return [
        row
        | {
            "input_text": chance.choice([None, 'a "quoted", text\r\nof two lines', "=ünï", ""]),
            "tags": chance.choice([None, [], ["a"], ["b,c", 'd"e']]),
            "attributes": chance.choice([None, {"a": 1, "ü": [1.5, None]}]),
            "duration_us": chance.choice([None, 0, 1, 1234567, 2**62]),
        }
        for row in reference.random_requests(11, START, END, 1500)
    ]


ROWS = random_rows()


def expected(fields: list[str], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Traces, without what has no value."""
    traces = []
    for row in sorted(rows, key=lambda row: (row["ts"], row["trace_id"], row["span_id"])):
        values = {**row, "duration_ms": row.get("duration_us"), "ttft_ms": row.get("ttft_us")}
        for name in ("duration_ms", "ttft_ms"):
            if values[name] is not None:
                values[name] = Decimal(values[name]) / 1000
        traces.append({name: values[name] for name in fields if values.get(name) not in (None, "")})
    return traces


def read_csv(data: bytes) -> list[dict[str, Any]]:
    traces = []
    for line in csv.DictReader(io.StringIO(data.decode(), newline="")):
        trace: dict[str, Any] = {name: value for name, value in line.items() if value != ""}
        assert trace.pop("request_weight", "1") == "1"
        for name, value in trace.items():
            if name == "ts":
                trace[name] = datetime.fromisoformat(value)
            elif name.endswith("_tokens"):
                trace[name] = int(value)
            elif name.endswith(("_usd", "_ms")):
                trace[name] = Decimal(value)
            elif name in {"tags", "attributes"}:
                trace[name] = json.loads(value)
        traces.append(trace)
    return traces


def read_json(data: bytes) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = json.loads(data, parse_float=Decimal)
    for trace in traces:
        if "ts" in trace:
            trace["ts"] = datetime.fromisoformat(trace["ts"])
        for name in trace.keys() & {"duration_ms", "ttft_ms"}:
            trace[name] = Decimal(trace[name])
    return traces


def read_lines(data: bytes) -> list[dict[str, Any]]:
    assert data == b"" or data.endswith(b"\n")
    return read_json(b"[" + b",".join(data.splitlines()) + b"]")


def read_parquet(data: bytes) -> list[dict[str, Any]]:
    traces = []
    for row in pq.read_table(io.BytesIO(data)).to_pylist():
        trace = {name: value for name, value in row.items() if value is not None}
        assert trace.pop("request_weight", 1) == 1
        if "attributes" in trace:
            trace["attributes"] = json.loads(trace["attributes"])
        traces.append(trace)
    return traces


READERS: Mapping[str, Callable[[bytes], list[dict[str, Any]]]] = {
    Format.CSV: read_csv,
    Format.JSON: read_json,
    Format.JSONL: read_lines,
    Format.PARQUET: read_parquet,
}


@pytest.fixture
async def made(database_url: str, tmp_path: Path) -> AsyncIterator[Exports]:
    await insert(database_url, ROWS)
    async with exports(database_url, EXPORT_DIRECTORY=str(tmp_path)) as found:
        yield found


@pytest.mark.parametrize("file_format", list(Format))
async def test_a_file_holds_the_rows_of_the_question(made: Exports, file_format: Format) -> None:
    chance = random.Random(file_format)
    for compression in [*Compression] * 4:
        organisation, projects = chance.choice(["acme", "globex", "nobody"]), chance.choice([[], ["web"], ["no"]])
        token = a_token(org_id=organisation, projects=projects)
        zone = timezone(timedelta(minutes=chance.choice([0, 60, -210, 345])))
        start = START + timedelta(minutes=chance.randrange(3 * 24 * 60), seconds=chance.choice([0, 17.5]))
        end = start + chance.choice([HOUR, timedelta(days=2), timedelta(days=9)])
        equal = chance.choice([{}, {"model": "b"}, {"user_id": "u1"}, {"status": "ERROR", "provider": "openai"}])
        fields = chance.choice([None, ["ts", "span_id", "total_cost_usd"], FIELDS])
        asked: dict[str, Any] = {"from_": start.astimezone(zone).isoformat(), "to": end.astimezone(zone).isoformat()}
        asked |= {**equal, **({} if fields is None else {"fields": fields})}
        job = await made.exported(token, format=file_format, compression=compression, **asked)
        rows = [
            row
            for row in ROWS
            if row["org_id"] == organisation
            and (not projects or row["project_id"] in projects)
            and start <= row["ts"] < end
            and all(row[{"status": "status_code"}.get(name, name)] == value for name, value in equal.items())
        ]
        answer = await made.fetched(job)
        assert answer.status == 200, answer.body
        data = answer.body
        assert (job["status"], job["trace_count"], job["has_more"]) == ("completed", len(rows), False)
        assert job["checksum"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
        assert job["file_size_bytes"] == len(data)
        if file_format is not Format.PARQUET:
            data = DECOMPRESS[compression](data)
        assert READERS[file_format](data) == expected(fields or SHORT, rows), asked


LONG_AGO = {"from_": "2023-03-29T00:00:00Z", "to": "2024-03-28T00:00:00Z"}


async def test_a_file_of_nothing_is_a_file(made: Exports) -> None:
    for file_format in Format:
        job = await made.exported(a_token(org_id="nobody"), format=file_format, **LONG_AGO)
        assert (job["status"], job["trace_count"], job["progress_percent"]) == ("completed", 0, 100)
        assert READERS[file_format]((await made.fetched(job)).body) == []


async def test_it_has_what_the_list_of_traces_has(made: Exports) -> None:
    listed: list[Any] = []
    query: dict[str, Any] = {"from_": START, "to": END, "sort_order": "asc", "limit": 1000}
    while True:
        answer = await made.client.get("/api/v1/traces", **query)
        listed += answer.data
        if not answer.json["pagination"]["has_more"]:
            break
        query["cursor"] = answer.json["pagination"]["cursor"]
    job = await made.exported(format="jsonl", from_=START.isoformat(), to=END.isoformat())
    lines = (await made.fetched(job)).body.splitlines()
    assert [json.loads(line, parse_float=Decimal) for line in lines] == listed


async def test_the_limit_takes_the_oldest_and_says_that_there_are_more(database_url: str, made: Exports) -> None:
    await insert(database_url, [a_row(number, org_id="many") for number in range(2000)])
    token, span = a_token(org_id="many"), {"from_": T0.isoformat(), "to": (T0 + HOUR).isoformat()}
    for limit, has_more in ((1, True), (1000, True), (1999, True), (2000, False), (2001, False)):
        job = await made.exported(token, format="jsonl", fields=["trace_id"], limit=limit, **span)
        assert (job["trace_count"], job["has_more"], job["progress_percent"]) == (min(limit, 2000), has_more, 100)
        lines = (await made.fetched(job)).body.splitlines()
        assert [json.loads(line)["trace_id"] for line in lines] == [f"trace-{n:05}" for n in range(min(limit, 2000))]


@pytest.mark.parametrize("file_format", [Format.CSV, Format.JSONL])
async def test_a_file_can_be_imported_again(
    made: Exports, command: Command, tmp_path: Path, file_format: Format
) -> None:
    asked: dict[str, Any] = {"format": file_format, "fields": FIELDS, "from_": START.isoformat(), "to": END.isoformat()}
    job = await made.exported(**asked)
    original = (await made.fetched(job)).body
    file = tmp_path / f"traces.{file_format}"
    file.write_bytes(original)
    code, _, errors = await asyncio.to_thread(command, "import", str(file), "--set", "organisation=copy")
    assert code == 0, errors
    copied = (await made.fetched(await made.exported(a_token(org_id="copy"), **asked))).body
    for one, other in zip(READERS[file_format](original), READERS[file_format](copied), strict=True):
        other.get("attributes", {}).pop("usage_unclear", None)
        assert {name: other.get(name) for name in one} == one, "import adds what follows, and changes nothing"


async def test_long_texts_are_read_and_stored_in_parts_of_bounded_size(database_url: str, made: Exports) -> None:
    text = "x" * 2**20
    await insert(database_url, [a_row(number, org_id="long", input_text=text) for number in range(20)])
    id_ = await made.created(
        a_token(org_id="long"), format="jsonl", fields=["input_text"], from_=T0.isoformat(), to=(T0 + HOUR).isoformat()
    )
    sizes = list[int]()
    put = made.storage.put

    class Measuring:
        """The storage, with the sizes of the parts that it is given."""

        delete = made.storage.delete
        locate = made.storage.locate

        async def put(self, file: Any, parts: AsyncIterator[bytes]) -> None:
            async def measured() -> AsyncIterator[bytes]:
                async for part in parts:
                    sizes.append(len(part))
                    yield part

            await put(file, measured())

    assert await an_exporter(database_url, Measuring()).export_next(made.connection)
    assert (await made.job(id_, a_token(org_id="long")))["trace_count"] == 20
    assert sum(sizes) > 20 * 2**20
    assert max(sizes) < 4 * 2**20
