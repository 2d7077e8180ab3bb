"""docs/metrics.md lists the metrics that there are, with their labels, and its queries ask for no others."""

import re
from pathlib import Path
from typing import Any

import promql_parser
import pytest
from prometheus_client.parser import text_string_to_metric_families

from analytics_service.contract.endpoint import Endpoint, Read
from analytics_service.contract.problems import Problem
from analytics_service.endpoints import ENDPOINTS
from analytics_service.worker.report import Report
from tests.support.redis import RedisServer
from tests.support.service import HOUR, T0, Client, a_service, a_token

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
_SERIES = re.compile(r"_(bucket|count|sum|total)$")


def rows(number: int) -> list[list[str]]:
    """Of the page's tables: the service's metrics, the worker's, and queries."""
    table = [block for block in PAGE.split("\n\n") if block.startswith("|")][number]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


async def exposed(client: Client) -> dict[str, set[str]]:
    """The labels of each metric that has a sample, but the library's own."""
    async with client.session.get(f"http://127.0.0.1:{client.running.metrics_port}/metrics") as response:
        families = text_string_to_metric_families(await response.text())
        samples = [sample for family in families for sample in family.samples if not sample.name.endswith("_created")]
    found: dict[str, set[str]] = {}
    for sample in samples:
        name = sample.name if sample.name.endswith("_total") else _SERIES.sub("", sample.name)
        found.setdefault(name, set()).update(set(sample.labels) - {"le"})
    return {name: labels for name, labels in found.items() if not name.startswith("process_")}


async def test_the_page_lists_every_metric_with_its_labels(database_url: str, redis: RedisServer) -> None:
    async with a_service(database_url, REDIS_URL=redis.url, DATABASE_READONLY_URL=database_url) as client:
        for _ in range(3000):  # more than a viewer's burst, and what is added to it meanwhile
            answer = await client.get("/api/v1/traces", token=a_token(role="viewer"), from_=T0, to=T0 + HOUR)
            if answer.status == 429:
                break
        assert answer.status == 429
        found = await exposed(client)
        assert await client.metric("analytics_db_up") == await client.metric("analytics_redis_up") == 1
        assert await client.metric("analytics_http_problems_total", error_code="RATE_LIMIT_EXCEEDED") == 1
        assert await client.metric("analytics_db_query_duration_seconds_count", endpoint="list_traces") >= 1
        assert await client.metric("analytics_redis_exchange_duration_seconds_count", result="answered") >= 1
        assert await client.metric("analytics_cache_memory_bytes") > 0
        redis.stop()
        await client.get("/api/v1/traces", from_=T0, to=T0 + HOUR)
        assert await client.metric("analytics_redis_up") == 0
        assert await client.metric("analytics_redis_exchange_duration_seconds_count", result="failed") >= 1
    listed = {row[0].strip("`"): set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", row[1]))) for row in rows(0)}
    assert listed == found


def _read_statuses(endpoint: Endpoint[Any]) -> tuple[int, ...]:
    if not isinstance(endpoint, Read):
        return ()
    return (200, 422) if endpoint.method.has_body else (200, 304, 400)


@pytest.mark.parametrize("stores", [True, False])
async def test_every_counter_is_there_before_its_first_event(
    database_url: str, redis: RedisServer, *, stores: bool
) -> None:
    """Of labels whose values are known from a table: `rate()` over the first event needs the 0 before it."""
    given: dict[str, Any] = {"REDIS_URL": redis.url, "DATABASE_READONLY_URL": database_url} if stores else {}
    async with a_service(database_url, ready=False, **given) as client:
        url = f"http://127.0.0.1:{client.running.metrics_port}/metrics"
        async with client.session.get(url) as response:
            families = list(text_string_to_metric_families(await response.text()))
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value for one in families for sample in one.samples
    }
    expected = [
        *(("rate_limit_exceeded_total", {"role": role}) for role in ("admin", "developer", "viewer", "billing")),
        *(("cache_hits_total", {"tier": tier}) for tier in ("memory", "redis", "stale")),
        ("cache_misses_total", {}),
        *(("analytics_http_problems_total", {"error_code": problem.name}) for problem in Problem),
        *(("analytics_db_query_duration_seconds_count", {"endpoint": endpoint.name}) for endpoint in ENDPOINTS),
        *(
            ("http_requests_total", {"method": endpoint.method, "route": endpoint.path, "status": str(status)})
            for endpoint in ENDPOINTS
            for status in (*_read_statuses(endpoint), 401, 403, 429, 500, 503, 504)
        ),
        *(
            ("http_request_duration_seconds_count", {"method": endpoint.method, "route": endpoint.path})
            for endpoint in ENDPOINTS
        ),
        *(("analytics_db_reads_total", {"server": server}) for server in ("primary", *(["replica"] if stores else []))),
        *(
            ("analytics_redis_exchange_duration_seconds_count", {"result": result})
            for result in ("answered", "refused", "failed")
            if stores
        ),
    ]
    found = {(name, str(labels)): samples.get((name, *sorted(labels.items()))) for name, labels in expected}
    assert found == dict.fromkeys(found, 0)
    bare = {one.name for one in families if one.type in {"counter", "histogram"} and not one.samples}
    assert bare == (set() if stores else {"analytics_redis_exchange_duration_seconds"})


async def test_the_worker_s_counters_are_there_before_its_first_job() -> None:
    jobs = ("policies", "partitions", "refresh", "retention")
    registry = Report(jobs).registry
    for job in jobs:
        assert registry.get_sample_value("analytics_worker_job_failures_total", {"job": job}) == 0
        assert registry.get_sample_value("analytics_worker_job_duration_seconds_count", {"job": job}) == 0


def test_the_queries_of_the_page_are_promql_over_its_metrics() -> None:
    listed = re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE)
    queries = [row[1].strip("`") for row in rows(2)]
    assert len(queries) == 11
    for query in queries:
        promql_parser.parse(query)
        names = re.findall(r"\b(\w+?)(?:_bucket)?(?=[{\[]|\)(?: ==|$| /))", query)
        assert [name for name in names if name in listed], query
