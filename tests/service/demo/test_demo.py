"""The tables of the demonstration equal what plain Python computes from the files, to the last digit."""

import csv
import gzip
import io
from argparse import ArgumentParser
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from rich.console import Console

from analytics_service.commands import import_
from analytics_service.demo import live
from analytics_service.demo.client import CAPTION, ask, table
from analytics_service.demo.questions import QUESTIONS, Question, TableRow, number
from analytics_service.demo.samples import SAMPLES
from tests.support.service import a_service, a_token

pytestmark = pytest.mark.postgres

PRICES = {"gpt-4": (Decimal(30), Decimal(60)), "gpt-3.5-turbo": (Decimal("0.5"), Decimal("1.5"))}
"""USD a million tokens, in and out: the list prices of the assumed models."""


@dataclass(frozen=True)
class Request:
    time: str
    project: str
    model: str
    context: int
    generated: int

    @property
    def cost(self) -> Decimal:
        context, generated = PRICES[self.model]
        return (self.context * context + self.generated * generated) / 1_000_000

    @property
    def tokens(self) -> int:
        return self.context + self.generated

    @property
    def row(self) -> TableRow:
        cells = (number(self.context), number(self.generated), number(self.cost.normalize()))
        return (self.time[11:19], self.project, self.model, *cells)


def requests() -> list[Request]:
    """Every row of the files."""
    found = []
    for sample in SAMPLES:
        text = gzip.decompress(sample.file.read_bytes()).decode()
        for row in csv.DictReader(io.StringIO(text)):
            tokens = (int(row["ContextTokens"]), int(row["GeneratedTokens"]))
            found.append(Request(row["TIMESTAMP"], sample.project, sample.model, *tokens))
    return found


@pytest.fixture
def imported(database_url: str, tmp_path: Path) -> str:
    """The URL of a database that holds the samples."""
    for sample in SAMPLES:
        file = tmp_path / f"{sample.source}.gz"
        file.write_bytes(sample.file.read_bytes())
        parser = ArgumentParser()
        import_.COMMAND.configure(parser)
        arguments = parser.parse_args([str(file), *sample.arguments()])
        assert import_.COMMAND.run(arguments, {"DATABASE_URL": database_url}) == 0
    return database_url


@pytest.fixture
async def session(imported: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with a_service(imported) as client:
        headers = {"Authorization": f"Bearer {a_token(org_id='demo')}"}
        async with aiohttp.ClientSession(client.url, headers=headers) as session:
            yield session


def totals(rows: list[Request]) -> TableRow:
    cells = (len(rows), sum(r.context for r in rows), sum(r.generated for r in rows))
    return (*map(number, cells), number(sum((r.cost for r in rows), Decimal(0)).normalize()))


async def test_every_table_equals_what_the_files_say(session: aiohttp.ClientSession) -> None:
    rows = requests()
    by_model: dict[str, list[Request]] = defaultdict(list)
    for request in rows:
        by_model[request.model].append(request)
    per_model, busiest, largest, dearest, money = [q.rows(await ask(session, q)) for q in QUESTIONS]

    assert list(per_model) == [
        ("gpt-3.5-turbo", *totals(by_model["gpt-3.5-turbo"])),
        ("gpt-4", *totals(by_model["gpt-4"])),
        ("all", "28,185", "40,421,844", "4,334,561", "573.8669125"),
    ]
    assert (len(by_model["gpt-4"]), len(by_model["gpt-3.5-turbo"])) == (8_819, 19_366)
    assert list(busiest) == busiest_minutes(rows)
    assert list(largest) == [r.row for r in sorted(rows, key=lambda r: (r.tokens, r.time), reverse=True)[:5]]
    assert list(dearest) == [r.row for r in sorted(rows, key=lambda r: (r.cost, r.time), reverse=True)[:5]]
    assert [row[:3] for row in money] == [
        (model, number(len(by_model[model])), totals(by_model[model])[-1]) for model in ("gpt-4", "gpt-3.5-turbo")
    ] + [("all", "28,185", "573.8669125")]


def busiest_minutes(rows: list[Request]) -> list[TableRow]:
    count = Counter(r.time[:16] for r in rows)
    minutes = sorted(sorted(count, key=lambda minute: (-count[minute], minute))[:12])
    models = Counter((r.time[:16], r.model) for r in rows)
    return [
        (
            minute[11:],
            *(number(models[minute, model]) for model in ("gpt-4", "gpt-3.5-turbo")),
            number(sum(r.tokens for r in rows if r.time[:16] == minute)),
            number(sum((r.cost for r in rows if r.time[:16] == minute), Decimal(0)).normalize()),
        )
        for minute in minutes
    ]


async def test_every_minute_and_model_equals_the_files(session: aiohttp.ClientSession) -> None:
    expected: dict[tuple[str, str], tuple[int, int, Decimal]] = {}
    for r in requests():
        count, tokens, cost = expected.get((r.time[:16], r.model), (0, 0, Decimal(0)))
        expected[r.time[:16], r.model] = (count + 1, tokens + r.tokens, cost + r.cost)
    answer = await ask(session, QUESTIONS[1])
    found = {
        (p["timestamp"][:16].replace("T", " "), p["model"]): (p["request_count"], p["total_tokens"], p["total_cost"])
        for p in answer["data"]
    }
    assert found == expected


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question.title)
async def test_what_the_data_lack_is_shown_as_assumed(session: aiohttp.ClientSession, question: Question) -> None:
    shown = table(question, await ask(session, question))
    headings = [str(column.header) for column in shown.columns]
    assert any("assumed" in heading for heading in headings)
    assert not any(("cost" in h or "model" in h) and "assumed" not in h for h in headings)
    assert "assumed" in CAPTION


async def test_what_opentelemetrys_sdk_sends_is_shown(database_url: str) -> None:
    """The prices are those of gpt-4o-mini: 0.15 and 0.6 dollars a million tokens."""
    async with a_service(database_url) as client:
        output = io.StringIO()
        await live.show(client.url, a_token(org_id="demo"), Console(file=output, width=100))
    cells = [tuple(line.split()) for line in output.getvalue().splitlines() if live.LIVE_MODEL in line]
    assert [each[1:5] for each in cells] == [
        (live.PROJECT, live.LIVE_MODEL, str(prompt), str(completion)) for prompt, completion in live.TOKENS
    ]
    assert [Decimal(each[5]) for each in cells] == [
        (prompt * Decimal("0.15") + completion * Decimal("0.6")) / 1_000_000 for prompt, completion in live.TOKENS
    ]
