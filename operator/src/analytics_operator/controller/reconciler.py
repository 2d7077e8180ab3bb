"""Reconciles one resource: observe, plan, create, apply, derive the status. Why it was called does not matter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from pydantic import ValidationError

from analytics_operator.api.conditions import Reason
from analytics_operator.api.v1alpha1 import API_VERSION, KIND, AnalyticsApi, Metadata
from analytics_operator.controller import executor
from analytics_operator.controller.dry_run import DryRun
from analytics_operator.controller.health_poller import HealthPoller
from analytics_operator.controller.observer import Observer
from analytics_operator.controller.secret_poller import SecretPoller
from analytics_operator.controller.worker_poller import WorkerPoller
from analytics_operator.errors import ApiError, ChildConflict, Forbidden, Refused
from analytics_operator.kube import labels
from analytics_operator.kube.client import KubeClient
from analytics_operator.kube.objects import ANALYTICS_API, EVENT, Create, Key, Manifest, Ref
from analytics_operator.kube.ownership import OnWrite, Ownership
from analytics_operator.plan import plan
from analytics_operator.state import addresses
from analytics_operator.state.observed import Observed
from analytics_operator.state.sharing import Share, share_of
from analytics_operator.status import derive, events, health
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
    health_poller: HealthPoller
    on_write: OnWrite
    clock: Callable[[], datetime]
    random_text: Callable[[], str]

    async def reconcile(self, key: Key) -> timedelta | None:
        """After what time to reconcile again; None when the resource is gone."""
        try:
            body = await self.observer.resource(key)
        except Forbidden:  # of a namespace that is gone, or whose Role is: the refused watch has its line and metric
            self._forget(key)
            return derive.RESYNC
        if body is None or "deletionTimestamp" in body["metadata"]:
            self._forget(key)  # its children go by their owner references
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

    def _forget(self, key: Key) -> None:
        for each in (self.dry_run, self.ownership, self.secret_poller, self.worker_poller, self.health_poller):
            each.forget(key)

    async def _reconcile(self, key: Key, resource: AnalyticsApi, body: Manifest) -> timedelta:
        now = self.clock()
        observed = await self.observer.observe(key, resource, body.get("status", {}))
        random_text = self.random_text()
        planned = plan(observed, now=now, random_text=random_text)
        if not resource.spec.suspend and (refused := await self.dry_run.judge(key, planned.proposed)):
            observed = replace(observed, pods_refused=refused)
            planned = plan(observed, now=now, random_text=random_text)
        generated = await self._generate(observed, planned.generated) if planned.generated else {}
        self._update_pollers(key, observed, generated, share_of(resource, planned.gate.settings))
        applied = await executor.execute(self.ownership, key, observed, planned)
        await self._report_changes(observed, applied)
        facts = Facts(observed=observed, credentials=planned.credentials, gate=planned.gate, applied=applied)
        derived = derive.derive(facts, now=now)
        await self._write_status(body, derived)
        return derive.requeue_after(facts, derived, now=now)

    async def _generate(self, observed: Observed, secret: Create) -> dict[str, str]:
        """The version of the new Secret by its name; raises Conflict where one has come meanwhile."""
        made = await self.client.create(secret.ref.kind, secret.manifest)
        again = bool(observed.previous_status.get("conditions"))
        await self._post(events.secret_generated(secret.ref.name, again=again), observed.resource.metadata)
        return {secret.ref.name: made["metadata"]["resourceVersion"]}

    def _update_pollers(self, key: Key, observed: Observed, generated: Mapping[str, str], share: Share) -> None:
        """From now on they compare with this observation, and ask its pods."""
        self.secret_poller.track(key, {**observed.secret_versions, **generated})
        reported = bool(observed.previous_status.get("policies"))
        workers = addresses.of_workers(observed.pods_of(labels.Component.WORKER))
        self.worker_poller.track(key, workers, share, reported=reported)
        api = addresses.of_api(observed.pods_of(labels.Component.API))
        self.health_poller.track(key, api, missed=health.missed(observed))

    async def _report_changes(self, observed: Observed, applied: Applied) -> None:
        """One line and one Event for each release and each child that is as declared again."""
        metadata = observed.resource.metadata
        key = Key(metadata.namespace, metadata.name)
        changes = [events.drift_corrected(each) for each in self.ownership.drift.pop_corrections(key)]
        if released := applied.released_since(observed.deployment):
            changes.append(events.released(released))
        for event in changes:
            log.info("change of children", resource=key.text, reason=event.reason, message=event.message)
            await self._post(event, metadata)

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
