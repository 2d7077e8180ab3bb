"""What was measured, and the tables of docs/performance.md that it becomes. Pure."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.service.cases import CACHED, COMPRESSED, NAIVE, PGBENCH, STACK, STATIC, UNCACHED
from bench.service.holds import Hold


@dataclass(frozen=True, kw_only=True)
class Cost:
    """CPU microseconds a request, and requests a second of connections that are kept busy."""

    program: float
    redis: float
    postgres: float
    rate: float

    @property
    def total(self) -> float:
        return self.program + self.redis + self.postgres


@dataclass(frozen=True, kw_only=True)
class Latency:
    """Milliseconds from when a request should have been sent."""

    share: float
    """Of the rate of connections that are kept busy."""
    rate: float
    p50: float
    p95: float
    p99: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    costs: dict[str, Cost]
    """Medians over the rounds, by case."""
    latencies: dict[str, list[Latency]]
    holds: dict[str, Hold]
    """While long answers are made, by case."""
    skipped: dict[str, str]
    """Why there is nothing of a program."""


def median(rounds: Sequence[Cost]) -> Cost:
    """Of each figure."""
    return Cost(
        program=statistics.median(each.program for each in rounds),
        redis=statistics.median(each.redis for each in rounds),
        postgres=statistics.median(each.postgres for each in rounds),
        rate=statistics.median(each.rate for each in rounds),
    )


def latency(seconds: Sequence[float], *, share: float, rate: float) -> Latency:
    percents = statistics.quantiles(seconds, n=100, method="inclusive")
    p50, p95, p99 = (percents[each - 1] * 1000 for each in (50, 95, 99))
    return Latency(share=share, rate=rate, p50=p50, p95=p95, p99=p99)


def tables(found: Figures) -> Iterator[str]:
    """The lines of the tables."""
    yield from _costs(found)
    yield ""
    yield from _contract(found.costs)
    if found.latencies:
        yield ""
        yield from _latencies(found)
    yield ""
    yield from _holds(found.holds)


def _costs(found: Figures) -> Iterator[str]:
    floor = found.costs[STATIC].total
    yield "| CPU µs a request | program | Redis | PostgreSQL | all | of static | requests/s |"
    yield "|---|---|---|---|---|---|---|"
    for name, cost in found.costs.items():
        parts = " | ".join(f"{each:,.0f}" for each in (cost.program, cost.redis, cost.postgres, cost.total))
        yield f"| {name} | {parts} | {cost.total / floor:.2f} | {cost.rate:,.0f} |"
    for name, reason in found.skipped.items():
        yield f"| {name} | not measured: {reason} | | | | | |"


def _contract(costs: dict[str, Cost]) -> Iterator[str]:
    of_static = costs[CACHED].total / costs[STATIC].total
    less = costs[NAIVE].total / costs[CACHED].total
    of_stack = costs[UNCACHED].total / costs[STACK].total
    per_core = costs[PGBENCH].total / costs[UNCACHED].total
    of_server = costs[PGBENCH].postgres / costs[UNCACHED].postgres
    yield "| goal | measured | met |"
    yield "|---|---|---|"
    yield f"| cached: at most 1.25 of the static handler's CPU | {of_static:.2f} | {_met(ok=of_static <= 1.25)} |"
    gzip = costs[COMPRESSED].total / costs[STATIC].total
    yield f"| the same with gzip | {gzip:.2f} | {_met(ok=gzip <= 1.25)} |"
    yield f"| cached: at least 6 times less CPU than PyJWT and two awaits | {less:.1f} | {_met(ok=less >= 6)} |"
    yield f"| uncached: at most 1.6 of the stack alone | {of_stack:.2f} | {_met(ok=of_stack <= 1.6)} |"
    yield f"| uncached: at least 0.5 of pgbench's rate per core used | {per_core:.2f} | {_met(ok=per_core >= 0.5)} |"
    yield f"| the same per core of PostgreSQL alone | {of_server:.2f} | {_met(ok=of_server >= 0.5)} |"


def _latencies(found: Figures) -> Iterator[str]:
    shares = [f"{each.share:.0%}" for each in next(iter(found.latencies.values()))]
    yield f"| p50 / p95 / p99, ms | {' | '.join(shares)} of busy |"
    yield "|---" * (len(shares) + 1) + "|"
    for name, each in found.latencies.items():
        yield f"| {name} | {' | '.join(map(_shown, each))} |"


def _holds(found: dict[str, Hold]) -> Iterator[str]:
    yield "| six clients read uncached | MB | answers/s | longest wait for /health/live, ms (idle) | at most 50 |"
    yield "|---|---|---|---|---|"
    for name, hold in found.items():
        waits = f"{hold.longest:.0f} ({hold.idle:.0f})"
        yield f"| {name} | {hold.megabytes:.2f} | {hold.answers:.1f} | {waits} | {_met(ok=hold.longest <= 50)} |"


def _shown(one: Latency) -> str:
    percents = " / ".join(f"{each:.2f}" if each < 10 else f"{each:,.0f}" for each in (one.p50, one.p95, one.p99))
    return f"{percents} at {one.rate:,.0f}/s"


def _met(*, ok: bool) -> str:
    return "yes" if ok else "no"
