"""The one place that wires the process: probes, then leadership, then watches and workers, until one of them ends."""

import asyncio
import gc
import os
import secrets
import signal
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

import kopf
import structlog

from analytics_operator.controller import watches
from analytics_operator.controller.crd_poller import Served
from analytics_operator.controller.observer import Observer
from analytics_operator.controller.reconciler import Reconciler
from analytics_operator.controller.secret_poller import Rotation
from analytics_operator.controller.watch_lag import Echo
from analytics_operator.controller.worker_poller import Workers
from analytics_operator.controller.workqueue import WorkQueue
from analytics_operator.errors import ApiError, LeaseLost
from analytics_operator.kube import config, leader_election
from analytics_operator.kube.client import Cluster
from analytics_operator.kube.objects import ANALYTICS_API, WATCHED, Manifest
from analytics_operator.kube.ownership import Ownership
from analytics_operator.telemetry.metrics import Metrics
from analytics_operator.telemetry.server import serving

log = structlog.get_logger(__name__)

WORKERS = 16
SECONDS_BETWEEN_LOOKS_FOR_THE_CRD = 5
SECONDS_TO_CLEAN_UP = 3
"""What was cancelled gets no longer: another replica waits for our end."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the command line says."""

    namespaces: tuple[str, ...]
    """Empty: all of them."""
    lease_namespace: str
    identity: str
    http_port: int = 8081


async def run(options: Options) -> None:
    """Returns after SIGTERM or SIGINT; ends the process when another replica may lead."""
    gc.freeze()  # modules live as long as the process: looking through them again and again was a tenth of its CPU
    gc.set_threshold(10_000)
    metrics = Metrics()
    stop = asyncio.Event()
    _on_signals(stop)
    lease = Cluster(await config.configuration(), count=metrics.called, timeout=leader_election.REQUEST_SECONDS)
    holder = leader_election.Names(
        namespace=options.lease_namespace, lease="analytics-operator", identity=options.identity
    )
    election = leader_election.Leader(lease, holder, leading=metrics.leading)
    cluster = Cluster(await config.configuration(), count=metrics.called, fence=election.fence)
    echo = Echo()
    metrics.watch_echo([kind.name for kind in (ANALYTICS_API, *WATCHED)], age=echo.age, refused=echo.refused)
    try:
        async with serving(
            port=options.http_port, registry=metrics.registry, ready=lambda: not stop.is_set(), silent=echo.silent
        ):
            await _first_of(stop.wait(), election.acquire())
            if not stop.is_set():
                try:
                    await _first_of(election.keep(), stop.wait(), _operate(options, cluster, metrics, echo, stop))
                except LeaseLost as error:
                    _end_at_once(error)
    except BaseException:
        await election.release()
        raise
    else:
        await election.release()
    finally:
        await cluster.close()
        await lease.close()


def _end_at_once(error: LeaseLost) -> NoReturn:
    """Another replica may already lead: nothing is waited for, as the informer's own end would be without a bound."""
    sys.stderr.write(f"analytics-operator: {error}\n")
    sys.stderr.flush()
    os._exit(1)


async def _operate(options: Options, cluster: Cluster, metrics: Metrics, echo: Echo, stop: asyncio.Event) -> None:
    await _crd_is_served(cluster)
    rotation, served, workers = Rotation(cluster), Served(cluster), Workers()
    await served.look()
    ownership = Ownership(cluster, unchanged=metrics.unchanged, wrote=echo.wrote)
    reconciler = Reconciler(
        cluster=cluster,
        observer=Observer(client=cluster, served=served, workers=workers),
        ownership=ownership,
        rotation=rotation,
        workers=workers,
        wrote=echo.wrote,
        clock=_now,
        random_text=lambda: secrets.token_hex(32),
    )
    queue = WorkQueue(reconciler.reconcile, done=metrics.reconciled)
    metrics.watch_queue(depth=lambda: queue.depth, oldest=lambda: queue.oldest)
    started = asyncio.Event()

    def heard(kind: str, manifest: Manifest) -> None:
        metrics.heard(kind)
        echo.heard(kind, manifest)

    def answered(plural: str, status: int) -> None:
        kind = next((each.name for each in (ANALYTICS_API, *WATCHED) if each.plural == plural), None)
        if kind and echo.answered(kind, accepted=status < 400):
            log.warning("the answer to a watch is another than before", kind=kind, status=status)

    informer = kopf.operator(
        registry=watches.register(queue, heard=heard, news=ownership.news, answered=answered),
        settings=watches.settings(),
        clusterwide=not options.namespaces,
        namespaces=options.namespaces,
        stop_flag=stop,
        ready_flag=started,
        # Without one kopf asks for a user's name, which a pod's numeric user lacks; its type of str is not exported.
        identity=options.identity,  # type: ignore[arg-type]
    )
    looks = (rotation.watch(queue.add), workers.watch(queue.add), served.watch(queue.add_all))
    await _first_of(*(queue.work() for _ in range(WORKERS)), *looks, informer, _take_signals_back(started, stop))


async def _take_signals_back(started: asyncio.Event, stop: asyncio.Event) -> None:
    """Never returns. The informer takes SIGTERM for itself at its start, and would end long before it tells us."""
    await started.wait()
    _on_signals(stop)
    await asyncio.Event().wait()


def _on_signals(stop: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def _crd_is_served(cluster: Cluster) -> None:
    """Returns when it is: kopf looks for kinds once, at its start."""
    while True:
        try:
            if await cluster.serves(ANALYTICS_API):
                return
        except ApiError as error:
            log.warning("waiting for the CRD: install charts/crds", error=str(error))
        await asyncio.sleep(SECONDS_BETWEEN_LOOKS_FOR_THE_CRD)


async def _first_of(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Runs all until the first ends; cancels the others; raises what the first raised."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=SECONDS_TO_CLEAN_UP)
    for task in done:
        task.result()


def _now() -> datetime:
    return datetime.now(UTC)
