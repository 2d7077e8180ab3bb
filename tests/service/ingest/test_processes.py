"""However many processes read the files, the same rows with the same ids and counts are stored."""

import gzip
import io
import json
import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.__main__ import run
from analytics_service.errors import ProcessLost, UsageError
from analytics_service.ingest.batches import OnError, Options, Share, batches, portions
from analytics_service.ingest.files.input import STDIN, Input
from analytics_service.ingest.identity import Occurrences
from analytics_service.ingest.mapping import columns
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.processes import read_in_processes, suitable
from analytics_service.ingest.reading import Ready, Source, read, sources
from analytics_service.ingest.tally import Tally
from analytics_service.ingest.text import counted, encode
from analytics_service.pricing.book import read as read_book
from analytics_service.pricing.genai import PriceList
from tests.service.ingest.otlp_file import CACHED, GENAI, a_span, exported

OPTIONS = Options(columns=columns([], ["organisation=acme"], []), batch_size=7, on_error=OnError.SKIP)
HEADER = "ts,model,prompt_tokens,completion_tokens,input\n"


def line(number: int, *, tokens: object = 10) -> str:
    """Every fifth looks like the one before."""
    return f"2024-03-09 10:00:{(number - number % 5 // 4) % 60:02},gpt-4o,{tokens},5,a b\n"


def csv_file(rows: int) -> str:
    return HEADER + "".join(line(number) for number in range(rows))


def reading(*results: Ready) -> bytes:
    return b"".join(each.text.data for each in results)


