"""Compressed chunks, which only the community edition makes: late rows, changes and deletes still reach the rollups."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from analytics_service.__main__ import run
from analytics_service.database import edition
from analytics_service.database.edition import Edition
from analytics_service.rollups.levels import Level
from tests.service.rollups.ledger import DAY, SUMMED, Span, answered, expected, insert, moved
from tests.support.rollups import refresh

pytestmark = pytest.mark.postgres

EVERYTHING = (DAY - timedelta(days=1), DAY + timedelta(days=9))
LEDGER = [
    Span(trace_id=f"t{n}", ts=DAY + n * timedelta(minutes=11), prompt_tokens=n, model=f"m{n % 3}") for n in range(600)
]


@pytest.fixture
async def connection(edition_url: str) -> AsyncIterator[Any]:
    """All rows are in compressed chunks, and in the rollups."""
    opened = await asyncpg.connect(edition_url)
    if (await edition.inspect(opened)).edition is not Edition.COMMUNITY:
        await opened.close()
        pytest.skip("only TimescaleDB's community edition compresses")
    await insert(opened, LEDGER)
    await refresh(opened)
    await opened.execute(
        "ALTER TABLE traces SET (timescaledb.compress, timescaledb.compress_segmentby = 'org_id, model', "
        "timescaledb.compress_orderby = 'ts DESC')"
    )
    await opened.execute("SELECT compress_chunk(c) FROM show_chunks('traces') AS c")
    yield opened
    await opened.close()


@pytest.mark.parametrize(
    ("statement", "after"),
    [
        pytest.param("DELETE FROM traces WHERE trace_id = 't7'", lambda span: span.trace_id != "t7", id="one row"),
        pytest.param(
            "DELETE FROM traces WHERE org_id = 'acme' AND model = 'm1'", lambda span: span.model != "m1", id="segments"
        ),
        pytest.param("DELETE FROM traces", lambda _span: False, id="all rows"),
        pytest.param("TRUNCATE traces", lambda _span: False, id="truncate"),
    ],
)
async def test_what_is_deleted_leaves_the_rollups(connection: Any, statement: str, after: Any) -> None:
    await connection.execute(statement)
    await assert_answers(connection, [span for span in LEDGER if after(span)])


async def test_late_rows_and_changes_reach_the_rollups(connection: Any) -> None:
    late = [moved(span, trace_id=f"late{span.trace_id}") for span in LEDGER[:30]]
    await insert(connection, late)
    await connection.execute("UPDATE traces SET prompt_tokens = 1000 WHERE trace_id = 't100'")
    await connection.execute(
        "INSERT INTO traces (org_id, trace_id, span_id, ts) SELECT org_id, trace_id, span_id, ts FROM traces "
        "WHERE trace_id = 't200' ON CONFLICT DO NOTHING"
    )
    changed = [moved(span, prompt_tokens=1000) if span.trace_id == "t100" else span for span in LEDGER]
    await assert_answers(connection, [*changed, *late])


async def assert_answers(connection: Any, ledger: list[Span]) -> None:
    """Before and after a refresh."""
    for level in (Level.RAW, *SUMMED):
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level
    await refresh(connection)
    for level in SUMMED:
        assert await answered(connection, level, *EVERYTHING) == expected(ledger, *EVERYTHING, level), level


PRICED = "SELECT trace_id, total_cost_usd, price_version, price_status, is_request FROM traces ORDER BY trace_id"
BOOK = "name: own\nprices: [{model: m*, per_million: {input: 1, output: 1}}]\n"


async def test_compressed_rows_are_priced_again_and_back(
    connection: Any, edition_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = await connection.fetch(PRICED)
    (tmp_path / "book.yaml").write_text(BOOK)
    plan = await called(edition_url, capsys, "prices", "plan", "--prices", str(tmp_path / "book.yaml"))
    applied = await called(edition_url, capsys, "prices", "apply", plan["plan"])
    assert applied["rows"] == await connection.fetchval(
        "SELECT count(*) FROM traces WHERE price_version LIKE 'book own%'"
    )
    assert applied["rows"] > 500
    undone = await called(edition_url, capsys, "prices", "undo", plan["plan"])
    assert (undone["rows"], undone["left"]) == (applied["rows"], 0)
    assert await connection.fetch(PRICED) == before


async def test_compressed_rows_of_a_user_are_deleted(
    connection: Any, edition_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await connection.execute("UPDATE traces SET user_id = 'ann' WHERE prompt_tokens % 7 = 0")
    await connection.execute("SELECT compress_chunk(c, if_not_compressed => true) FROM show_chunks('traces') AS c")
    user = ("--org", "acme", "--user-id", "ann")
    plan = await called(edition_url, capsys, "forget", "plan", *user)
    done = await called(edition_url, capsys, "forget", "apply", plan["plan"], *user)
    assert done["rows_deleted"] == plan["rows"] == 86
    await assert_answers(connection, [span for span in LEDGER if (span.prompt_tokens or 0) % 7])


async def test_compressed_rows_are_merged_and_nested(
    connection: Any, edition_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A known span that comes with more, at another time, and the caller of another one."""
    span = await connection.fetchrow("SELECT * FROM traces WHERE trace_id = 't7'")
    key = {"organisation": span["org_id"], "trace_id": "t7", "model": span["model"], "operation": "chat"}
    again = {**key, "span_id": span["span_id"], "ts": (span["ts"] - timedelta(minutes=3)).isoformat(), "user": "u7"}
    inner = {
        **key,
        "span_id": "inner",
        "parent_span_id": span["span_id"],
        "ts": span["ts"].isoformat(),
        "prompt_tokens": 5,
    }
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (again, inner)))
    result = await called(edition_url, capsys, "import", str(tmp_path / "rows.jsonl"))
    assert [result[name] for name in ("inserted", "changed", "nested_model_calls")] == [1, 1, 1]
    rows = await connection.fetch("SELECT user_id, ts, is_request FROM traces WHERE trace_id = 't7' ORDER BY ts")
    assert [tuple(row) for row in rows] == [("u7", span["ts"] - timedelta(minutes=3), False), (None, span["ts"], True)]


async def called(url: str, capsys: pytest.CaptureFixture[str], *command: str) -> dict[str, Any]:
    code = await asyncio.to_thread(run, [*command, "--output", "json"], {"DATABASE_URL": url})
    output = capsys.readouterr()
    assert code == 0, output.err
    answer: dict[str, Any] = json.loads(output.out)
    return answer
