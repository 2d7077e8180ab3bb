"""What the operator costs: CPU, calls, memory and latency at several numbers of resources, on a real API server.

`python -m bench.operator` starts etcd, kube-apiserver and the operator for each number, with the rights of the chart.
There are no nodes: `operator_cluster` plays the missing controllers. Prints the tables of docs/performance.md.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from pydantic import TypeAdapter
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.operator_cluster import BenchCluster, Key, bench_cluster
from bench.operator_figures import Figures, tables
from bench.operator_process import Sample, Watched, operator
from tests.operator.conftest import OPERATOR
from tests.support.kube import TOP, KubeApi, api_server, eventually, helm

KUBE_VERSION = "1.34.4"
SECONDS_FOR_AN_EDIT = 60
FIRST_TTL = 4000

Step = Callable[[int], None]
"""Told how many of a stage's steps are done."""

Stage = Callable[[str, int], Step]
"""Begins a stage of that many steps."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.operator", description=__doc__)
    parser.add_argument(
        "--sizes", type=int, nargs="+", default=[10, 100, 1000], metavar="N", help="default: 10 100 1000"
    )
    parser.add_argument("--edits", type=int, default=200, help="single edits (default 200)")
    parser.add_argument("--edits-per-second", type=float, default=4, help="default 4")
    parser.add_argument(
        "--rounds", type=int, default=3, help="restarts, and reconciles of everything: medians (default 3)"
    )
    parser.add_argument("--idle-seconds", type=int, default=60, help="default 60")
    parser.add_argument("--output", choices=("table", "json"), default="table")
    options = parser.parse_args()
    found = []
    with progress() as stages:
        for size in options.sizes:
            with tempfile.TemporaryDirectory() as folder, cluster(Path(folder)) as api:
                found.append(asyncio.run(measure(api, Path(folder), size, options, stages)))
    as_json = TypeAdapter(list[Figures]).dump_json(found).decode()
    print(as_json if options.output == "json" else "\n".join(tables(found)))
    return 0


@contextmanager
def progress() -> Iterator[Callable[[str, int], Step]]:
    columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as shown:

        def stage(name: str, steps: int) -> Step:
            task = shown.add_task(name, total=steps)
            return lambda done: shown.update(task, completed=done)

        yield stage


@contextmanager
def cluster(folder: Path) -> Iterator[KubeApi]:
    """An API server with the CRD, and with the chart's rights for the operator."""
    with api_server(folder, users=[OPERATOR]) as api:
        api.create(yaml.safe_load((TOP / "crds/analyticsapis.yaml").read_text()))
        chart = helm(
            *("template", "analytics-operator", "charts/operator", "-n", "default", "--kube-version", KUBE_VERSION),
            "--set=clusterWide=true",
        )
        for manifest in yaml.safe_load_all(chart):
            if "rbac" in manifest["apiVersion"]:
                api.install(manifest)
        eventually(lambda: api.list("AnalyticsApi") == [] and "served", what="the CRD is served")
        yield api


async def measure(api: KubeApi, folder: Path, size: int, options: argparse.Namespace, stage: Stage) -> Figures:
    def begin(name: str, steps: int) -> Step:
        return stage(f"{size:,} resources: {name}", steps)

    async with bench_cluster(api) as live:
        with operator(api, folder) as watched:
            start = await watched.started()
        await live.declare(size, begin("declare", size))
        began = time.monotonic()
        with operator(api, folder) as watched:
            ready = await all_ready(live, begin("cold start", size)) - began
            cold = await watched.settled(reconciles=size)
            megabytes = {"cold": watched.megabytes()}
            latencies = await edits(live, options, begin("edits", options.edits))
            edited = await watched.settled() - cold
            megabytes["edited"] = watched.megabytes()
        versions = await live.versions()
        step, restarts = begin("restarts", options.rounds), []
        for done in range(options.rounds):
            with operator(api, folder) as watched:
                await watched.leads()
                restarts.append(await watched.settled(reconciles=size))
            step(done + 1)
        restart_writes = len(versions.items() ^ (await live.versions()).items())
        with operator(api, folder) as watched:
            await watched.leads()
            await watched.settled(reconciles=size)
            megabytes["restarted"] = watched.megabytes(peak=True)
            reconciles, idle, idle_writes = await rest(live, watched, options, begin("idle", options.idle_seconds))
    percents = statistics.quantiles(latencies, n=100, method="inclusive")
    return Figures(
        resources=size,
        start=start,
        cold=cold,
        ready_seconds=ready,
        edit_seconds={f"p{each}": percents[each - 1] for each in (50, 95, 99)},
        edited=edited,
        edits=len(latencies),
        restart=middle(restarts),
        restart_writes=restart_writes,
        reconcile=middle(reconciles),
        idle=idle,
        idle_writes=idle_writes,
        megabytes=megabytes,
    )


async def all_ready(live: BenchCluster, step: Step) -> float:
    """When the last one was seen to be Ready."""
    while len(live.ready) < len(live.keys):
        step(len(live.ready))
        await asyncio.sleep(0.05)
    step(len(live.ready))
    return max(live.ready.values())


async def edits(live: BenchCluster, options: argparse.Namespace, step: Step) -> list[float]:
    """Seconds from edit to applied, at a steady rate; a resource is edited again only after its last one was seen."""
    order = random.Random(1).sample(live.keys, len(live.keys))
    locks: dict[Key, asyncio.Lock] = defaultdict(asyncio.Lock)
    latencies: list[float] = []

    async def edit(number: int) -> None:
        key = order[number % len(order)]
        async with locks[key], asyncio.timeout(SECONDS_FOR_AN_EDIT):
            latencies.append(await live.edit(key, FIRST_TTL + number))
        step(len(latencies))

    async with asyncio.TaskGroup() as tasks:
        for number in range(options.edits):
            tasks.create_task(edit(number))
            await asyncio.sleep(1 / options.edits_per_second)
    return latencies


async def rest(
    live: BenchCluster, watched: Watched, options: argparse.Namespace, step: Step
) -> tuple[list[Sample], Sample, int]:
    """Reconciles every resource between two idle halves: each of them, the idle time, and how many objects moved."""
    versions = await live.versions()
    first = await idle(watched, options.idle_seconds // 2, step)
    reconciles = []
    for number in range(options.rounds):
        before = await watched.sample()
        versions |= await live.touch(str(number))
        reconciles.append(await watched.settled(reconciles=before.reconciles + len(live.keys)) - before)
    second = await idle(watched, options.idle_seconds - options.idle_seconds // 2, step, done=options.idle_seconds // 2)
    return reconciles, first + second, len(versions.items() ^ (await live.versions()).items())


async def idle(watched: Watched, seconds: int, step: Step, *, done: int = 0) -> Sample:
    before = await watched.sample()
    for second in range(seconds):
        await asyncio.sleep(1)
        step(done + second + 1)
    return await watched.sample() - before


def middle(samples: list[Sample]) -> Sample:
    """The one of the median CPU."""
    return sorted(samples, key=lambda each: each.cpu)[len(samples) // 2]


if __name__ == "__main__":
    sys.exit(main())
