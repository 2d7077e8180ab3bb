"""Reads everything that a pass over one resource needs, and writes nothing: its client is one that can only read."""

import asyncio
from dataclasses import dataclass, replace
from typing import Protocol

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.controller.crd_poller import CRDPoller
from analytics_operator.controller.health_poller import HealthPoller
from analytics_operator.controller.kind_poller import KindPoller
from analytics_operator.controller.worker_poller import WorkerPoller
from analytics_operator.errors import NotFound
from analytics_operator.kube import labels, names
from analytics_operator.kube.adoption import adoptable, check_generated_secret, check_ours
from analytics_operator.kube.objects import (
    ANALYTICS_API,
    CONFIG_MAP,
    DEPLOYMENT,
    JOB,
    POD,
    REPLICA_SET,
    SECRET,
    Key,
    Kind,
    Manifest,
    Ref,
    controlled_by,
    controller,
)
from analytics_operator.plan import unread_settings
from analytics_operator.state.jobs import finished, is_dry_run
from analytics_operator.state.observed import Observed
from analytics_operator.state.refusal import variable_sources
from analytics_operator.state.secrets import data_of, uses


class Reader(Protocol):
    """The part of the client that changes nothing."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Manifest: ...
    async def version(self, kind: Kind, namespace: str, name: str) -> str | None: ...
    async def list(self, kind: Kind, namespace: str, *, labels: str) -> list[Manifest]: ...


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Raises ChildConflict or Conflict where a Job or the generated Secret belongs to somebody else."""

    client: Reader
    crd_poller: CRDPoller
    kind_poller: KindPoller
    worker_poller: WorkerPoller
    health_poller: HealthPoller
    operator_namespace: str

    async def resource(self, key: Key) -> Manifest | None:
        """The resource as it is stored; None where it is gone."""
        return await self._find(ANALYTICS_API, key.namespace, key.name)

    async def observe(self, key: Key, resource: AnalyticsApi, previous_status: Manifest) -> Observed:
        """A moment of the cluster; only what the resource controls counts as its child."""
        (jobs, pods), config_maps, live, ingest, (secrets, versions), variable_keys = await asyncio.gather(
            self._jobs_and_pods(key),
            self._children(CONFIG_MAP, key),
            self._find(DEPLOYMENT, key.namespace, key.name),
            self._ingest(key, resource),
            self._secrets(key, resource),
            self._variable_keys(key, resource),
        )
        uid = resource.metadata.uid
        for job in jobs:
            if not finished(job) and controller(job):  # else two migrations would run on one database
                check_ours(job, key, uid, Ref(JOB, job["metadata"]["name"]))
        seen = Observed(
            resource=resource,
            previous_status=previous_status,
            secrets={name: secret and data_of(secret) for name, secret in secrets.items()},
            secret_versions=versions,
            deployment=live if live and controlled_by(uid, live) else None,
            orphan=live if live and adoptable(live, labels.common(key.name, labels.Component.API)) else None,
            ingest=ingest,
            jobs=tuple(job for job in jobs if controlled_by(uid, job) and not is_dry_run(job)),
            dry_runs=tuple(job for job in jobs if controlled_by(uid, job) and is_dry_run(job)),
            orphaned_jobs=tuple(job["metadata"]["name"] for job in jobs if controller(job) is None),
            pods=tuple(pods),
            config_maps=tuple(each for each in config_maps if controlled_by(uid, each)),
            variable_keys=variable_keys,
            worker=self.worker_poller.last_report(key),
            peers=self.worker_poller.peers(key),
            health=self.health_poller.last_health(key),
            missing_fields=self.crd_poller.missing_fields,
            served_kinds=self.kind_poller.served,
            operator_namespace=self.operator_namespace,
        )
        if not any(unread_settings(seen)):
            return seen
        # Listed only where they decide something: a rollback finds the settings that a ReplicaSet's pods read.
        return replace(seen, replica_sets=tuple(await self._children(REPLICA_SET, key)))

    async def _jobs_and_pods(self, key: Key) -> tuple[list[Manifest], list[Manifest]]:
        """The pods are read after the Jobs: whatever Job is seen to have ended, its pod is seen with its result."""
        return await self._children(JOB, key), await self._children(POD, key)

    async def _ingest(self, key: Key, resource: AnalyticsApi) -> Manifest | None:
        if resource.spec.ingest_replicas is None:
            return None  # it decides nothing
        found = await self._find(DEPLOYMENT, key.namespace, names.ingest(key.name))
        return found if found and controlled_by(resource.metadata.uid, found) else None

    async def _secrets(
        self, key: Key, resource: AnalyticsApi
    ) -> tuple[dict[str, Manifest | None], dict[str, str | None]]:
        """The Secrets that pods read by name, and the versions of these and of the Ingress' certificate."""
        referenced = sorted({use.ref.name for use in uses(resource)})
        bodies = await asyncio.gather(*(self._find(SECRET, key.namespace, name) for name in referenced))
        secrets = dict(zip(referenced, bodies, strict=True))
        generated = names.jwt_secret(key.name)
        live = secrets.get(generated)
        if live and resource.spec.jwt_secret_ref is None:
            check_generated_secret(live, key, resource.metadata, Ref(SECRET, generated))
        versions = {name: _version(secret) for name, secret in secrets.items()}
        if resource.spec.ingress and resource.spec.ingress.tls:  # no pod reads it: its key does not travel
            name = resource.spec.ingress.tls.secret_name
            versions[name] = await self.client.version(SECRET, key.namespace, name)
        return secrets, versions

    async def _variable_keys(self, key: Key, resource: AnalyticsApi) -> dict[Ref, frozenset[str]]:
        """The keys of what envFrom names, no value."""
        refs = sorted(variable_sources(resource), key=lambda ref: ref.text)
        bodies = await asyncio.gather(*(self._find(ref.kind, key.namespace, ref.name) for ref in refs))
        return {ref: frozenset(body.get("data") or ()) for ref, body in zip(refs, bodies, strict=True) if body}

    async def _children(self, kind: Kind, key: Key) -> list[Manifest]:
        return await self.client.list(kind, key.namespace, labels=labels.children_of(key.name))

    async def _find(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        try:
            return await self.client.get(kind, namespace, name)
        except NotFound:
            return None


def _version(manifest: Manifest | None) -> str | None:
    return manifest["metadata"]["resourceVersion"] if manifest else None
