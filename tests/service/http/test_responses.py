"""What every response carries."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from analytics_service.http import envelope
from tests.support.redis import RedisServer
from tests.support.service import HOUR, T0, a_row, a_service, a_token, execute, insert

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-XSS-Protection": "1; mode=block",
    "Referrer-Policy": "no-referrer",
}


async def test_every_response_has_security_headers_an_id_and_timings(database_url: str) -> None:
    async with a_service(database_url) as client:
        for path in ("/health", "/nothing", "/api/v1/traces", "/openapi.json"):
            response = await client.request("GET", path)
            assert {name: response.headers[name] for name in SECURITY} == SECURITY
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
            assert response.headers["X-Request-ID"]
            assert "total;dur=" in response.headers["Server-Timing"]
            assert "Strict-Transport-Security" not in response.headers
            assert "aiohttp" not in response.headers["Server"]
        behind_tls = await client.request("GET", "/health", headers={"X-Forwarded-Proto": "https"})
        assert "max-age" in behind_tls.headers["Strict-Transport-Security"]


async def test_a_harmless_request_id_is_kept_and_another_is_replaced(database_url: str) -> None:
    async with a_service(database_url) as client:
        kept = await client.request("GET", "/health/live", headers={"X-Request-ID": "abc-123.x:y_z"})
        assert kept.headers["X-Request-ID"] == "abc-123.x:y_z"
        replaced = await client.request("GET", "/health/live", headers={"X-Request-ID": "a" * 200})
        assert len(replaced.headers["X-Request-ID"]) == 36


async def test_any_origin_may_read_without_credentials(database_url: str) -> None:
    async with a_service(database_url) as client:
        response = await client.request("GET", "/nothing", headers={"Origin": "https://a.example"})
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in response.headers
        assert "ETag" in response.headers["Access-Control-Expose-Headers"]


async def test_only_named_origins_may_read_when_they_are_named(database_url: str) -> None:
    async with a_service(database_url, CORS_ORIGINS="https://a.example, https://b.example") as client:
        preflight = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        allowed = await client.request(
            "OPTIONS", "/api/v1/traces", headers={**preflight, "Origin": "https://b.example"}
        )
        assert allowed.status == 204
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://b.example"
        assert allowed.headers["Access-Control-Allow-Credentials"] == "true"
        read = await client.get("/api/v1/traces", headers={"Origin": "https://a.example"})
        assert (read.headers["Access-Control-Allow-Origin"], read.headers["Vary"]) == (
            "https://a.example",
            "Authorization, X-API-Key, Accept-Encoding, Origin",
        )
        assert "Authorization" in allowed.headers["Access-Control-Allow-Headers"]
        assert set(allowed.headers["Access-Control-Allow-Methods"].split(", ")) == {"GET", "POST", "DELETE", "OPTIONS"}
        refused = await client.request(
            "OPTIONS", "/api/v1/traces", headers={**preflight, "Origin": "https://c.example"}
        )
        assert refused.status == 405
        assert "Access-Control-Allow-Origin" not in refused.headers
        assert refused.headers["Vary"] == "Origin"


async def test_a_client_that_has_the_answer_gets_304(database_url: str) -> None:
    await insert(database_url, [a_row()])
    async with a_service(database_url) as client:
        first = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)
        tag = first.headers["ETag"]
        again = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR, headers={"If-None-Match": f'"x", W/{tag}'})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
        assert first.headers["Cache-Control"] == "private, no-cache"


async def test_an_answer_is_computed_once_and_the_client_is_told(database_url: str) -> None:
    await insert(database_url, [a_row()])
    async with a_service(database_url) as client:
        first, second = [await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR) for _ in range(2)]
        assert first.body == second.body
        assert (first.headers["Cache-Status"], second.headers["Cache-Status"]) == (
            "analytics; fwd=miss; stored",
            "analytics; hit; detail=memory",
        )
        assert await client.metric("cache_hits_total", tier="memory") == 1
        assert await client.metric("cache_misses_total") == 1
        other = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR, limit=7)
        assert "miss" in other.headers["Cache-Status"]


async def test_a_late_row_changes_the_answer_and_its_tag(database_url: str) -> None:
    await insert(database_url, [a_row(1)])
    async with a_service(database_url) as client:

        async def counted(expected: int) -> str:
            """The tag of the first answer with so many requests; a version is remembered for a second."""
            async with asyncio.timeout(20):
                while True:
                    answer = await client.get("/api/v1/metrics", metrics="request_count", from_=T0, to=T0 + HOUR)
                    if answer.data["data"][0]["request_count"] == expected:
                        return answer.headers["ETag"]
                    await asyncio.sleep(0.05)

        tags = [await counted(1)]
        await insert(database_url, [a_row(2)])
        tags.append(await counted(2))
        await execute(database_url, "DELETE FROM traces WHERE trace_id = 'trace-00001'")
        tags.append(await counted(1))
        assert len(set(tags)) == 3


async def test_meta_describes_the_computation(database_url: str) -> None:
    await insert(database_url, [a_row()])
    async with a_service(database_url) as client:
        answer = (await client.get("/api/v1/metrics", metrics="request_count", from_=T0, to=T0 + HOUR)).json
        assert answer["status"] == "success"
        assert answer["meta"].keys() == {
            *("timestamp", "request_id", "execution_time_ms", "cached", "version", "source", "watermark"),
            *("complete", "incomplete"),
        }
        assert (answer["meta"]["source"], answer["meta"]["complete"]) == ("traces_1hour", True)
        assert answer["meta"]["watermark"] == "2024-03-04T12:00:00Z"
        future = (await client.get("/api/v1/metrics", metrics="request_count", from_="now-1h", to="now+1h")).json
        assert future["meta"]["complete"] is False


async def test_redis_that_is_killed_half_way_costs_no_request(database_url: str, redis: RedisServer) -> None:
    await insert(database_url, [a_row(number) for number in range(20)])
    async with a_service(database_url, REDIS_URL=redis.url) as client:
        for limit in range(1, 11):
            assert (await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR, limit=limit)).status == 200
        health = await client.request("GET", "/health")
        assert (health.status, health.json["redis"]) == (200, "healthy")
        redis.stop()
        for limit in range(11, 21):
            answer = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR, limit=limit)
            assert len(answer.data) == limit
            assert answer.headers["X-RateLimit-Limit"] == "10000"


async def test_health_says_degraded_without_redis_and_unhealthy_without_a_database(
    database_url: str, redis: RedisServer
) -> None:
    redis.stop()
    async with a_service(database_url, REDIS_URL=redis.url) as client:
        health = await client.request("GET", "/health")
        assert health.status == 200
        assert health.json | {"timestamp": ""} == {
            "status": "degraded",
            "database": "healthy",
            "redis": "unhealthy",
            "edition": "postgresql",
            "timestamp": "",
        }


async def test_health_is_as_the_guide_shows_it(database_url: str, redis: RedisServer) -> None:
    async with a_service(database_url, REDIS_URL=redis.url) as client:
        health = await client.request("GET", "/health")
        assert list(health.json) == ["status", "database", "redis", "edition", "timestamp"]
        assert list(health.json.values())[:3] == ["healthy"] * 3
        for path in ("/health/live", "/health/ready", "/health/startup"):
            assert (await client.request("GET", path)).status == 200


async def test_a_database_lost_later_is_in_the_answers_and_not_in_readiness(database_url: str) -> None:
    server, _, name = database_url.rpartition("/")
    async with a_service(database_url) as client:
        await execute(f"{server}/postgres", f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await execute(
            f"{server}/postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
        lost = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)
        assert (lost.status, lost.json["error_code"]) == (503, "DATABASE_CONNECTION_FAILED")
        assert (await client.request("GET", "/health/ready")).status == 200
        health = await client.request("GET", "/health")
        assert (health.status, health.json["status"], health.json["database"]) == (503, "unhealthy", "unhealthy")
        await execute(f"{server}/postgres", f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        async with asyncio.timeout(20):
            answer = lost
            while answer.status != 200:
                await asyncio.sleep(0.05)
                answer = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)


async def test_metrics_have_the_names_of_the_guide_and_bounded_labels(database_url: str) -> None:
    async with a_service(database_url) as client:
        for number in range(5):
            await client.request("GET", f"/nothing/{number}")
            await client.request("PROPFIND", "/health")
        await client.get("/api/v1/traces")
        assert await client.metric("http_requests_total", route="unmatched", method="GET", status="404") == 5
        assert await client.metric("http_requests_total", method="other") == 5
        assert await client.metric("http_requests_total", route="/api/v1/traces", status="200") == 1
        assert await client.metric("http_request_duration_seconds_count", route="/api/v1/traces") == 1
        assert await client.metric("db_pool_connections") >= 1


async def test_one_organisation_cannot_tell_the_tags_of_another(database_url: str) -> None:
    await insert(database_url, [a_row(), a_row(org_id="globex")])
    async with a_service(database_url) as client:
        ours = await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)
        theirs = await client.get(
            "/api/v1/traces",
            token=a_token(org_id="globex"),
            from_=T0,
            to=T0 + HOUR,
            headers={"If-None-Match": ours.headers["ETag"]},
        )
        assert theirs.status == 200
        assert "miss" in theirs.headers["Cache-Status"]


@given(st.text(alphabet='W/"abc, *', max_size=20))
def test_if_none_match_matches_only_the_whole_tag(header: str) -> None:
    matched = envelope.matches(header, '"abc"')
    assert matched == any(part.strip() in {"*", '"abc"', 'W/"abc"'} for part in header.split(","))
