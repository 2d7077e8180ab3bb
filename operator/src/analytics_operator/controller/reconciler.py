"""One pass over one resource: observe, plan, apply, derive the status. Why it was called does not matter."""

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError

from analytics_operator.api.conditions import Reason
from analytics_operator.api.v1alpha1 import API_VERSION, KIND, AnalyticsApi, Metadata
from analytics_operator.controller.crd_poller import Served
from analytics_operator.controller.secret_poller import Rotation
from analytics_operator.controller.worker_poller import Workers
from analytics_operator.errors import ApiError, ChildConflict, NotFound, Refused
from analytics_operator.kube import labels, names
from analytics_operator.kube.client import Cluster
from analytics_operator.kube.objects import (
    ANALYTICS_API,
    CONFIG_MAP,
    DEPLOYMENT,
    EVENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    POD,
    REPLICA_SET,
    SECRET,
    Absent,
    Hold,
    Key,
    Kind,
    Manifest,
    Ref,
    Want,
    controlled_by,
    controller,
)
from analytics_operator.kube.ownership import Ownership, Wrote, check_ours
from analytics_operator.manifests.jwt_secret import jwt_secret
from analytics_operator.plan import Plan, plan, unread_settings
from analytics_operator.state.migration import finished
from analytics_operator.state.observed import Observed
from analytics_operator.state.secrets import must_generate, uses
from analytics_operator.state.worker import addresses
from analytics_operator.status import derive, events
from analytics_operator.status.derive import Applied, Refusal

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Time and randomness are given, so that nothing here has to be patched."""

    cluster: Cluster
    ownership: Ownership
    rotation: Rotation
    served: Served
    workers: Workers
    wrote: Wrote
    clock: Callable[[], datetime]
    random_text: Callable[[], str]

    async def reconcile(self, key: Key) -> timedelta | None:
        """How long to wait for the next look; None when the resource is gone."""
        try:
            body = await self.cluster.get(ANALYTICS_API, key.namespace, key.name)
        except NotFound:
            body = None
        if body is None or "deletionTimestamp" in body["metadata"]:
            self.ownership.forget(key)  # its children go by their owner references
            self.rotation.forget(key)
            self.workers.forget(key)
            return None
        try:
            return await self._reconcile(key, AnalyticsApi.model_validate(body), body)
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
            )
            message = f"this version of the operator cannot read the resource: {'; '.join(problems)}"
            return await self._stop(body, Reason.INVALID_SPEC, message, wait=derive.RESYNC)
        except (Refused, ChildConflict) as error:
            return await self._stop(body, error.reason, str(error), wait=derive.WHILE_SECRETS_ARE_MISSING)

    async def _reconcile(self, key: Key, resource: AnalyticsApi, body: Manifest) -> timedelta:
        now = self.clock()
        observed = await self._observe(key, resource, body.get("status", {}))
        planned = plan(observed, now=now)
        applied = await self._apply(key, observed, planned)
        derived = derive.derive(observed, planned, applied, now=now)
        await self._write_status(body, derived)
        return derive.next_look(planned, derived, now=now)

    async def _observe(self, key: Key, resource: AnalyticsApi, previous: Manifest) -> Observed:
        """What is there; only what the resource controls counts as its child."""
        jobs, pods, config_maps, deployment, secrets = await asyncio.gather(
            self._children(JOB, key),
            self._children(POD, key),
            self._children(CONFIG_MAP, key),
            self._find(DEPLOYMENT, key.namespace, key.name),
            self._secrets(key, resource, again=bool(previous.get("conditions"))),
        )
        uid = resource.metadata.uid
        for job in jobs:
            if not finished(job) and controller(job):  # else two migrations would run on one database
                check_ours(job, key, uid, Ref(JOB, job["metadata"]["name"]))
        seen = Observed(
            resource=resource,
            previous_status=previous,
            secrets=secrets,
            deployment=deployment if deployment and controlled_by(uid, deployment) else None,
            jobs=tuple(job for job in jobs if controlled_by(uid, job)),
            pods=tuple(pods),
            config_maps=tuple(each for each in config_maps if controlled_by(uid, each)),
            heard=self.workers.heard(key),
            unserved=self.served.lacks,
        )
        told = bool(previous.get("policies"))
        self.workers.saw(key, addresses(seen.pods_of(labels.Component.WORKER)), told=told)
        if not any(unread_settings(seen)):
            return seen
        return replace(seen, replica_sets=tuple(await self._children(REPLICA_SET, key)))

    async def _secrets(self, key: Key, resource: AnalyticsApi, *, again: bool) -> dict[str, dict[str, bytes] | None]:
        """The referenced Secrets by name; the one that is ours to make is made here: the plan needs its value."""
        wanted = sorted({use.ref.name for use in uses(resource)})
        bodies = await asyncio.gather(*(self._find(SECRET, key.namespace, name) for name in wanted))
        found = dict(zip(wanted, bodies, strict=True))
        ours = names.jwt_secret(key.name)
        live = found.get(ours)
        if live and resource.spec.jwt_secret_ref is None:
            check_ours(live, key, resource.metadata.uid, Ref(SECRET, ours))
        if must_generate(resource, found) and not resource.spec.suspend:
            found[ours] = await self._generate(resource, again=again)
        self.rotation.saw(key, {name: _version(secret) for name, secret in found.items()})
        return {name: secret and _data(secret) for name, secret in found.items()}

    async def _generate(self, resource: AnalyticsApi, *, again: bool) -> Manifest:
        made = await self.cluster.create(SECRET, jwt_secret(resource, self.random_text()))
        level = events.Level.WARNING if again else events.Level.NORMAL
        message = f"Secret {made['metadata']['name']} holds a new secret that signs tokens"
        await self._post(events.Note(level, "SecretGenerated", message), resource.metadata)
        return made

    async def _apply(self, key: Key, observed: Observed, planned: Plan) -> Applied:
        """Carries out the plan. A child that is refused does not keep the others waiting."""
        if observed.resource.spec.suspend:
            return Applied(deployment=observed.deployment)
        uid, refusals = observed.resource.metadata.uid, []
        name = observed.resource.metadata.name
        live = {Ref(DEPLOYMENT, name): observed.deployment}
        for decision in planned.decisions:
            try:
                match decision:
                    case Want(ref):
                        live[ref] = await self.ownership.ensure(key, uid, decision)
                    case Absent(ref):
                        await self.ownership.retire(key, uid, ref)
                    case Hold():
                        pass
            except (Refused, ChildConflict) as error:
                refusals.append(Refusal(ref=decision.ref, reason=error.reason, message=str(error)))
        return Applied(
            deployment=live[Ref(DEPLOYMENT, name)],
            autoscaler=live.get(Ref(HORIZONTAL_POD_AUTOSCALER, name)),
            refusals=tuple(refusals),
        )

    async def _write_status(self, body: Manifest, derived: Manifest) -> None:
        """Writes only what moved, and tells people of it."""
        previous = body.get("status", {})
        if derived == previous:
            return
        metadata = Metadata.model_validate(body["metadata"])
        target = {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid}
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": target, "status": derived}
        written = await self.cluster.apply(ANALYTICS_API, manifest, force=True, subresource="status")
        self.wrote(KIND, written)
        if written["metadata"]["generation"] == metadata.generation:  # else the spec moved meanwhile
            self.ownership.remember(Key(metadata.namespace, metadata.name), Ref(ANALYTICS_API, metadata.name), written)
        for note in events.between(previous, derived):
            await self._post(note, metadata)

    async def _stop(self, body: Manifest, reason: str, message: str, *, wait: timedelta) -> timedelta:
        previous, generation = body.get("status", {}), body["metadata"]["generation"]
        derived = derive.stopped(previous, generation=generation, reason=reason, message=message, now=self.clock())
        await self._write_status(body, derived)
        return wait

    async def _post(self, note: events.Note, about: Metadata) -> None:
        """Best effort: an Event that is lost changes nothing."""
        name = f"{about.name}.{self.random_text()[:16].lower()}"
        try:
            await self.cluster.create(EVENT, events.manifest(note, about, name=name, now=self.clock()))
        except ApiError as error:
            log.warning("event not posted", resource=f"{about.namespace}/{about.name}", error=str(error))

    async def _children(self, kind: Kind, key: Key) -> list[Manifest]:
        return await self.cluster.list(kind, key.namespace, labels=labels.children_of(key.name))

    async def _find(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        try:
            return await self.cluster.get(kind, namespace, name)
        except NotFound:
            return None


def _version(secret: Manifest | None) -> str | None:
    return secret["metadata"]["resourceVersion"] if secret else None


def _data(secret: Manifest) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
