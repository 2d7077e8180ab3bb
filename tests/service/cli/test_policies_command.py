"""`policies`: what would change and be lost, for people and programs, and what exit codes say."""

import asyncio
import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.support.eventually import eventually
from tests.support.postgres import PASSWORD
from tests.support.process import Process, serving
from tests.support.service import a_row, execute, insert

pytestmark = pytest.mark.postgres

Policies = Callable[..., tuple[int, str, str]]
KEPT = {f"RETENTION_{level}_DAYS": "keep" for level in ("RAW", "1MIN", "1HOUR", "1DAY")}


@pytest.fixture
def policies(command: Policies) -> Policies:
    return partial(command, "policies")


def told(answer: tuple[int, str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer[1])
    return found


def test_plan_shows_what_would_change_and_changes_nothing(policies: Policies) -> None:
    code, output, error = policies("plan")
    assert (code, error) == (0, "")
    assert re.search(r"raw retention +92 d +keep +Pending +loses nothing", output)
    assert "--allow-destructive" not in output
    assert told(policies("plan", "--output", "json"))["reason"] == "Pending"
    assert policies("apply")[0] == 0
    planned = told(policies("plan", "--output", "json"))
    assert (planned["reason"], planned["plan"]) == ("Applied", None)


WORKERS = {
    "RETENTION_RAW_DAYS": "keep",
    "RETENTION_1HOUR_DAYS": "500",
    "RETENTION_1DAY_DAYS": "2000",
    "CHUNK_HOURS": "6",
}


async def test_it_answers_from_the_settings_of_the_worker_unless_it_has_its_own(
    policies: Policies, database_url: str
) -> None:
    def desired(*arguments: str, **environment: str) -> list[str]:
        answer = policies(*arguments, "--output", "json", **environment)
        assert answer[0] == 0
        return [row["wanted"] for row in told(answer)["table"]]

    defaults = ["92 d", "8 d", "400 d", "1095 d", "7 d", "24 h"]
    assert await asyncio.to_thread(desired, "plan") == defaults, "no worker has led yet"
    async with serving(database_url, "work", **WORKERS) as worker:
        await eventually(lambda: leads(worker))
    for action in ("plan", "apply"):
        assert await asyncio.to_thread(desired, action) == ["keep", "8 d", "500 d", "2000 d", "7 d", "6 h"]
    assert await asyncio.to_thread(desired, "plan", RETENTION_1MIN_DAYS="9") == ["92 d", "9 d", *defaults[2:]]
    async with serving(database_url, "work", RETENTION_1HOUR_DAYS="30") as worker:
        await eventually(lambda: leads(worker))
    code, output, error = await asyncio.to_thread(policies, "plan")
    assert (code, output) == (2, "")
    assert "1hour retention is 30 d, and must be" in error, "a rule that the worker's settings violate"


async def leads(worker: Process) -> bool:
    """Whether the worker has looked at the policies."""
    try:
        async with worker.session.get(f"{worker.url}/status") as response:
            return (await response.json())["policies"] is not None
    except aiohttp.ClientConnectionError:
        return False


def test_a_loss_is_held_back_with_its_hash_and_applied_with_it(policies: Policies, database_url: str) -> None:
    asyncio.run(insert(database_url, [a_row(number) for number in range(20)]))
    code, output, _ = policies("plan")
    assert code == 0
    found = re.search(r"--allow-destructive ([0-9a-f]{16})", output)
    assert found is not None
    assert "about 20 rows" in " ".join(output.split())
    code, output, error = policies("apply", "--output", "json")
    assert code == 1
    assert re.fullmatch(r"analytics-service: pending approval: raw retention .*2024-03-04 .* to [0-9a-f]{16}\n", error)
    states = {row["name"]: row["state"] for row in json.loads(output)["table"]}
    assert (states["raw retention"], states["1day retention"]) == ("Pending", "Applied")
    assert json.loads(output)["plan"] == found[1]
    assert policies("apply", "--allow-destructive", "0123456789abcdef")[0] == 1
    assert policies("apply", "--allow-destructive", found[1])[0] == 0
    assert policies("apply", **KEPT)[0] == 0
    assert policies("apply", ALLOW_DESTRUCTIVE=found[1])[0] == 1, "an approval is for one time"


@pytest.mark.parametrize(
    ("arguments", "environment", "said"),
    [
        pytest.param(("plan",), {"RETENTION_1HOUR_DAYS": "30"}, "1hour retention is 30 d, and must be", id="rule"),
        pytest.param(("apply",), {"CHUNK_HOURS": "36"}, "chunk interval is 36 h, and must divide", id="chunk"),
        pytest.param(("apply", "--allow-destructive", "yes"), {}, "is no hash of a plan", id="no hash"),
        pytest.param(("plan",), {"RETENTION_RAW_DAYS": "soon"}, "RETENTION_RAW_DAYS: ", id="setting"),
        pytest.param((), {}, "ACTION", id="no action"),
        pytest.param(("plan",), {"DATABASE_URL": f"postgres://u:{PASSWORD}@127.0.0.1:1/x"}, "no connection", id="url"),
    ],
)
def test_what_the_caller_gave_wrong_is_one_line_and_exit_code_2(
    policies: Policies, arguments: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    code, output, error = policies(*arguments, **environment)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert said in error


def test_a_schema_that_is_not_there_is_named(policies: Policies, database_url: str) -> None:
    asyncio.run(execute(database_url, "UPDATE schema_meta SET version = 1"))
    code, _, error = policies("plan")
    assert (code, error.count("\n")) == (1, 1)
    assert "run analytics-service migrate" in error