def counts(tally: Tally) -> Any:
    prices = tally.prices.taken()
    return replace(tally, prices=prices)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    def make(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return make


@given(
    st.lists(st.sampled_from([line(1), line(2), line(3), line(4, tokens="many")]), max_size=40),
    st.integers(1, 4),
    st.integers(1, 9),
)
def test_portions_of_all_shares_are_the_whole(lines: list[str], processes: int, batch_size: int) -> None:
    content = (HEADER + "".join(lines)).encode()
    options = replace(OPTIONS, batch_size=batch_size)

    def opened() -> Input:
        stream: Any = io.BufferedReader(io.BytesIO(content))
        return Input(name="a.csv", stream=stream, stored=stream, size=None, beginning=stream.peek())

    whole, parts = Tally(), Tally()
    expected = [encode(batch.rows, with_ids=batch.with_ids) for batch in batches(opened(), "a", options, whole)]
    tallies = [Tally() for _ in range(processes)]
    shares: list[Iterator[Any]] = [
        portions(opened(), "a", options, tally, Share(number, processes)) for number, tally in enumerate(tallies)
    ]
    occurrences, found, number = Occurrences(), [], 0
    while (portion := next(shares[number % processes], None)) is not None:
        made = [(encode(batch.rows, with_ids=batch.with_ids), batch.digests) for batch in portion]
        found += [counted(text, digests, occurrences) for text, digests in made]
        parts.add(tallies[number % processes].taken())
        number += 1
    assert found == expected
    assert counts(parts) == counts(whole)


SOME_IDS = "ts,trace_id,span_id,input\n" + "".join(
    f"2024-03-09,{trace},{span},a\\\\tb\\\\\n" for trace, span in [("", ""), ("t", ""), ("t", "s"), ("", "s")] * 20
)


def array(rows: int) -> str:
    return json.dumps([{"ts": "2024-03-09", "model": "gpt-4o", "prompt_tokens": number // 2} for number in range(rows)])


def spans(rows: int) -> str:
    documents = [
        {"resourceSpans": [exported(a_span(number, given=GENAI | CACHED), a_span(number + 1))]}
        for number in range(0, rows, 2)
    ]
    return "".join(json.dumps(each) + "\n" for each in documents)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("a.csv", csv_file(100), id="CSV"),
        pytest.param("a.csv.gz", gzip.compress(csv_file(100).encode()), id="gzip"),
        pytest.param(
            "a.csv", csv_file(5) + 'x,m,1,1,\n"2024-03-09\n", m,1\n' + csv_file(20)[len(HEADER) :], id="bad rows"
        ),
        pytest.param("a.csv", SOME_IDS, id="some with ids"),
        pytest.param("a.json", array(100), id="array"),
        pytest.param("a.jsonl", "\ufeff\n" + array(100)[1:-1].replace("}, ", "}\n"), id="lines"),
        pytest.param("a.json", spans(100), id="documents"),
        pytest.param("a.csv", HEADER, id="no rows"),
    ],
)
def test_processes_give_the_same_batches(write: Any, name: str, content: str | bytes) -> None:
    files = sources([write(name, content), write(f"b.{name}", content)], None)
    alone, together = Tally(), Tally()
    expected = list(read(files, OPTIONS, alone))
    assert list(read_in_processes(files, replace(OPTIONS, processes=3), together)) == expected
    assert counts(together) == counts(alone)


def test_prices_and_mappings_cross_to_processes(write: Any) -> None:
    book = read_book(
        "{name: acme, currencies: {EUR: 2}, prices: [{model: own-*, currency: EUR, per_million: {input: 1}}]}"
    )
    how = columns(["usage.p=prompt_tokens"], ["organisation=acme", "model=own-7"], [])
    files = sources([write("a.jsonl", '{"ts": 1710000000, "usage": {"p": 10}}\n' * 20)], None)
    tallies = [Tally(prices=Prices(sources=(book.of_all(), PriceList()), aliases={"x": "y"})) for _ in range(2)]
    options = replace(OPTIONS, columns=how)
    expected = list(read(files, options, tallies[0]))
    assert list(read_in_processes(files, replace(options, processes=2), tallies[1])) == expected
    assert [tally.prices.priced for tally in tallies] == [20, 20]
    assert b"0.00002" in reading(*expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(csv_file(30) + "x,m,1,1,\n" + csv_file(30), "a.csv:32: ts: 'x' is not a timestamp", id="bad row"),
        pytest.param(csv_file(30) + '"x', "is no CSV from here on", id="half a cell"),
        pytest.param(csv_file(28) + '"x', "is no CSV from here on", id="half a cell at the start of a portion"),
        pytest.param("ts,zip\n", "column 'zip' is unknown", id="header"),
    ],
)
def test_what_stops_one_stops_all(write: Any, content: str, message: str) -> None:
    files = sources([write("a.csv", content)], None)
    found = []
    for make, processes in ((read, 0), (read_in_processes, 2)):
        tally, ready = Tally(), list[Ready]()
        options = replace(OPTIONS, on_error=OnError.STOP, processes=processes)
        with pytest.raises(UsageError, match=message) as stopped:
            ready.extend(make(files, options, tally))
        found.append((str(stopped.value), reading(*ready), tally.read, tally.first_bad))
    assert found[0] == found[1]


def test_a_process_that_is_lost_is_named(write: Any) -> None:
    batches = read_in_processes(
        [Source(path=write("a.csv", csv_file(2_000)), name="a")], replace(OPTIONS, processes=2), Tally()
    )
    next(batches)
    for process in multiprocessing.active_children():
        process.kill()
    with pytest.raises(ProcessLost, match="exit code -9: give --processes 0"):
        list(batches)
    assert multiprocessing.active_children() == []


def test_nobody_reads_on_when_it_is_given_up(write: Any) -> None:
    batches = read_in_processes(
        [Source(path=write("a.csv", csv_file(2_000)), name="a")], replace(OPTIONS, processes=2), Tally()
    )
    next(batches)
    assert len(multiprocessing.active_children()) == 2
    batches.close()
    assert multiprocessing.active_children() == []


def test_small_files_and_standard_input_are_read_in_this_process(write: Any, tmp_path: Path) -> None:
    small = Source(path=write("a.csv", csv_file(10)), name="a")
    large = Source(path=write("b.csv", csv_file(500_000)), name="b")
    assert suitable([small], None) == 0
    assert suitable([small, large], None) > 0
    assert [suitable([small], number) for number in (0, 3)] == [0, 3]
    assert suitable([large, Source(path=STDIN, name="-")], 3) == 0
    assert suitable([Source(path=str(tmp_path / "gone"), name="gone")], None) == 0


@pytest.mark.postgres
def test_a_file_that_processes_read_is_there_already(
    database_url: str, ask: Callable[[str], str], write: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("a.csv", csv_file(2_000))
    results = []
    for processes in (2, 0, 3):
        command = ["import", path, "--set", "organisation=acme", "--processes", str(processes), "--batch-size", "100"]
        assert run([*command, "--output", "json"], {"DATABASE_URL": database_url}) == 0
        results.append(json.loads(capsys.readouterr().out))
    assert [each["inserted"] for each in results] == [2_000, 0, 0]
    assert [each["priced"] for each in results] == [2_000] * 3
    assert ask("SELECT count(*), count(DISTINCT trace_id) FROM traces") == "2000|2000"
