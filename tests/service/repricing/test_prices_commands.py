"""`prices plan`, `apply`, `undo`, `forget` and `plans`: what they print, for people and programs, and exit codes."""

import asyncio
import json
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from analytics_service.__main__ import run
from tests.service.repricing.stored import CHEAP, DEAR, T0, a_request, imported, planned, prices
from tests.support.environment import program_environment
from tests.support.eventually import eventually

pytestmark = pytest.mark.postgres

Prices = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(command: Prices) -> Prices:
    return partial(command, "prices")


@pytest.fixture
def dear(tmp_path: Path) -> str:
    file = tmp_path / "dear.yaml"
    file.write_text("name: dear\nprices: [{model: m, per_million: {input: 2, output: 4}}]\n")
    return str(file)


@pytest.fixture
def requests(tmp_path: Path) -> str:
    file = tmp_path / "requests.jsonl"
    file.write_text("".join(json.dumps(a_request(n)) + "\n" for n in range(6)))
    return str(file)


def read(output: tuple[int, str, str]) -> dict[str, Any]:
    code, text, error = output
    assert code == 0, error
    value: dict[str, Any] = json.loads(text)
    return value


def test_a_plan_is_shown_applied_listed_undone_and_forgotten(
    call: Prices, database_url: str, dear: str, requests: str
) -> None:
    assert run(["import", requests, "--preset", "none"], {"DATABASE_URL": database_url}) == 0
    call("plans")
    made = read(call("plan", "--prices", dear, "--output", "json"))
    assert made["total"] == {
        "rows": 6,
        "from_usd": "0",
        "to_usd": "24",
        "difference_usd": "24",
        "unpriced_before": 6,
        "unpriced_after": 0,
    }
    assert (made["read"], made["hours"], made["requests_without_raw"]) == (6, 2, 0)
    assert made["price_versions"][0].startswith("book dear")
    code, output, _ = call("plan", "--prices", dear)
    assert code == 0
    assert f"to apply it: analytics-service prices apply {made['plan']}" in output
    done = read(call("apply", made["plan"], "--output", "json"))
    assert (done["state"], done["rows"], done["hours"]["applied"]) == ("applied", 6, 2)
    assert done["buckets_refreshed"] > 0
    assert read(call("apply", made["plan"], "--output", "json"))["rows"] == 0
    (listed,) = read(call("plans", "--output", "json"))["plans"]
    assert (listed["hash"], listed["state"], listed["rows"]) == (made["plan"], "applied", 6)
    assert "nothing would change" in call("plan", "--prices", dear)[1]
    undone = read(call("undo", made["plan"], "--output", "json"))
    assert (undone["state"], undone["rows"], undone["hours"]["undone"]) == ("undone", 6, 2)
    assert "hours undone" in call("undo", made["plan"])[1]
    assert call("forget", made["plan"])[0] == 0
    assert read(call("plans", "--output", "json"))["plans"] == []


def test_books_of_the_store_and_of_the_environment_are_asked(
    call: Prices, database_url: str, dear: str, requests: str
) -> None:
    assert run(["import", requests, "--preset", "none"], {"DATABASE_URL": database_url}) == 0
    call("plans")
    assert read(call("plan", "--output", "json", PRICE_BOOKS=dear))["total"]["rows"] == 6
    assert call("set", dear)[0] == 0
    made = read(call("plan", "--output", "json"))
    assert call("remove", "dear")[0] == 0
    assert read(call("apply", made["plan"], "--output", "json"))["rows"] == 6, "by the book as it was in the plan"


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(["apply", "123"], "is no hash of a plan", id="no hash"),
        pytest.param(["apply", "0123456789abcdef"], "there is no plan 0123456789abcdef", id="unknown"),
        pytest.param(["plan", "--from", "soon"], "--from: ", id="no time"),
        pytest.param(["plan", "--from", "2026-01-02", "--to", "2026-01-01"], "--to: is not after --from", id="order"),
    ],
)
def test_a_wrong_argument_is_named(call: Prices, arguments: list[str], reason: str) -> None:
    code, output, error = call(*arguments)
    assert (code, output) == (2, "")
    assert reason in error


WAITS = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')"


async def test_ctrl_c_says_how_to_go_on(database_url: str) -> None:
    connection, blocker = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    await imported(connection, [a_request(n) for n in range(8)], CHEAP)
    made = await planned(connection, DEAR)
    try:
        async with blocker.transaction():
            await blocker.execute("SELECT FROM traces WHERE span_id = 'span-0005' FOR UPDATE")
            ignored = signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "analytics_service", "prices", "apply", made.hash),
                env=program_environment(DATABASE_URL=database_url),
                stderr=asyncio.subprocess.PIPE,
            )
            signal.signal(signal.SIGINT, ignored)
            done = "SELECT EXISTS (SELECT FROM reprice_unit WHERE state = 'applied')"
            await eventually(lambda: connection.fetchval(done), seconds=60)
            await eventually(lambda: connection.fetchval(WAITS), seconds=60)  # so it knows itself what is done
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(60):
                _, error = await process.communicate()
        assert process.returncode == 130
        assert f"1 of 2 hours are done and stay so; `prices apply {made.hash}` goes on" in error.decode()
        costs = {row[4] for row in await prices(connection) if row[0] < T0.replace(hour=13)}
        assert costs == {4}
    finally:
        await blocker.close()
        await connection.close()
