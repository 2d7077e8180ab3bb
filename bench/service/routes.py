"""What a question of each route costs over stores of different sizes: CPU of the service and of PostgreSQL.

`python -m bench.service.routes` fills a store of its own with 90 days of one organisation, and asks each route that is
answered from rollups, over ranges of which none comes twice. Prints the table of docs/performance.md.
"""

import argparse
import asyncio
import json
import os
import secrets
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import asyncpg
from rich.progress import Progress

from analytics_service.commands.embedded import postgres
from analytics_service.database.connect import SETTINGS
from analytics_service.database.migrate.migration import load as migrations
from analytics_service.database.migrate.runner import migrate
from bench.database import rows
from bench.database.rows import DAYS, END
from bench.service import question
from bench.service.__main__ import progress
from bench.service.cpu import cpu_seconds, cpu_seconds_with_children
from bench.service.load import connections, load
from bench.service.servers import Server, answer, postmaster, running_redis, running_service

MOST: Final = 1.5
"""Of the cost over the smallest store."""
_BUSY: Final = 4
_STEP: Final = timedelta(hours=1)
"""Between the starts of two ranges: rollups of the hour and coarser answer all of them."""


@dataclass(frozen=True, kw_only=True)
class Route:
    name: str
    path: str
    days: int
    """Length of the range."""
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    """Of a POST."""

    def request(self, number: int, token: str) -> bytes:
        """The number decides the range."""
        end = END - number * _STEP
        start = max(end - timedelta(days=self.days), END - timedelta(days=DAYS))
        span = {"from": f"{start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
        if self.body is None:
            return question.get(f"{self.path}?{urlencode({**self.params, **span})}", token)
        content = json.dumps({**self.body, **span}).encode()
        lines = (f"POST {self.path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {token}")
        head = "\r\n".join([*lines, "Content-Type: application/json", f"Content-Length: {len(content)}", "", ""])
        return head.encode() + content


_MEASURES: Final = "request_count,total_cost,total_tokens,duration"
ROUTES: Final = (
    Route(
        name="metrics, by model and day",
        path="/api/v1/metrics",
        days=DAYS,
        params={"metrics": _MEASURES, "group_by": "model", "interval": "1day"},
    ),
    Route(
        name="metrics, p95 by day",
        path="/api/v1/metrics",
        days=DAYS,
        params={"metrics": "duration", "aggregation": "p95", "interval": "1day"},
    ),
    Route(
        name="metrics query",
        path="/api/v1/metrics/query",
        days=DAYS,
        body={
            "metrics": [{"metric": "total_cost"}, {"metric": "request_count"}],
            "group_by": ["model"],
            "interval": "1day",
            "having": [{"metric": "request_count", "aggregation": "count", "operator": "gt", "value": 1}],
        },
    ),
    Route(name="metrics summary", path="/api/v1/metrics/summary", days=DAYS // 2),
    Route(name="costs summary", path="/api/v1/costs/summary", days=DAYS, params={"include_top_traces": "false"}),
    Route(name="costs attribution", path="/api/v1/costs/attribution", days=DAYS, params={"dimension": "team"}),
    Route(name="costs forecast", path="/api/v1/costs/forecast", days=DAYS),
    Route(name="costs explain", path="/api/v1/costs/explain", days=DAYS // 3, params={"dimension": "model"}),
    Route(name="price coverage", path="/api/v1/prices/coverage", days=DAYS),
    Route(name="performance", path="/api/v1/analytics/performance", days=DAYS, params={"granularity": "1day"}),
    Route(name="quality", path="/api/v1/analytics/quality", days=DAYS, params={"granularity": "1day"}),
    Route(
        name="models compare",
        path="/api/v1/analytics/models/compare",
        days=DAYS,
        params={"models": "model1,model2,model3"},
    ),
)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU milliseconds a question."""

    service: float
    postgres: float

    @property
    def total(self) -> float:
        return self.service + self.postgres


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.service.routes", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 20_000_000], metavar="ROWS")
    parser.add_argument("--rounds", type=int, default=5, help="medians are of these (default 5)")
    parser.add_argument("--requests", type=int, default=24, help="of a route and round (default 24)")
    options = parser.parse_args()
    with progress() as shown:
        found = {size: measured(size, options, shown) for size in options.sizes}
    print("\n".join(table(found)))
    return 0


def measured(size: int, options: argparse.Namespace, shown: Progress) -> dict[str, Cost]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        url = stack.enter_context(postgres(None))
        filling = shown.add_task(f"{size:,} rows", total=1.0)
        asyncio.run(_fill(url, size, lambda part: shown.update(filling, completed=part)))
        shown.update(filling, completed=1.0)
        port, _ = stack.enter_context(running_redis(folder))
        secret = secrets.token_urlsafe(48)
        given = {"DATABASE_URL": url, "JWT_SECRET": secret, "REDIS_URL": f"redis://127.0.0.1:{port}/0"}
        server = stack.enter_context(running_service(os.environ | given | {"LOG_LEVEL": "warning"}))
        answer(server, "/health/ready", secret)
        token = question.token(secret, "bench", rows.ORGANISATION)
        costs: dict[str, list[Cost]] = {route.name: [] for route in ROUTES}
        for turn in shown.track(range(options.rounds + 1), description="questions, interleaved"):
            for route in ROUTES:
                numbers = range(turn * options.requests, (turn + 1) * options.requests)
                costs[route.name].append(
                    _cost(server, postmaster(url), [route.request(each, token) for each in numbers])
                )
        return {name: _median(each[1:]) for name, each in costs.items()}  # the first round warms up


async def _fill(url: str, size: int, done: Any) -> None:
    await migrate(url, migrations(), notify=lambda _: None)
    connection = await asyncpg.connect(url, server_settings=SETTINGS)
    try:
        await rows.fill(connection, size, done=done)
    finally:
        await connection.close()


def _cost(server: Server, first_process: int, requests: list[bytes]) -> Cost:
    with connections(server.port, _BUSY) as free:
        before = cpu_seconds(server.pid), cpu_seconds_with_children(first_process)
        load(free, iter(requests), len(requests))
        after = cpu_seconds(server.pid), cpu_seconds_with_children(first_process)
    service, database = ((later - earlier) / len(requests) * 1e3 for earlier, later in zip(before, after, strict=True))
    return Cost(service=service, postgres=database)


def _median(rounds: list[Cost]) -> Cost:
    return Cost(
        service=statistics.median(each.service for each in rounds),
        postgres=statistics.median(each.postgres for each in rounds),
    )


def table(found: Mapping[int, Mapping[str, Cost]]) -> Iterator[str]:
    """The lines of the table."""
    sizes = list(found)
    heads = " | ".join(f"{size:,} rows" for size in sizes)
    yield f"| CPU ms a question: service + PostgreSQL | {heads} | ratio | at most {MOST} |"
    yield "|---" * (len(sizes) + 3) + "|"
    for route in ROUTES:
        costs = [found[size][route.name] for size in sizes]
        ratio = costs[-1].total / costs[0].total
        shown = " | ".join(f"{each.service:.1f} + {each.postgres:.1f}" for each in costs)
        yield f"| {route.name}, {route.days} d | {shown} | {ratio:.2f} | {'yes' if ratio <= MOST else 'no'} |"


if __name__ == "__main__":
    sys.exit(main())
