"""Rows of spans that are in the store already: what becomes of them, whatever the order of files."""

import asyncio
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from typing_extensions import override

from analytics_service.__main__ import run
from analytics_service.ingest.conflicts import OnConflict, Resolved
from analytics_service.ingest.copy import Refuses, Writer
from analytics_service.ingest.fields import COLUMNS, DEFAULTS
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.staging import Staged
from analytics_service.ingest.stored import MAX_SCANNED, known_spans
from analytics_service.ingest.text import encode
from analytics_service.ingest.traces import traces
from tests.support.eventually import eventually

pytestmark = pytest.mark.postgres

Row = dict[str, Any]
Import = Callable[..., dict[str, Any]]
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
REQUESTS = "SELECT sum(request_count), sum(total_tokens_sum) FROM rollup_totals_1day"


def a_row(span: str, *, minutes: int = 0, trace: str = "t", **fields: Any) -> Row:
    return {
        "organisation": "acme",
        "trace_id": trace,
        "span_id": span,
        "ts": (NOON + timedelta(minutes=minutes)).isoformat(),
        "operation": "chat",
        "model": "gpt-4o",
        **fields,
    }


@pytest.fixture
def import_(database_url: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Import:
    """Imports these rows; returns the summary with the exit code and standard error."""

    def call(rows: list[Row], *arguments: str) -> dict[str, Any]:
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        code = run(["import", str(path), *arguments, "--output", "json"], {"DATABASE_URL": database_url})
        output = capsys.readouterr()
        return {**json.loads(output.out or "{}"), "code": code, "error": output.err}

    return call


def test_a_row_that_says_more_is_merged(import_: Import, ask: Callable[[str], str]) -> None:
    assert import_([a_row("s", prompt_tokens=100)])["inserted"] == 1
    result = import_([a_row("s", prompt_tokens=100, completion_tokens=50, user_id="u1")])
    assert [result[name] for name in ("inserted", "already_there", "conflicts", "changed")] == [0, 1, 1, 1]
    found = ask("SELECT prompt_tokens, completion_tokens, total_tokens, user_id, total_cost_usd::real FROM traces")
    assert found == "100|50|150|u1|0.00075", "priced again"
    assert ask(REQUESTS) == "1|150"
    again = import_([a_row("s", prompt_tokens=100)])
    assert [again[name] for name in ("already_there", "conflicts", "changed")] == [1, 1, 0]


def test_the_same_span_at_another_time_is_one_row(import_: Import, ask: Callable[[str], str]) -> None:
    """Across midnight, which is another partition; and beyond a day it is another row."""
    import_([a_row("s", minutes=5, prompt_tokens=10)])
    assert import_([a_row("s", minutes=-721, prompt_tokens=10)])["changed"] == 1
    assert ask("SELECT count(*), extract(epoch FROM min(ts))::bigint % 86400 FROM traces") == f"1|{86400 - 60}"
    assert import_([a_row("s", minutes=2 * 1440, prompt_tokens=10)])["inserted"] == 1
    assert ask(REQUESTS) == "2|20"


@pytest.mark.parametrize(
    ("option", "tokens", "changed"), [("merge", "100|7", 1), ("keep", "100|", 0), ("replace", "9|7", 1)]
)
def test_what_a_conflict_does_is_an_option(
    import_: Import, ask: Callable[[str], str], option: str, tokens: str, changed: int
) -> None:
    import_([a_row("s", prompt_tokens=100), a_row("other", prompt_tokens=1)])
    result = import_([a_row("s", prompt_tokens=9, ttft_ms=7), a_row("other", prompt_tokens=1)], "--on-conflict", option)
    assert [result[name] for name in ("already_there", "conflicts", "changed", "code")] == [2, 1, changed, 0]
    assert ask("SELECT prompt_tokens, ttft_us / 1000 FROM traces WHERE span_id = 's'") == tokens


def test_a_weight_of_one_is_no_other_content(import_: Import, ask: Callable[[str], str]) -> None:
    import_([a_row("s"), a_row("sum", request_count=5)])
    again = import_([a_row("s", request_count=1), a_row("sum", request_count=5)])
    assert [again[name] for name in ("already_there", "conflicts")] == [2, 0]
    assert import_([a_row("s", request_count=7)])["changed"] == 1
    assert ask("SELECT string_agg(request_weight::text, ' ' ORDER BY span_id) FROM traces") == "7 5"


def test_stop_changes_nothing_and_says_why(import_: Import, ask: Callable[[str], str]) -> None:
    import_([a_row("s", prompt_tokens=100)])
    result = import_([a_row("new"), a_row("s", prompt_tokens=9)], "--on-conflict", "stop")
    assert result["code"] == 2
    assert "span s of trace t of acme: is there with another prompt_tokens, total_tokens" in result["error"]
    assert ask("SELECT count(*), sum(prompt_tokens) FROM traces") == "1|100"


def test_a_dry_run_counts_conflicts(import_: Import, ask: Callable[[str], str]) -> None:
    import_([a_row("s", prompt_tokens=100)])
    result = import_([a_row("s", prompt_tokens=200), a_row("new")], "--dry-run")
    assert [result[name] for name in ("inserted", "already_there", "conflicts", "changed")] == [1, 1, 1, 1]
    assert ask("SELECT count(*), sum(prompt_tokens) FROM traces") == "1|100"


def test_the_same_file_with_another_set_is_no_other_row(import_: Import, ask: Callable[[str], str]) -> None:
    rows = [{name: value for name, value in a_row("-").items() if name not in {"trace_id", "span_id"}}]
    import_(rows)
    result = import_(rows, "--set", "environment=production")
    assert [result[name] for name in ("inserted", "conflicts", "changed")] == [0, 1, 1]
    assert ask("SELECT environment FROM traces") == "production"


STORED = (
    f"SELECT {', '.join(name for name in COLUMNS if name != 'price_version')} FROM traces ORDER BY org_id, ts, span_id"
)


@pytest.mark.parametrize("seed", range(3))
def test_no_order_splitting_overlap_or_repetition_changes_a_total(
    import_: Import, ask: Callable[[str], str], seed: int
) -> None:
    """Each organisation gets the same rows in files of its own making."""
    rng = random.Random(seed)
    pool = [
        a_row(
            f"s{rng.randrange(12)}",
            trace=f"t{rng.randrange(2)}",
            minutes=rng.randrange(600),
            parent_span_id=rng.choice([None, "s0", "s1"]),
            model=rng.choice(["gpt-4o", "gpt-4o-mini", ""]),
            prompt_tokens=rng.choice([None, 1, 20]),
            completion_tokens=rng.choice([None, 3, 40]),
            total_cost=rng.choice([None, None, "0.25"]),
            user_id=rng.choice([None, "u1", "u2"]),
            output=rng.choice([None, "Hel", "Hello"]),
            tags=rng.choice([None, ["a"], ["b", "c"]]),
            attributes=rng.choice([None, {"a": 1}, {"a": 2, "b": [1.5]}]),
        )
        for _ in range(40)
    ]
    for number in range(4):
        rows = [*pool, *rng.choices(pool, k=20)]
        rng.shuffle(rows)
        cuts = sorted(rng.sample(range(len(rows)), k=3))
        for first, last in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            overlap = rng.randrange(5)
            import_(
                rows[max(0, first - overlap) : last],
                "--set",
                f"organisation=org{number}",
                "--ignore",
                "organisation",
                "--batch-size",
                str(rng.choice([1, 7, 100])),
            )
    stored = ask(STORED).splitlines()
    by_organisation = [[line.partition("|")[2] for line in stored if line.startswith(f"org{n}|")] for n in range(4)]
    assert len(by_organisation[0]) > 5
    assert all(lines == by_organisation[0] for lines in by_organisation)
    sums = ask(
        "SELECT org_id, sum(request_count), sum(total_cost_usd_sum) FROM rollup_totals_1day GROUP BY 1 ORDER BY 1"
    )
    assert len({line.partition("|")[2] for line in sums.splitlines()}) == 1
    raw = "SELECT org_id, count(*), sum(total_cost_usd) FROM traces WHERE is_request GROUP BY 1 ORDER BY 1"
    assert sums == ask(raw)


def test_nested_calls_count_once_in_whatever_order_they_arrive(import_: Import, ask: Callable[[str], str]) -> None:
    gateway = a_row("gateway", prompt_tokens=100, completion_tokens=10)
    framework = a_row("framework", minutes=1, parent_span_id="gateway", prompt_tokens=100, completion_tokens=10)
    step = a_row("step", minutes=1, parent_span_id="framework", operation="tool")
    sdk = a_row("sdk", minutes=1, parent_span_id="step", prompt_tokens=90, completion_tokens=10)
    alone = a_row("alone", trace="t2", prompt_tokens=5)
    assert import_([sdk, alone])["nested_model_calls"] == 0
    assert import_([framework])["nested_model_calls"] == 0, "the span between them has not arrived"
    assert ask(REQUESTS) == "3|215"
    assert import_([step])["nested_model_calls"] == 1
    assert import_([gateway])["nested_model_calls"] == 1
    assert ask("SELECT string_agg(span_id, ' ' ORDER BY span_id) FROM traces WHERE is_request") == "alone sdk"
    assert ask(REQUESTS) == "2|105"
    again = import_([gateway, framework, step, sdk, alone])
    assert [again[name] for name in ("already_there", "conflicts", "nested_model_calls")] == [5, 0, 0]
    assert ask(REQUESTS) == "2|105"
    at_once = import_([{**each, "trace_id": "t3"} for each in (gateway, framework, step, sdk)])
    assert (at_once["inserted"], at_once["nested_model_calls"]) == (4, 2)


def test_a_call_of_another_trace_or_organisation_is_not_around_it(import_: Import, ask: Callable[[str], str]) -> None:
    inner = a_row("inner", parent_span_id="outer", prompt_tokens=1)
    import_(
        [
            inner,
            a_row("outer", trace="t2", prompt_tokens=2),
            {**a_row("outer", prompt_tokens=3), "organisation": "globex"},
        ]
    )
    assert ask("SELECT count(*) FROM traces WHERE is_nested") == "0"


def stored_row(number: int, minute: int) -> Row:
    key = {"org_id": "acme", "trace_id": f"t{number}", "span_id": f"s{number}", "ts": NOON + timedelta(minutes=minute)}
    return {**DEFAULTS, **key, "is_request": True, "prompt_tokens": minute, "total_cost_usd": Decimal(1)}


async def test_writers_of_one_span_wait_for_one_another(database_url: str, ask: Callable[[str], str]) -> None:
    """The second does not see the row of the first, which is of another time, before the first has committed."""
    first, second, third = [await asyncpg.connect(database_url) for _ in range(3)]
    writers = [Writer(connection, OnConflict.MERGE, Prices().price) for connection in (first, second)]
    try:
        for number, writer in enumerate(writers):
            await writer.write(encode([stored_row(100 + number, 0)]))  # makes the partition
        async with first.transaction():
            await writers[0].write(encode([stored_row(1, 1)], with_ids=True))
            waiting = asyncio.create_task(writers[1].write(encode([stored_row(1, 2)], with_ids=True)))
            await eventually(lambda: _is_done_or_waits(waiting, third))
        await waiting
    finally:
        for connection in (first, second, third):
            await connection.close()
    assert ask("SELECT count(*), sum(prompt_tokens) FROM traces WHERE span_id = 's1'") == "1|2"


@pytest.mark.parametrize("seed", range(2))
async def test_files_that_overlap_in_opposite_order_do_not_stop_each_other(
    database_url: str, ask: Callable[[str], str], seed: int
) -> None:
    """Rows without ids of their own: each import has rows that the other waits for."""
    connections = [await asyncpg.connect(database_url) for _ in range(2)]
    rows = [stored_row(number, seed) for number in range(3_000)]
    try:
        writers = [Writer(connection, OnConflict.MERGE, Prices().price) for connection in connections]
        written = await asyncio.gather(
            *(writer.write(encode(each)) for writer, each in zip(writers, (rows, rows[::-1]), strict=True))
        )
    finally:
        for connection in connections:
            await connection.close()
    assert sum(each.inserted for each in written) == 3_000
    assert ask("SELECT count(*) FROM traces") == "3000"


async def test_what_others_change_meanwhile_is_merged_with_and_not_lost(
    database_url: str, ask: Callable[[str], str]
) -> None:
    """Between the moment at which the stored row was read, and the one at which it is replaced."""
    connection, other = [await asyncpg.connect(database_url) for _ in range(2)]
    changed = 0

    def price(row: Row) -> None:
        row["price_status"] = "none"

    class Interrupted(Writer):
        @override
        async def _resolved(self, staged: Staged, refuses: Refuses | None = None) -> Resolved:
            nonlocal changed
            resolved = await super()._resolved(staged, refuses)
            if not changed:
                changed = int((await other.execute("UPDATE traces SET user_id = 'u9'")).split()[1])
            return resolved

    try:
        writer = Interrupted(connection, OnConflict.MERGE, price)
        await writer.write(encode([stored_row(1, 1)], with_ids=True))
        written = await writer.write(encode([{**stored_row(1, 1), "session_id": "s9"}], with_ids=True))
    finally:
        await connection.close()
        await other.close()
    assert (written.changed, changed) == (1, 1)
    assert ask("SELECT user_id, session_id FROM traces") == "u9|s9"


def test_rows_that_are_about_to_end_are_left_alone(import_: Import, ask: Callable[[str], str]) -> None:
    """Before the retention horizon rows may be there still, and cannot be changed any more."""
    import_([a_row("old", minutes=-13 * 60, prompt_tokens=1), a_row("s", minutes=-13 * 60, prompt_tokens=1)])
    ask("UPDATE rollup_floor SET floor = '2026-11-20T00:00:00Z', dropped_until = '2026-11-20T00:00:00Z'")
    result = import_([a_row("s", prompt_tokens=5), a_row("inner", parent_span_id="old", prompt_tokens=5)])
    assert [result[name] for name in ("inserted", "changed", "nested_model_calls", "code")] == [2, 0, 0, 0]


async def _is_done_or_waits(task: asyncio.Task[Any], connection: asyncpg.Connection) -> bool:
    return task.done() or await connection.fetchval("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")


@pytest.mark.parametrize("at_once", [1, 4, MAX_SCANNED], ids=["each by itself", "as many as there are", "all at once"])
async def test_stored_spans_are_counted_within_a_day_of_each_trace(database_url: str, at_once: int) -> None:
    """Whether all traces are counted at once, or, where there are many rows, each by itself."""
    connection = await asyncpg.connect(database_url)
    rows = [stored_row(1, 0), {**stored_row(1, 1), "span_id": "other"}, stored_row(1, 3 * 24 * 60), stored_row(2, 5)]
    await Writer(connection, OnConflict.MERGE, Prices().price).write(
        encode([*rows, {**stored_row(3, 0), "org_id": "globex"}])
    )
    arriving = [
        stored_row(1, 2),
        stored_row(2, 3 * 24 * 60),
        stored_row(3, 0),
        {**stored_row(3, 0), "org_id": "globex"},
    ]
    async with connection.transaction():
        known = await known_spans(connection, traces(arriving), at_once=at_once)
    assert known == {("acme", "t1"): 2, ("globex", "t3"): 1}
    await connection.close()
