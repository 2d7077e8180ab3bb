"""Keys over HTTP, as several processes see them, and while the database is away."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from analytics_service.database import api_keys
from tests.support.eventually import eventually
from tests.support.keys import (
    ADMIN,
    MANY,
    ME,
    a_secret,
    basic,
    bearing,
    create,
    created,
    listed,
    revoke,
    rotate,
    status_with,
)
from tests.support.pgbouncer import pooled
from tests.support.postgres import PASSWORD, Server
from tests.support.process import Process, serving
from tests.support.redis import RedisServer
from tests.support.service import HOUR, T0, a_row, a_service, execute, insert

pytestmark = pytest.mark.postgres

REVOKED_WITHIN_SECONDS = 5
TRACES = f"/api/v1/traces?from={T0:%Y-%m-%dT%H:%M:%SZ}&to={T0 + HOUR:%Y-%m-%dT%H:%M:%SZ}"


async def asked(service: Process, method: str, path: str, headers: dict[str, str], **options: Any) -> tuple[int, Any]:
    async with service.session.request(method, service.url + path, headers=headers, **options) as response:
        return response.status, await response.json(content_type=None)


@pytest.mark.parametrize("path", [ME, TRACES])
async def test_a_key_that_one_process_revokes_is_refused_by_all(database_url: str, path: str) -> None:
    """Also where the same bytes are asked for again and again, which are answered without being read."""
    await insert(database_url, [a_row()])
    async with AsyncExitStack() as stack:
        services = [await stack.enter_async_context(serving(database_url)) for _ in range(2)]
        for service in services:
            await service.until("/health/ready", 200)
        body = {"name": "a", "role": "viewer"}
        _, answer = await asked(services[0], "POST", "/api/v1/keys", ADMIN, json=body)
        key = {"X-API-Key": answer["data"]["secret"]}
        for service in services * 20:
            assert (await asked(service, "GET", path, key))[0] == 200
        assert (await asked(services[0], "DELETE", f"/api/v1/keys/{answer['data']['id']}", ADMIN))[0] == 200

        async def is_refused(service: Process) -> bool:
            return (await asked(service, "GET", path, key))[0] == 401

        await asyncio.gather(
            *(eventually(lambda each=each: is_refused(each), seconds=REVOKED_WITHIN_SECONDS) for each in services)  # type: ignore[misc]
        )
        status, problem = await asked(services[1], "GET", path, key)
    assert (status, problem["error_code"]) == (401, "INVALID_API_KEY")
    assert "revoked" in problem["detail"]


async def test_the_end_of_a_rotated_key_is_seen_by_all(database_url: str) -> None:
    async with a_service(database_url) as one, a_service(database_url) as other:
        old = await created(one)
        assert await status_with(other, old["secret"]) == 200
        new = (await rotate(one, old["id"], overlap_seconds=0)).json["data"]
        assert await status_with(other, new["secret"]) == 200

        async def is_refused() -> bool:
            return await status_with(other, old["secret"]) == 401

        await eventually(is_refused, seconds=REVOKED_WITHIN_SECONDS)


async def test_a_key_that_was_revoked_or_deleted_by_hand_is_refused_too(database_url: str) -> None:
    async with a_service(database_url) as client:
        keys = [await created(client) for _ in range(3)]
        assert [await status_with(client, key["secret"]) for key in keys] == [200] * 3
        await execute(
            database_url, "UPDATE api_key SET revoked_at = now(), revoked_by = 'dba' WHERE id = $1", keys[0]["id"]
        )
        await execute(database_url, "DELETE FROM api_key WHERE id = $1", keys[1]["id"])

        async def are_refused() -> bool:
            return [await status_with(client, key["secret"]) for key in keys] == [401, 401, 200]

        await eventually(are_refused, seconds=REVOKED_WITHIN_SECONDS)


@pytest.mark.parametrize(
    "change", ["expires_at = 'infinity'", "per_minute = 1000000000, burst = 1", "per_minute = 1, burst = 0"]
)
async def test_nobody_writes_a_key_by_hand_that_no_process_can_read(database_url: str, change: str) -> None:
    async with a_service(database_url) as client:
        key = await created(client)
        with pytest.raises(asyncpg.CheckViolationError):
            await execute(database_url, f"UPDATE api_key SET {change} WHERE id = $1", key["id"])
        assert await status_with(client, key["secret"]) == 200
        assert [each["id"] for each in await listed(client)] == [key["id"]]


async def test_while_the_database_is_away_known_keys_go_on_and_of_others_nothing_is_said(primary: Server) -> None:
    assert primary.control is not None
    with primary.database(migrated=True) as url:
        async with a_service(url) as client:
            known, other = await created(client), await created(client)
            assert await status_with(client, known["secret"]) == 200
            primary.control("stop", "-m", "fast")  # the keys that were just made are there again
            for text in (other["secret"], a_secret("of nobody")):
                answer = await client.request("GET", ME, headers={"X-API-Key": text})
                assert (answer.status, answer.json["error_code"]) == (503, "DATABASE_CONNECTION_FAILED")
                assert int(answer.headers["Retry-After"]) > 0
            assert (await client.request("GET", ME, headers={"X-API-Key": "llmo_sk_1"})).status == 401
            for _ in range(20):
                assert await status_with(client, known["secret"]) == 200
            assert (await create(client)).status == 503
            primary.control("start")

            async def is_back() -> bool:
                return await status_with(client, other["secret"]) == 200

            await eventually(is_back)
            assert await status_with(client, a_secret("of nobody")) == 401
            assert await status_with(client, known["secret"]) == 200


async def test_each_key_has_a_rate_of_its_own_in_all_processes(database_url: str, redis: RedisServer) -> None:
    async with (
        a_service(database_url, REDIS_URL=redis.url) as one,
        a_service(database_url, REDIS_URL=redis.url) as other,
    ):
        slow, same = [await created(one, rate_limit={"per_minute": 1, "burst": 4}) for _ in range(2)]
        fast = await created(one)
        statuses = [await status_with(client, slow["secret"]) for client in (one, other) * 4]
        assert sorted(statuses) == [200] * 4 + [429] * 4
        refused = await other.request("GET", ME, headers={"X-API-Key": slow["secret"]})
        assert refused.json["detail"].startswith("this API key may make 1 requests a minute, ")
        assert 0 < int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["X-RateLimit-Limit"] == "1"
        assert [await status_with(one, key["secret"]) for key in (same, fast)] == [200, 200]
        assert await other.metric("rate_limit_exceeded_total", role="viewer") >= 1


async def test_the_last_use_is_written_beside_the_requests_and_once_a_minute(database_url: str) -> None:
    async with a_service(database_url) as client:
        key, unused = await created(client), await created(client)
        await status_with(client, key["secret"])
        assert [each["last_used_at"] for each in await listed(client)] == [None, None], "not before the answer"
    async with a_service(database_url) as client:
        used = {each["id"]: each["last_used_at"] for each in await listed(client)}
        assert used[unused["id"]] is None
        first = datetime.fromisoformat(used[key["id"]])
        assert timedelta() <= datetime.now(UTC) - first < timedelta(minutes=5)
        for seconds, moves in ((-3600, False), (59, False), (61, True)):
            at = first + timedelta(seconds=seconds)
            async with client.running.database.transaction(readonly=False, timeout=10) as transaction:
                await transaction.fetch(api_keys.mark_used({key["id"]: at}))
            (found,) = (each["last_used_at"] for each in await listed(client) if each["id"] == key["id"])
            assert datetime.fromisoformat(found) == (at if moves else first), seconds


async def test_the_last_uses_of_several_processes_wait_neither_for_one_another_nor_for_a_rotation(
    database_url: str,
) -> None:
    """Each has used the same keys in its own order; whoever waited would be a part of a deadlock."""
    one, other, rotation = [await asyncpg.connect(database_url) for _ in range(3)]
    await one.execute(MANY.format(2_000))
    ids, at = [str(number) for number in range(1, 2_001)], datetime.now(UTC)
    uses = api_keys.mark_used(dict.fromkeys(ids, at)), api_keys.mark_used(dict.fromkeys(reversed(ids), at))
    async with rotation.transaction():
        await rotation.execute("UPDATE api_key SET expires_at = now() WHERE id = '1'")
        await asyncio.wait_for(
            asyncio.gather(
                *(each.fetch(query.sql, *query.args) for each, query in zip((one, other), uses, strict=True))
            ),
            timeout=20,
        )
    assert [row["id"] for row in await one.fetch("SELECT id FROM api_key WHERE last_used_at IS NULL")] == ["1"]
    for connection in (one, other, rotation):
        await connection.close()


@pytest.fixture
def reader(postgres: Server, database_url: str) -> Iterator[tuple[str, str]]:
    """The name of a user who may only read, and the URL of the database as he connects to it."""
    role, name = f"keys_{database_url.rpartition('_')[2]}", database_url.rpartition("/")[2]
    postgres.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'")
    postgres.sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}", database=name)
    yield role, database_url.replace("postgres:", f"{role}:", 2).replace(f"{role}:", "postgres:", 1)
    postgres.sql(f"DROP OWNED BY {role}", database=name)
    postgres.sql(f"DROP ROLE {role}")


async def test_the_service_needs_three_privileges_to_make_keys_and_one_to_take_them(
    reader: tuple[str, str], database_url: str
) -> None:
    role, url = reader
    async with a_service(database_url) as owner:
        key = await created(owner)
    async with a_service(url) as client:
        assert await status_with(client, key["secret"]) == 200
        refused = await create(client)
        assert (refused.status, refused.json["error_code"]) == (503, "DATABASE_ERROR")
        await execute(database_url, f"GRANT INSERT, UPDATE ON api_key TO {role}")
        other = await created(client)
        assert (await rotate(client, other["id"])).status == 201
        assert (await revoke(client, other["id"])).status == 200
        assert (await client.request("GET", TRACES, headers=ADMIN)).status == 200


async def test_behind_a_pooler_keys_are_made_and_taken(database_url: str) -> None:
    with pooled(database_url) as url:
        async with a_service(url) as client:
            key = await created(client)
            new = (await rotate(client, key["id"])).json["data"]
            assert (await revoke(client, key["id"])).status == 200
            assert await status_with(client, new["secret"]) == 200
        async with a_service(url) as client:
            assert next(each for each in await listed(client) if each["id"] == new["id"])["last_used_at"]


async def test_a_command_that_fails_leaves_nothing_behind(database_url: str) -> None:
    await execute(
        database_url,
        """CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
        CREATE TRIGGER fail BEFORE UPDATE ON api_key FOR EACH ROW EXECUTE FUNCTION fail()""",
    )
    async with a_service(database_url) as client:
        key = await created(client)
        assert (await rotate(client, key["id"])).status == 503
        assert [each["id"] for each in await listed(client)] == [key["id"]]
        await execute(database_url, "DROP TRIGGER fail ON api_key")
        assert (await rotate(client, key["id"])).status == 201


async def test_a_command_that_waits_for_a_lock_ends_in_its_time(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    async with a_service(database_url, DATABASE_STATEMENT_TIMEOUT_SECONDS="1") as client:
        key = await created(client)
        async with connection.transaction():
            await connection.execute("LOCK TABLE api_key IN ACCESS EXCLUSIVE MODE")
            assert (await revoke(client, key["id"])).status == 504
        assert (await revoke(client, key["id"])).status == 200
    await connection.close()


async def test_a_key_is_found_by_the_index_on_its_hash(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(MANY.format(20_000))
    await connection.execute("ANALYZE api_key")
    query = api_keys.look_up([bytes(32)])
    plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query.sql}", *query.args))
    await connection.close()
    assert "api_key_sha256_key" in plan
    assert "Seq Scan" not in plan


async def test_the_log_says_what_became_of_keys_and_never_a_secret(database_url: str) -> None:
    async with serving(database_url, LOG_LEVEL="debug") as service:
        await service.until("/health/ready", 200)
        _, old = await asked(service, "POST", "/api/v1/keys", ADMIN, json={"name": "diary", "role": "admin"})
        key = old["data"]
        for headers in (bearing(key["secret"]), basic("pk", key["secret"]), {"X-API-Key": key["secret"]}):
            assert (await asked(service, "GET", ME, headers))[0] == 200
        for wrong in (key["secret"][:-1], a_secret("of nobody")):
            assert (await asked(service, "GET", ME, bearing(wrong)))[0] == 401
            assert (await asked(service, "GET", f"/{wrong}", ADMIN))[0] == 404
        _, new = await asked(service, "POST", f"/api/v1/keys/{key['id']}/rotate", bearing(key["secret"]), json={})
        await asked(service, "DELETE", f"/api/v1/keys/{key['id']}", ADMIN)
        service.process.terminate()
        _, output = await service.ended()
    lines = [json.loads(line) for line in output.splitlines()]
    logged = [(line["event"], line["key"], line.get("replaced_by")) for line in lines if "key" in line]
    assert logged == [
        ("an API key was created", key["id"], None),
        ("an API key was rotated", key["id"], new["data"]["id"]),
        ("an API key was revoked", key["id"], None),
    ]
    secrets = (key["secret"][:-1], new["data"]["secret"], a_secret("of nobody"), "diary", "ann")
    assert not any(secret in output for secret in secrets)
