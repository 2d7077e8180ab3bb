"""The resource's status, derived from what is really so. Pure: the same sight gives the same status."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from analytics_operator.api.conditions import Condition, Reason, Type, merge
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import labels
from analytics_operator.kube.objects import DEPLOYMENT, Manifest, Ref, Want, condition
from analytics_operator.manifests.config_map import METRICS_PORT
from analytics_operator.manifests.worker import policies
from analytics_operator.plan import Plan
from analytics_operator.state import pods, worker
from analytics_operator.state.migration import State
from analytics_operator.state.observed import Observed
from analytics_operator.state.rollout import Rollout, rollout
from analytics_operator.status import migration

WHILE_SECRETS_ARE_MISSING = timedelta(seconds=15)
WHILE_NOT_READY = timedelta(seconds=10)
RESYNC = timedelta(minutes=10)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A child that the API server, or its owner, did not let us make."""

    ref: Ref
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What came of the plan."""

    deployment: Manifest | None = None
    autoscaler: Manifest | None = None
    refusals: tuple[Refusal, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Facts:
    observed: Observed
    plan: Plan
    applied: Applied
    rollout: Rollout | None
    migrated: Condition
    pending: bool
    """Suspended with changes that wait."""


def derive(observed: Observed, plan: Plan, applied: Applied, *, now: datetime) -> dict[str, Any]:
    """The whole status to write."""
    live = applied.deployment
    found = rollout(live, observed.pods_of(labels.Component.API)) if live else None
    facts = _Facts(
        observed=observed,
        plan=plan,
        applied=applied,
        rollout=found,
        migrated=migration.condition(observed, plan.gate),
        pending=observed.resource.spec.suspend and _differs(observed, plan, live),
    )
    generation = observed.resource.metadata.generation
    conditions = merge(
        observed.previous_status.get("conditions", []), _conditions(facts), generation=generation, now=now
    )
    result = {
        "observedGeneration": generation,
        "conditions": conditions,
        "replicas": found.total if found else 0,
        "desiredReplicas": found.wanted if found else observed.resource.spec.replicas,
        "readyReplicas": found.ready if found else 0,
        "selector": labels.selector_text(observed.resource.metadata.name, labels.Component.API),
        "schema": migration.schema(plan.gate, observed.previous_status),
        "policies": worker.table(observed.heard, observed.previous_status),
        "endpoints": _endpoints(observed.resource),
        "image": found.image if found else None,
    }
    return {key: value for key, value in result.items() if value is not None}


def stopped(
    previous: Mapping[str, Any], *, generation: int, reason: str, message: str, now: datetime
) -> dict[str, Any]:
    """The status of a resource that cannot even be looked at; what was known before stays."""
    conditions = (
        Condition(Type.READY, False, reason, message),
        Condition(Type.RECONCILING, False, reason, message),
        Condition(Type.STALLED, True, reason, message),
    )
    named = {condition.type.value for condition in conditions}
    others = [each for each in previous.get("conditions", []) if each["type"] not in named]
    merged = merge(previous.get("conditions", []), conditions, generation=generation, now=now)
    return dict(previous) | {"observedGeneration": generation, "conditions": merged + others}


def next_look(plan: Plan, status: Mapping[str, Any], *, now: datetime) -> timedelta:
    """How long nothing has to be looked at, if no event comes."""
    if plan.credentials.problems:
        return WHILE_SECRETS_ARE_MISSING
    if plan.gate.retry_at:
        return min(max(plan.gate.retry_at - now, timedelta(0)), WHILE_NOT_READY)
    ready = next(each for each in status["conditions"] if each["type"] == Type.READY)
    return RESYNC if ready["status"] == "True" else WHILE_NOT_READY


def _conditions(facts: _Facts) -> tuple[Condition, ...]:
    obstacle, stalled = _obstacle(facts)
    suspended = facts.observed.resource.spec.suspend
    if obstacle is None:
        ready = Condition(Type.READY, True, Reason.AS_DECLARED, _summary(facts))
    else:
        ready = Condition(Type.READY, False, *obstacle)
    moving = obstacle is not None and not stalled and not suspended
    help_needed = (ready.reason, ready.message) if stalled else (Reason.NOT_STALLED.value, "nobody's help is needed")
    idle = Reason.SUSPENDED if suspended else ready.reason
    return (
        ready,
        _available(facts.rollout),
        _progressing(facts),
        _secrets_ready(facts.plan),
        facts.migrated,
        *_told_by_worker(facts.observed),
        *_scaling_active(facts),
        *_schema_outdated(facts.observed.unserved),
        Condition(Type.RECONCILING, moving, ready.reason if moving else idle, ready.message),
        Condition(Type.STALLED, stalled, *help_needed),
    )


def _obstacle(facts: _Facts) -> tuple[tuple[str, str] | None, bool]:
    """What is first in the way of Ready, and whether it needs somebody's help."""
    gate, found = facts.plan.gate, facts.rollout
    if facts.applied.refusals:
        first = facts.applied.refusals[0]
        return (first.reason, f"{first.ref.text}: {first.message}"), True
    if facts.plan.credentials.problems:
        secrets = _secrets_ready(facts.plan)
        return (secrets.reason, secrets.message), False
    if not gate.open:
        failed = gate.result is not None
        reason = Reason.MIGRATION_FAILED if failed else facts.migrated.reason
        text = f"{facts.migrated.reason}: {facts.migrated.message}" if failed else facts.migrated.message
        return (reason, text), gate.state is State.EXHAUSTED
    if facts.pending:
        return (Reason.SUSPENDED, "changes wait until suspend is false"), False
    if found is None:
        return (Reason.NOT_DEPLOYED, "there is no Deployment yet"), False
    if found.trouble:
        return (found.trouble.reason, found.trouble.message), found.trouble.stalled
    if not found.complete:
        return (Reason.ROLLING_OUT, _counts(found)), False
    return None, False


