"""Reconciles one resource: observe, plan, create, apply, derive the status. Why it was called does not matter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError

from analytics_operator.api.conditions import Reason
from analytics_operator.api.v1alpha1 import API_VERSION, KIND, AnalyticsApi, Metadata
from analytics_operator.controller.dry_run import DryRun
from analytics_operator.controller.observer import Observer
from analytics_operator.controller.secret_poller import SecretPoller
from analytics_operator.controller.worker_poller import WorkerPoller
from analytics_operator.errors import ApiError, ChildConflict, Refused
from analytics_operator.kube import labels, names
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import (
    ANALYTICS_API,
    DEPLOYMENT,
    EVENT,
    HORIZONTAL_POD_AUTOSCALER,
    Absent,
    Create,
    Hold,
    Key,
    Manifest,
    Ref,
    Want,
)
from analytics_operator.kube.ownership import OnWrite, Ownership
from analytics_operator.plan import Plan, plan
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.state.worker import addresses
from analytics_operator.status import derive, events
from analytics_operator.status.facts import Applied, Facts

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True)
class Reconciler:
    """Time and randomness are given, so that no test has to patch them."""

    client: KubeClient
    observer: Observer
    ownership: Ownership
    dry_run: DryRun
    secret_poller: SecretPoller
    worker_poller: WorkerPoller
    on_write: OnWrite
    clock: Callable[[], datetime]
    random_text: Callable[[], str]

    async def reconcile(self, key: Key) -> timedelta | None:
        """After what time to reconcile again; None when the resource is gone."""
        body = await self.observer.resource(key)
        if body is None or "deletionTimestamp" in body["metadata"]:
            self.dry_run.forget(key)
            self.ownership.forget(key)  # its children go by their owner references
            self.secret_poller.forget(key)
            self.worker_poller.forget(key)
            return None
        try:
            return await self._reconcile(key, AnalyticsApi.model_validate(body), body)
        except ValidationError as error:
            problems = (
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_input=False)
            )
            message = f"this version of the operator cannot read the resource: {'; '.join(problems)}"
            return await self._stop(body, Reason.INVALID_SPEC, message, requeue_after=derive.RESYNC)
        except (Refused, ChildConflict) as error:
            return await self._stop(body, error.reason, str(error), requeue_after=derive.WHILE_SECRETS_ARE_MISSING)

    async def _reconcile(self, key: Key, resource: AnalyticsApi, body: Manifest) -> timedelta:
        now = self.clock()
        observed = await self.observer.observe(key, resource, body.get("status", {}))
        random_text = self.random_text()
        planned = plan(observed, now=now, random_text=random_text)
        if not resource.spec.suspend and (refused := await self.dry_run.judge(key, planned.proposed)):
            observed = replace(observed, pods_refused=refused)
            planned = plan(observed, now=now, random_text=random_text)
        generated = await self._generate(observed, planned.generated) if planned.generated else {}
        self._update_pollers(key, observed, generated)
        applied = await self._apply(key, observed, planned)
        facts = Facts(
            observed=observed,
            credentials=planned.credentials,
            gate=planned.gate,
            desired=planned.desired(Ref(DEPLOYMENT, key.name)),
            desired_ingest=planned.desired(Ref(DEPLOYMENT, names.ingest(key.name))),
            applied=applied,
        )
        derived = derive.derive(facts, now=now)
        await self._write_status(body, derived)
        return derive.requeue_after(facts, derived, now=now)

    async def _generate(self, observed: Observed, secret: Create) -> dict[str, str]:
        """The version of the new Secret by its name; raises Conflict where one has come meanwhile."""
        made = await self.client.create(secret.ref.kind, secret.manifest)
        again = bool(observed.previous_status.get("conditions"))
        await self._post(events.secret_generated(secret.ref.name, again=again), observed.resource.metadata)
        return {secret.ref.name: made["metadata"]["resourceVersion"]}

    def _update_pollers(self, key: Key, observed: Observed, generated: Mapping[str, str]) -> None:
        """From now on they compare with this observation, and ask its workers."""
        self.secret_poller.track(key, {**observed.secret_versions, **generated})
        reported = bool(observed.previous_status.get("policies"))
        self.worker_poller.track(key, addresses(observed.pods_of(labels.Component.WORKER)), reported=reported)

    async def _apply(self, key: Key, observed: Observed, planned: Plan) -> Applied:
        """Carries out the plan. A child that is refused does not keep the others waiting."""
        if observed.resource.spec.suspend:
            return Applied(deployment=observed.deployment, ingest=observed.ingest)
        uid, refusals = observed.resource.metadata.uid, [planned.refusal] if planned.refusal else []
        name = observed.resource.metadata.name
        api, ingest = Ref(DEPLOYMENT, name), Ref(DEPLOYMENT, names.ingest(name))
        live = {api: observed.deployment, ingest: observed.ingest}
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
            deployment=live[api],
            ingest=live[ingest],
            autoscaler=live.get(Ref(HORIZONTAL_POD_AUTOSCALER, name)),
            refusals=tuple(refusals),
        )

    async def _write_status(self, body: Manifest, derived: Manifest) -> None:
        """Writes only a status that moved, with the Events of its transitions."""
        previous = body.get("status", {})
        if derived == previous:
            return
        metadata = Metadata.model_validate(body["metadata"])
        target = {"name": metadata.name, "namespace": metadata.namespace, "uid": metadata.uid}
        manifest = {"apiVersion": API_VERSION, "kind": KIND, "metadata": target, "status": derived}
        written = await self.client.apply(ANALYTICS_API, manifest, force=True, subresource="status")
        self.on_write(KIND, written)
        if written["metadata"]["generation"] == metadata.generation:  # else the spec moved meanwhile
            self.ownership.remember(Key(metadata.namespace, metadata.name), Ref(ANALYTICS_API, metadata.name), written)
        for event in events.between(previous, derived):
            await self._post(event, metadata)

    async def _stop(self, body: Manifest, reason: str, message: str, *, requeue_after: timedelta) -> timedelta:
        previous, generation = body.get("status", {}), body["metadata"]["generation"]
        derived = derive.stopped(previous, generation=generation, reason=reason, message=message, now=self.clock())
        await self._write_status(body, derived)
        return requeue_after

    async def _post(self, event: events.Event, about: Metadata) -> None:
        """Best effort: an Event that is lost changes nothing."""
        name = f"{about.name}.{self.random_text()[:16].lower()}"
        try:
            await self.client.create(EVENT, events.manifest(event, about, name=name, now=self.clock()))
        except ApiError as error:
            log.warning("event not posted", resource=f"{about.namespace}/{about.name}", error=str(error))
