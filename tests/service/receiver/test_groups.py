"""Requests that arrive together are committed together, and none of them suffers from another."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from analytics_service import settings
from analytics_service.pricing.book import read
from analytics_service.server.service import Only
from tests.support.eventually import eventually
from tests.support.otlp import PROTOBUF, Span, encoded, send
from tests.support.postgres import Server
from tests.support.service import Client, Response, a_service, a_token, execute

NOW = datetime.now(UTC)


async def post(client: Client, rows: Any) -> Response:
    return await send(client, json.dumps(rows).encode(), "application/json", path="/api/v1/traces")


async def test_every_edition_merges_what_requests_bring(edition_url: str, edition_server: Server) -> None:
    inner, outer = Span(number=2, parent=1, ts=NOW), Span(number=1, ts=NOW - timedelta(days=1))
    async with a_service(edition_url) as client:
        for batch in ([inner], [outer], [inner, outer]):
            assert (await send(client, encoded(batch))).body == b""
    found = "SELECT span_id, is_request, is_nested FROM traces ORDER BY span_id"
    rows = edition_server.sql(found, database=edition_url.rsplit("/", 1)[1]).split()
    assert rows == [f"{outer.span_id}|f|t", f"{inner.span_id}|t|f"]


async def test_requests_that_arrive_together_share_a_commit(database_url: str, stored: Callable[[str], str]) -> None:
    async with a_service(database_url) as client:
        await send(client, encoded([Span(number=1000, ts=NOW)]))
        spans = [Span(number=number, trace=number, ts=NOW) for number in range(1, 201)]
        answers = await asyncio.gather(*(send(client, encoded([span])) for span in spans))
        assert {answer.status for answer in answers} == {200}
        groups = await client.metric("analytics_ingest_group_rows_count")
        assert await client.metric("analytics_ingest_group_rows_sum") == 201
        assert groups < 60
    assert stored("SELECT count(*) FROM traces") == "201"
    connections = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'analytics-ingest/%'"
    assert int(stored(connections)) <= 2


async def test_a_row_that_the_store_refuses_fails_no_other(database_url: str, stored: Callable[[str], str]) -> None:
    """Two halves of a span, each with a price below the limit, are one row whose price is not."""
    most = 999_999_999
    halves = [
        {"ts": NOW.isoformat(), "trace_id": "t", "span_id": "s", "model": "m", "prompt_cost": most},
        {"ts": NOW.isoformat(), "trace_id": "t", "span_id": "s", "model": "m", "input": "x" * 10},
    ]
    await execute(
        database_url, "ALTER TABLE traces ADD CONSTRAINT no_secret_word CHECK (input_text IS DISTINCT FROM 'secret')"
    )
    async with a_service(database_url) as client:
        rows = [
            {
                "ts": (NOW - timedelta(seconds=number)).isoformat(),
                "model": "m",
                "input": "secret" if number == 7 else "a",
            }
            for number in range(30)
        ]
        answers = await asyncio.gather(post(client, rows), *(post(client, half) for half in halves))
        key = {"Idempotency_Key": "k"}
        again = await send(client, json.dumps(rows).encode(), "application/json", path="/api/v1/traces", **key)
        replayed = await send(client, json.dumps(rows).encode(), "application/json", path="/api/v1/traces", **key)
    for answer in (answers[0], again):
        assert (answer.data["accepted"], answer.data["rejected"]) == (29, 1)
        assert answer.data["errors"] == [{"index": 7, "detail": "the database refuses the row (no_secret_word)"}]
    assert replayed.data == again.data
    assert [answer.status for answer in answers[1:]] == [200, 200]
    assert stored("SELECT count(*) FROM traces") == "30"


async def test_an_answer_says_that_rows_are_on_disk(database_url: str, stored: Callable[[str], str]) -> None:
    """The server of these tests does not wait for its disk, as some in production do not."""
    await execute(
        database_url,
        """
        CREATE TABLE waits (for_disk text);
        CREATE FUNCTION note_wait() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO public.waits VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
        CREATE TRIGGER wait AFTER INSERT ON rollup_log FOR EACH STATEMENT EXECUTE FUNCTION note_wait();
        """,
    )
    async with a_service(database_url) as client:
        assert (await send(client, encoded([Span(ts=NOW)]))).status == 200
    assert stored("SELECT DISTINCT for_disk FROM waits") == "on"


async def test_rows_of_any_day_that_is_kept_find_a_partition(database_url: str, stored: Callable[[str], str]) -> None:
    days = [Span(number=1 + day, trace=1 + day, ts=NOW - timedelta(days=day)) for day in range(0, 92, 7)]
    async with a_service(database_url) as client:
        answers = await asyncio.gather(*(send(client, encoded([span])) for span in days))
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * len(days)
    assert stored("SELECT count(*) FROM traces") == str(len(days))


async def test_rows_that_became_too_old_are_rejected_alone(database_url: str, stored: Callable[[str], str]) -> None:
    """The retention horizon moves while the service remembers an earlier one."""
    async with a_service(database_url) as client:
        assert (await send(client, encoded([Span(ts=NOW)]))).status == 200
        await execute(
            database_url,
            "UPDATE rollup_floor SET (floor, dropped_until) = (SELECT d, d FROM date_trunc('day', now(), 'UTC') AS d)",
        )
        spans = [Span(number=2, trace=2, ts=NOW - timedelta(days=3)), Span(number=3, trace=3, ts=NOW)]
        answer = await send(client, encoded(spans))
    assert (answer.status, b"1 of 2 spans were rejected, by position: 0: ts: " in answer.body) == (200, True)
    assert stored("SELECT count(*) FROM traces") == "2"


async def test_a_full_queue_is_said_at_once_and_everything_is_stored_in_the_end(
    database_url: str, stored: Callable[[str], str]
) -> None:
    """A lock stands in for a slow server: nothing is committed while it is held."""
    spans = [Span(number=number, trace=number, ts=NOW) for number in range(1, 31)]
    async with a_service(database_url, INGEST_QUEUE_ROWS="10") as client:
        assert (await send(client, encoded(spans[:1]))).status == 200
        release, locked = asyncio.Event(), asyncio.Event()
        lock = asyncio.create_task(locking(database_url, locked, release))
        await locked.wait()
        waiting = [asyncio.create_task(send(client, encoded([span]))) for span in spans]
        done, pending = await asyncio.wait(waiting, timeout=3)
        assert {task.result().status for task in done} == {429}
        assert {task.result().headers["Retry-After"] for task in done} == {"1"}
        assert (len(done), len(pending)) == (22, 8), "an organisation may have most of it"
        assert await client.metric("analytics_ingest_queue_rows") == 8
        other = asyncio.create_task(send(client, encoded(spans[:1]), token=a_token(org_id="rival")))
        done, _ = await asyncio.wait({other}, timeout=1)
        assert not done, "another one finds room in a queue that is full of the first one's"
        pending.add(other)
        release.set()
        await lock
        assert {(await task).status for task in pending} == {200}
        for span in spans:
            assert (await send(client, encoded([span]))).status == 200
        assert await client.metric("analytics_ingest_queue_rows") == 0
    assert stored("SELECT count(*) FROM traces") == "31"


async def locking(url: str, locked: asyncio.Event, release: asyncio.Event) -> None:
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        await connection.execute("LOCK TABLE rollup_floor IN ACCESS EXCLUSIVE MODE")
        locked.set()
        await release.wait()
    await connection.close()


async def test_a_queue_is_bounded_in_bytes_too(database_url: str) -> None:
    body = encoded([Span(ts=NOW, attributes={**Span().attributes, "input.value": "x" * 3000})])
    async with a_service(database_url, INGEST_MAX_BODY_BYTES="4096", INGEST_QUEUE_BYTES="8192") as client:
        assert (await send(client, body)).status == 200
        release, locked = asyncio.Event(), asyncio.Event()
        lock = asyncio.create_task(locking(database_url, locked, release))
        await locked.wait()
        waiting = [asyncio.create_task(send(client, body)) for _ in range(5)]
        done, pending = await asyncio.wait(waiting, timeout=3)
        assert ({task.result().status for task in done}, len(pending)) == ({429}, 2)
        release.set()
        await lock
        assert {(await task).status for task in pending} == {200}
        assert await client.metric("analytics_ingest_queue_bytes") == 0
        assert (await send(client, encoded([Span(name="x" * 5000)]))).status == 413


async def test_a_database_that_is_away_is_a_retry_and_nothing_is_lost(primary: Server) -> None:
    with primary.database(migrated=True) as url:
        async with a_service(url) as client:
            assert primary.control is not None
            assert (await send(client, encoded([Span(ts=NOW)]))).status == 200
            await asyncio.to_thread(primary.control, "stop", "-m", "immediate")
            for number in range(2, 6):
                answer = await send(client, encoded([Span(number=number, trace=number, ts=NOW)]))
                assert (answer.status, "Retry-After" in answer.headers) == (503, True)
                assert answer.headers["Content-Type"] == PROTOBUF
            await asyncio.to_thread(primary.control, "start")

            async def stored_again() -> bool:
                statuses = {
                    (await send(client, encoded([Span(number=n, trace=n, ts=NOW)]))).status for n in range(2, 6)
                }
                assert statuses <= {200, 503}
                return statuses == {200}

            await eventually(stored_again)
        assert primary.sql("SELECT count(*) FROM traces", database=url.rsplit("/", 1)[1]).strip() == "5"


async def test_a_user_who_may_not_write_is_named_in_the_log_and_clients_may_try_again(
    database_url: str, postgres: Server
) -> None:
    name = database_url.rsplit("/", 1)[1]
    postgres.sql(
        f"CREATE ROLE reader_{name} LOGIN PASSWORD 'x'",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader_{name}",
        database=name,
    )
    url = database_url.replace(database_url.split("//")[1].split("@", maxsplit=1)[0], f"reader_{name}:x")
    async with a_service(url) as client:
        answer = await send(client, encoded([Span(ts=NOW)]))
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert (await client.get("/api/v1/traces", from_=NOW, to=NOW + timedelta(hours=1))).status == 200
    postgres.sql(f"DROP OWNED BY reader_{name}", f"DROP ROLE reader_{name}", database=name)


async def test_prices_of_the_store_are_those_of_rows(
    database_url: str, stored: Callable[[str], str], tmp_path: Path
) -> None:
    """Those of the organisation before those of all; what the store does not price, PRICE_BOOKS does."""
    price = "{{model: {model}, {whose}per_million: {{input: {cost}, output: 0}}}}"
    book = "name: own\nprices:\n" + "".join(
        f"  - {price.format(**entry)}\n"
        for entry in (
            {"model": "gpt-4o", "whose": "", "cost": 10},
            {"model": "gpt-4o", "whose": "organisation: acme, ", "cost": 20},
        )
    )
    configured = tmp_path / "book.yaml"
    configured.write_text("name: files\nprices:\n  - " + price.format(model="in-house", whose="", cost=30) + "\n")
    await execute(
        database_url,
        "INSERT INTO price_book (name, version, text) VALUES ('own', $1, $2)",
        read(book).version[-12:],
        book,
    )
    async with a_service(database_url, PRICE_BOOKS=str(configured)) as client:
        for number, (organisation, model) in enumerate((("acme", "gpt-4o"), ("rival", "gpt-4o"), ("acme", "in-house"))):
            usage = {**Span().attributes, "gen_ai.request.model": model}
            span = Span(number=number + 1, trace=number + 1, ts=NOW, attributes=usage)
            assert (await send(client, encoded([span]), token=a_token(org_id=organisation))).body == b""
    assert stored("SELECT string_agg(trim_scale(total_cost_usd)::text, ' ' ORDER BY span_id) FROM traces") == (
        "0.02 0.01 0.03"
    )


@pytest.mark.parametrize(("only", "question", "rows"), [("api", 200, 405), ("ingest", 405, 200), ("all", 200, 200)])
async def test_a_process_serves_what_it_is_told_to(database_url: str, only: str, question: int, rows: int) -> None:
    endpoints = Only(only).endpoints(settings.load({}))
    async with a_service(database_url, endpoints=endpoints) as client:
        asked = await client.get("/api/v1/traces", from_=NOW, to=NOW + timedelta(hours=1))
        sent = await post(client, {"ts": NOW.isoformat(), "model": "m"})
        assert (asked.status, sent.status) == (question, rows)
        assert (await client.request("GET", "/health/ready")).status == 200


async def test_rows_are_not_taken_where_that_is_switched_off(database_url: str) -> None:
    async with a_service(database_url, INGEST_ENABLED="off") as client:
        assert (await send(client, encoded([Span(ts=NOW)]))).status == 404
        assert (await client.get("/api/v1/traces", token=a_token(), from_=NOW, to=NOW)).status in {200, 400}