def _secrets_ready(plan: Plan) -> Condition:
    problems = plan.credentials.problems
    if not problems:
        return Condition(Type.SECRETS_READY, True, Reason.PRESENT, "every Secret that the pods read is there")
    return Condition(Type.SECRETS_READY, False, problems[0].reason, "; ".join(each.message for each in problems))


def _available(found: Rollout | None) -> Condition:
    if found is None:
        return Condition(Type.AVAILABLE, False, Reason.NOT_DEPLOYED, "there is no Deployment yet")
    reason = Reason.AVAILABLE if found.available else Reason.UNAVAILABLE
    return Condition(Type.AVAILABLE, found.available, reason, f"{found.ready} of {found.wanted} replicas are ready")


def _told_by_worker(observed: Observed) -> tuple[Condition, Condition]:
    found = pods.problem(observed.pods_of(labels.Component.WORKER))
    return worker.conditions(
        observed.heard, observed.previous_status, outdated=_outdated(observed), kept=found.message if found else None
    )


def _outdated(observed: Observed) -> str | None:
    """Why the worker that speaks has other policies than the spec; None where it has the same."""
    wanted = tuple(sorted(policies(observed.resource).items()))
    if observed.heard.settings == wanted:
        return None
    return Reason.SUSPENDED if observed.resource.spec.suspend else Reason.ROLLING_OUT


def _scaling_active(facts: _Facts) -> tuple[Condition, ...]:
    """In the autoscaler's own words: without metrics it never scales, and nothing else would tell."""
    spec, previous = facts.observed.resource.spec, {"status": facts.observed.previous_status}
    if spec.autoscaling is None:
        return ()
    found = condition(previous if spec.suspend else facts.applied.autoscaler or {}, Type.SCALING_ACTIVE)
    if found is None:
        return (Condition(Type.SCALING_ACTIVE, False, Reason.METRICS_AWAITED, "the autoscaler has not looked yet"),)
    return (Condition(Type.SCALING_ACTIVE, found["status"] == "True", found["reason"], found.get("message", "")),)


def _schema_outdated(unserved: tuple[str, ...]) -> tuple[Condition, ...]:
    """Only where it is so: whoever sets such a field would see it dropped without a word."""
    if not unserved:
        return ()
    text = f"the served CRD drops {', '.join(unserved)}: upgrade the chart charts/crds"
    return (Condition(Type.SCHEMA_OUTDATED, True, Reason.OLDER_THAN_OPERATOR, text),)


def _progressing(facts: _Facts) -> Condition:
    found, gate = facts.rollout, facts.plan.gate
    if gate.state in {State.START, State.RUNNING, State.SUPERSEDED} and not facts.observed.resource.spec.suspend:
        return Condition(Type.PROGRESSING, True, Reason.MIGRATING, "the database is migrated before pods are released")
    if found is None:
        return Condition(Type.PROGRESSING, False, Reason.NOT_DEPLOYED, "there is no Deployment yet")
    if found.complete:
        return Condition(Type.PROGRESSING, False, Reason.RELEASED, _counts(found))
    trouble = found.trouble
    if trouble and trouble.stalled:
        return Condition(Type.PROGRESSING, False, trouble.reason, trouble.message)
    return Condition(Type.PROGRESSING, True, Reason.ROLLING_OUT, _counts(found))


def _counts(found: Rollout) -> str:
    return f"{found.updated} of {found.wanted} replicas are up to date, {found.ready} are ready"


def _summary(facts: _Facts) -> str:
    found = facts.rollout
    return f"{found.ready} of {found.wanted} replicas serve {found.image}" if found else ""


def _endpoints(resource: AnalyticsApi) -> dict[str, str]:
    host = f"{resource.metadata.name}.{resource.metadata.namespace}.svc"
    return {"http": f"http://{host}", "metrics": f"http://{host}:{METRICS_PORT}/metrics"}


def _differs(observed: Observed, plan: Plan, live: Manifest | None) -> bool:
    """Whether the planned Deployment of the API is another than the live one."""
    ref = Ref(DEPLOYMENT, observed.resource.metadata.name)
    wanted = next(
        (each.manifest for each in plan.decisions if isinstance(each, Want) and each.ref == ref),
        None,
    )
    if wanted is None or live is None:
        return wanted is not live
    annotations = live["metadata"].get("annotations", {})
    same_template = (
        annotations.get(labels.RELEASED_TEMPLATE) == wanted["metadata"]["annotations"][labels.RELEASED_TEMPLATE]
    )
    replicas = live["spec"]["replicas"]
    return not same_template or wanted["spec"].get("replicas", replicas) != replicas
