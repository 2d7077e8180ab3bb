"""The whole status of a resource, derived from facts: the same facts give the same status. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from analytics_operator.api.conditions import Condition, Reason, Type, merge
from analytics_operator.api.ports import METRICS_PORT
from analytics_operator.kube import labels, names
from analytics_operator.state.image import Setting
from analytics_operator.status import CONDITIONS, migration, routes, worker
from analytics_operator.status.checklist import checklist
from analytics_operator.status.facts import Facts

WHILE_SECRETS_ARE_MISSING = timedelta(seconds=15)
WHILE_NOT_READY = timedelta(seconds=10)
RESYNC = timedelta(minutes=10)
NOT_REQUEUED = frozenset(
    {Reason.AWAITING_APPROVAL, Reason.DATABASE_UNREACHABLE, Reason.PODS_UNREACHABLE, Reason.SUSPENDED}
)
"""Reasons whose end a poller or an event tells: a database that many resources share is no work for the operator."""


def derive(facts: Facts, *, now: datetime) -> dict[str, Any]:
    """The whole status to write."""
    observed, rollout = facts.observed, facts.rollout
    previous, metadata = observed.previous_status, observed.resource.metadata
    shown = [each.of(facts) for each in CONDITIONS if each.shown(facts)]
    result = {
        "observedGeneration": metadata.generation,
        "conditions": merge(previous.get("conditions", []), shown, generation=metadata.generation, now=now),
        "replicas": rollout.total if rollout else 0,
        "desiredReplicas": rollout.desired if rollout else observed.resource.spec.replicas,
        "readyReplicas": rollout.ready if rollout else 0,
        "selector": labels.selector_text(metadata.name, labels.Component.API),
        "schema": migration.schema(facts),
        "migrationPlan": migration.plan(observed, facts.gate),
        "policies": worker.table(observed),
        "endpoints": _endpoints(facts),
        "checklist": checklist(facts, shown),
        "image": rollout.image if rollout else None,
    }
    return {key: value for key, value in result.items() if value is not None}


def stopped(
    previous: Mapping[str, Any], *, generation: int, reason: str, message: str, now: datetime
) -> dict[str, Any]:
    """The status of a resource that cannot even be observed; every other condition stays as it was."""
    conditions = (
        Condition(Type.READY, False, reason, message),
        Condition(Type.RECONCILING, False, reason, message),
        Condition(Type.STALLED, True, reason, message),
    )
    named = {condition.type.value for condition in conditions}
    others = [each for each in previous.get("conditions", []) if each["type"] not in named]
    merged = merge(previous.get("conditions", []), conditions, generation=generation, now=now)
    return dict(previous) | {"observedGeneration": generation, "conditions": merged + others}


def requeue_after(facts: Facts, status: Mapping[str, Any], *, now: datetime) -> timedelta:
    """Time until the next reconcile, if no event comes."""
    if facts.credentials.problems:
        return WHILE_SECRETS_ARE_MISSING
    if facts.gate.retry_at:
        return min(max(facts.gate.retry_at - now, timedelta(0)), WHILE_NOT_READY)
    ready = next(each for each in status["conditions"] if each["type"] == Type.READY)
    if ready["status"] != "True" and ready["reason"] not in NOT_REQUEUED:
        return WHILE_NOT_READY
    return _until_gateways_answer(status, now=now) if routes.awaits_gateways(facts) else RESYNC


def _until_gateways_answer(status: Mapping[str, Any], *, now: datetime) -> timedelta:
    """As long as they have been waited for, so that the delay doubles: no event tells, since routes are not watched."""
    condition = next(each for each in status["conditions"] if each["type"] == Type.ROUTES_CONFIGURED)
    since = datetime.fromisoformat(condition["lastTransitionTime"])
    return min(max(now - since, WHILE_NOT_READY), RESYNC)


def _endpoints(facts: Facts) -> dict[str, str]:
    metadata = facts.resource.metadata
    host = f"{metadata.name}.{metadata.namespace}.svc"
    taken = facts.resource.spec.ingest_or_default.enabled and Setting.INGEST in facts.gate.settings
    ingest = {"ingest": f"http://{names.ingest(metadata.name)}.{metadata.namespace}.svc"} if taken else {}
    own = facts.resource.spec.service
    metrics = names.metrics(metadata.name) if own and own.published else metadata.name
    scraped = f"http://{metrics}.{metadata.namespace}.svc:{METRICS_PORT}/metrics"
    return {"http": f"http://{host}", "metrics": scraped, **ingest}
