"""The one place that wires the process: probes, then leadership, then watches and workers, until one of them ends."""

import asyncio
import gc
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

import kopf

from analytics_operator.controller import watches
from analytics_operator.controller.crd_poller import CRDPoller
from analytics_operator.controller.dry_run import DryRun
from analytics_operator.controller.health_poller import HealthPoller
from analytics_operator.controller.kind_poller import KindPoller
from analytics_operator.controller.lifecycle import exit_now, first_of, stop_on_signals, take_signals_back
from analytics_operator.controller.observer import Observer
from analytics_operator.controller.reconciler import Reconciler
from analytics_operator.controller.secret_poller import SecretPoller
from analytics_operator.controller.watch_lag import UnconfirmedWrites
from analytics_operator.controller.worker_poller import WorkerPoller
from analytics_operator.controller.workqueue import WorkQueue
from analytics_operator.errors import LeaseLost
from analytics_operator.kube import discovery, leader_election
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.config import configuration
from analytics_operator.kube.objects import ANALYTICS_API, WATCHED
from analytics_operator.kube.ownership import Ownership
from analytics_operator.telemetry.metrics import Metrics
from analytics_operator.telemetry.server import serving

WORKERS = 16


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line's."""

    namespaces: tuple[str, ...]
    """Empty: all of them."""
    lease_namespace: str
    own_namespace: str
    """Where the pods of this operator run, which NetworkPolicies of resources admit."""
    identity: str
    http_port: int = 8081
    lease_seconds: int = leader_election.LEASE_SECONDS


async def run(options: Options) -> None:
    """Returns after SIGTERM or SIGINT; ends the process when another replica may lead."""
    gc.freeze()  # modules live as long as the process: looking through them again and again was a tenth of its CPU
    gc.set_threshold(10_000)
    metrics, stop, writes = Metrics(), asyncio.Event(), UnconfirmedWrites()
    stop_on_signals(stop)
    lease = KubeClient(
        await configuration(), on_call=metrics.api_called, timeout_seconds=leader_election.REQUEST_TIMEOUT_SECONDS
    )
    names = leader_election.Names(
        namespace=options.lease_namespace, lease="analytics-operator", identity=options.identity
    )
    election = leader_election.LeaderElection(
        lease, names, on_change=metrics.leader_changed, lease_seconds=options.lease_seconds
    )
    client = KubeClient(await configuration(), on_call=metrics.api_called, fence=election.fence)
    kinds = [kind.name for kind in (ANALYTICS_API, *WATCHED)]
    metrics.export_watches(kinds, options.namespaces or ("",), age=writes.age, refused=writes.refused)
    try:
        async with serving(
            port=options.http_port, registry=metrics.registry, ready=lambda: not stop.is_set(), silent=writes.silent
        ):
            await first_of(stop.wait(), election.acquire())
            if not stop.is_set():
                try:
                    await first_of(election.keep(), stop.wait(), _operate(options, client, metrics, writes, stop))
                except LeaseLost as error:
                    exit_now(error)  # another replica may already lead
    except BaseException:
        await election.release()
        raise
    else:
        await election.release()
    finally:
        await client.close()
        await lease.close()


async def _operate(
    options: Options, client: KubeClient, metrics: Metrics, writes: UnconfirmedWrites, stop: asyncio.Event
) -> None:
    await discovery.until_served(client, ANALYTICS_API)
    secret_poller, crd_poller = SecretPoller(client), CRDPoller(client)
    worker_poller, health_poller, kind_poller = WorkerPoller(), HealthPoller(), KindPoller(client)
    await crd_poller.poll()
    await kind_poller.poll()
    ownership = Ownership(client, on_unchanged=metrics.apply_unchanged, on_write=writes.record)
    reconciler = Reconciler(
        dry_run=DryRun(client),
        client=client,
        observer=Observer(
            client=client,
            crd_poller=crd_poller,
            kind_poller=kind_poller,
            worker_poller=worker_poller,
            health_poller=health_poller,
            operator_namespace=options.own_namespace,
        ),
        ownership=ownership,
        secret_poller=secret_poller,
        worker_poller=worker_poller,
        health_poller=health_poller,
        on_write=writes.record,
        clock=lambda: datetime.now(UTC),
        random_text=lambda: secrets.token_hex(32),
    )
    queue = WorkQueue(reconciler.reconcile, on_done=metrics.reconciled)
    metrics.export_queue(depth=lambda: queue.depth, oldest=lambda: queue.oldest)
    started = asyncio.Event()
    informer = kopf.operator(
        registry=watches.register(queue, predicate=ownership.needs_reconcile, writes=writes, count=metrics.watch_event),
        settings=watches.settings(),
        clusterwide=not options.namespaces,
        namespaces=options.namespaces,
        stop_flag=stop,
        ready_flag=started,
        # Without one kopf asks for a user's name, which a pod's numeric user lacks; its type of str is not exported.
        identity=options.identity,  # type: ignore[arg-type]
    )
    pollers = (
        secret_poller.run(queue.add),
        worker_poller.run(queue.add),
        health_poller.run(queue.add),
        crd_poller.run(queue.add_all),
        kind_poller.run(queue.add_all),
    )
    await first_of(*(queue.work() for _ in range(WORKERS)), *pollers, informer, take_signals_back(started, stop))
