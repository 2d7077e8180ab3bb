"""What a request costs: CPU microseconds and latency of ours, of programs that others would write, and of pgbench.

`python -m bench.service` starts a PostgreSQL and a Redis of its own, imports the sample data and asks over loopback.
Prints the tables of docs/performance.md.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.service import figures, question
from bench.service.cases import PGBENCH, Case, cases
from bench.service.cpu import cpu_seconds, cpu_seconds_with_children
from bench.service.figures import Cost, Figures, Latency
from bench.service.holds import holds
from bench.service.load import Connection, LoadError, connections, load
from bench.service.pgbench import pgbench
from bench.service.servers import Servers, running_servers

BUSY_CONNECTIONS = 8
MOST_CONNECTIONS = 64
"""Of a steady rate: who finds all of them in use waits, and that time counts."""
SHARES = (0.25, 0.5, 0.75)
UNCACHED_PART = 8
"""An uncached request costs so much more than a cached one that a round asks fewer of them."""
MOST_REQUESTS = 30_000
"""Of a stage at a steady rate; a principal has 120,000 before its own rate counts."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.service", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="each asks every case (default 7)")
    parser.add_argument("--requests", type=int, default=4000, help=f"a case and round; uncached 1/{UNCACHED_PART}")
    parser.add_argument("--seconds", type=float, default=4, help="a steady rate: default 4; 0 leaves latency out")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    with progress() as shown:
        starting = shown.add_task("start", total=None)
        with running_servers() as live:
            shown.update(starting, total=1, completed=1)
            found = measure(live, options, shown)
    as_json = TypeAdapter(Figures).dump_json(found, indent=1).decode()
    print(as_json if options.output == "json" else "\n".join(figures.tables(found)))
    return 0


@contextmanager
def progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:
        yield shown


def measure(live: Servers, options: argparse.Namespace, shown: Progress) -> Figures:
    asked = list(cases(live))
    costs = rounds(live, asked, options, shown)
    return Figures(
        costs=costs,
        latencies=steady(asked, costs, options.seconds, shown) if options.seconds else {},
        holds=dict(shown.track(holds(live, seconds=5), total=4, description="holds of the loop")),
        skipped={"axum": live.axum} if isinstance(live.axum, str) else {},
    )


def rounds(live: Servers, asked: list[Case], options: argparse.Namespace, shown: Progress) -> dict[str, Cost]:
    """Medians without the first round, which warms up. Every round asks all, so that what disturbs meets all."""
    found: dict[str, list[Cost]] = {name: [] for name in (*(case.name for case in asked), PGBENCH)}
    for _ in shown.track(range(options.rounds + 1), description="CPU a request, interleaved"):
        for case in asked:
            count = options.requests // (UNCACHED_PART if case.uncached else 1)
            found[case.name].append(cost(live, case, count))
        found[PGBENCH].append(pgbench_cost(live, options.requests))
    return {name: figures.median(each[1:]) for name, each in found.items()}


def cost(live: Servers, case: Case, count: int) -> Cost:
    with connected(case, BUSY_CONNECTIONS) as free:
        before = spent(live, case)
        done = load(free, case.requests("busy"), count)
    program, redis, postgres = (
        (after - earlier) / count * 1e6 for earlier, after in zip(before, spent(live, case), strict=True)
    )
    return Cost(program=program, redis=redis, postgres=postgres, rate=count / done.seconds)


@contextmanager
def connected(case: Case, number: int) -> Iterator[list[Connection]]:
    try:
        with connections(case.server.port, number) as free:
            yield free
    except LoadError as error:
        raise SystemExit(f"{case.name}: {error}") from error


def spent(live: Servers, case: Case) -> tuple[float, float, float]:
    return cpu_seconds(case.server.pid), cpu_seconds(live.redis), cpu_seconds_with_children(live.postmaster)


def pgbench_cost(live: Servers, count: int) -> Cost:
    asked = question.statement(*next(question.ranges()))
    before = cpu_seconds_with_children(live.postmaster)
    program, seconds = pgbench(live.database_url, asked, transactions=count, clients=BUSY_CONNECTIONS)
    server = cpu_seconds_with_children(live.postmaster) - before
    return Cost(program=program / count * 1e6, redis=0.0, postgres=server / count * 1e6, rate=count / seconds)


def steady(asked: list[Case], costs: dict[str, Cost], seconds: float, shown: Progress) -> dict[str, list[Latency]]:
    """Latency at parts of the rate that busy connections reach; interleaved as well."""
    found: dict[str, list[Latency]] = {case.name: [] for case in asked}
    stages = [(share, case) for share in SHARES for case in asked]
    for share, case in shown.track(stages, description="latency at a steady rate"):
        rate = costs[case.name].rate * share
        count = min(int(rate * seconds), MOST_REQUESTS)
        requests = case.requests(f"at {share}")
        with connected(case, MOST_CONNECTIONS) as free:
            load(free, requests, 8 * MOST_CONNECTIONS)  # warms up what is new: the subject, and connections
            done = load(free, requests, count, rate=rate)
        found[case.name].append(figures.latency(done.latencies, share=share, rate=rate))
    return found


if __name__ == "__main__":
    sys.exit(main())
