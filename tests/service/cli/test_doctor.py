"""`doctor` finds what keeps the service from working, and says how to mend it."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from analytics_service.database.migrate.result import as_json
from analytics_service.database.migrate.runner import migrate
from tests.support.environment import program_environment
from tests.support.pgbouncer import pooled
from tests.support.postgres import PASSWORD, Server
from tests.support.redis import RedisServer
from tests.support.reference import refreshed
from tests.support.service import a_row, execute, insert

pytestmark = pytest.mark.postgres


def doctor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "analytics_service", "doctor", *arguments]
    given = program_environment(**environment)
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, timeout=60)
    assert PASSWORD not in done.stdout + done.stderr
    return done


def examined(code: int, **environment: str) -> dict[str, tuple[str, str]]:
    done = doctor("--output", "json", **environment)
    assert done.returncode == code, done.stderr
    return {one["check"]: (one["verdict"], one["said"]) for one in json.loads(done.stdout)}


def test_a_store_in_order(edition_url: str, redis: RedisServer) -> None:
    found = examined(0, DATABASE_URL=edition_url, REDIS_URL=redis.url)
    assert list(found) == [
        "connection",
        "server",
        "primary",
        "session",
        "connections",
        "snapshots",
        "schema",
        "rights",
        "rollups",
        "partitions",
        "prices",
        "redis",
    ]
    assert {verdict for check, (verdict, _) in found.items() if check != "partitions"} == {"ok"}
    assert "PostgreSQL 1" in found["server"][1]
    assert "equal to raw" in doctor(DATABASE_URL=edition_url).stdout


async def test_rows_that_nobody_refreshes_are_named(database_url: str) -> None:
    await insert(database_url, [a_row(1)])
    found = examined(0, DATABASE_URL=database_url)
    assert found["rollups"][0] == "ok"
    assert found["rollups"][1].startswith("1 entries of their log wait for a refresh, the oldest for ")
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE rollup_log SET logged_at = logged_at - interval '1 hour'")
    await connection.close()
    found = examined(0, DATABASE_URL=database_url)
    assert found["rollups"][0] == "warning"
    assert "is analytics-service work running?" in found["rollups"][1]
    assert found["redis"][0] == "ok"


async def test_models_without_a_price_are_named(database_url: str) -> None:
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    priced = {"price_status": "full"}
    of_own = {"provider": "own", "model": "in-house", "total_cost_usd": None, "price_status": "none"}
    rows = [a_row(1, ts=hour, **priced), *(a_row(n, ts=hour, **of_own) for n in (2, 3))]
    rows.append(a_row(4, ts=hour, model="gpt-4o", price_status="partial"))
    await insert(database_url, rows[:1])
    await refreshed(database_url)
    assert examined(0, DATABASE_URL=database_url)["prices"] == (
        "ok",
        "all 1 requests of the last 7 days have a price",
    )
    await insert(database_url, rows[1:])
    await refreshed(database_url)
    verdict, message = examined(0, DATABASE_URL=database_url)["prices"]
    assert verdict == "warning"
    assert "3 of 4 requests of the last 7 days: own/in-house (2), openai/gpt-4o (1): " in message


def test_a_schema_that_is_not_there(empty_url: str) -> None:
    found = examined(1, DATABASE_URL=empty_url)
    assert found["schema"][0] == "failed"
    assert "migrate" in found["schema"][1]
    assert "rights" not in found


def test_nobody_there() -> None:
    url = f"postgres://user:{PASSWORD}@127.0.0.1:1/none"
    found = examined(1, DATABASE_URL=url, REDIS_URL=f"redis://:{PASSWORD}@127.0.0.1:1")
    assert found["connection"][0] == "failed"
    assert found["redis"][0] == "warning"


def test_a_pooler(database_url: str) -> None:
    ignored = "jit,search_path,statement_timeout,extra_float_digits"
    with pooled(database_url, ignore_startup_parameters=ignored, pool_mode="session") as url:
        assert examined(0, DATABASE_URL=url)["session"][0] == "warning"


ALL = "97 (max_connections 100 without 3 reserved ones)"


@pytest.mark.parametrize(
    ("limits", "pool", "verdict", "said"),
    [
        ((-1, -1), 20, "ok", f"allows {ALL}: enough for 4"),
        ((-1, -1), 98, "warning", f"allows {ALL}, and DATABASE_POOL_SIZE is 98: lower it"),
        ((12, 60), 20, "warning", "allows 12 (the limit of the role), and DATABASE_POOL_SIZE is 20: lower it"),
        ((60, 19), 20, "warning", "allows 19 (the limit of the database), and DATABASE_POOL_SIZE is 20: lower it"),
        ((60, 40), 20, "ok", "allows 40 (the limit of the database): enough for 2"),
    ],
)
def test_the_limits_of_connections(
    postgres: Server, empty_url: str, *, limits: tuple[int, int], pool: int, verdict: str, said: str
) -> None:
    name = empty_url.rpartition("/")[2]
    role = f"limited_{name}"
    postgres.sql(
        f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}' CONNECTION LIMIT {limits[0]}",
        f"ALTER DATABASE {name} CONNECTION LIMIT {limits[1]}",
    )
    postgres.sql(f"GRANT ALL ON SCHEMA public TO {role}", database=name)
    url = empty_url.replace(f"//postgres:{PASSWORD}", f"//{role}:{PASSWORD}")
    try:
        found = examined(1, DATABASE_URL=url, DATABASE_POOL_SIZE=str(pool))
        assert (found["connections"][0], said in found["connections"][1]) == (verdict, True), found
        result = asyncio.run(migrate(url, [], dry_run=True, notify=lambda _: None))
        assert json.loads(as_json(result))["connection_limit"] == int(said.split()[1])
    finally:
        postgres.sql(f"DROP OWNED BY {role}", database=name)
        postgres.sql(f"DROP ROLE {role}")


def test_a_superuser_has_all_connections(empty_url: str) -> None:
    assert "allows 100 (max_connections): enough for 5" in examined(1, DATABASE_URL=empty_url)["connections"][1]


async def test_a_user_without_privileges(database_url: str) -> None:
    role = f"reader_{database_url.rpartition('_')[2]}"
    await execute(database_url, f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    await execute(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    try:
        url = database_url.replace("postgres:", f"{role}:", 2).replace(f"{role}:", "postgres:", 1)
        found = examined(1, DATABASE_URL=url)
    finally:
        await execute(database_url, f"DROP OWNED BY {role}; DROP ROLE {role}")
    assert found["rights"][0] == "failed"
    assert "INSERT on traces" in found["rights"][1]
