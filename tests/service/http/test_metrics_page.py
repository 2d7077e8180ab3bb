"""docs/metrics.md lists the metrics that there are, with their labels, and its queries ask for no others."""

import re
from pathlib import Path

import promql_parser
from prometheus_client.parser import text_string_to_metric_families

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
        for _ in range(1300):  # more than a viewer's burst
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


def test_the_queries_of_the_page_are_promql_over_its_metrics() -> None:
    listed = re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE)
    queries = [row[1].strip("`") for row in rows(2)]
    assert len(queries) == 10
    for query in queries:
        promql_parser.parse(query)
        names = re.findall(r"\b(\w+?)(?:_bucket)?(?=[{\[]|\)(?: ==|$| /))", query)
        assert [name for name in names if name in listed], query
