"""Recorded states of a resource: what the derivation of the status makes of observations, and the verdict of each."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from analytics_operator.api.conditions import Reason
from analytics_operator.kube.labels import RELEASED_TEMPLATE
from analytics_operator.kube.objects import SERVICE, Ref
from analytics_operator.plan import plan
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.state.worker import FreshnessReport, LastReport, PolicyReport, WorkerReport
from analytics_operator.status.derive import derive, stopped
from analytics_operator.status.facts import Applied, Facts
from tests.operator.cluster_actor import a_resource
from tests.operator.test_migration import NOW, RANDOM, SECRETS, a_job, a_pod, digest, resource
from tests.support.kube import Object

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}


class Verdict(StrEnum):
    """In the words of kstatus."""

    CURRENT = "Current"
    IN_PROGRESS = "InProgress"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """A resource as the API server stores it, and its verdict."""

    verdict: Verdict
    body: Object


Change = Callable[[Facts], Facts]


def _facts(spec: Object, secrets: Any = None, **observed: Any) -> Facts:
    seen = Observed(resource=resource(**spec), secrets=SECRETS if secrets is None else secrets, **observed)
    planned = plan(seen, now=NOW, random_text=RANDOM)
    return Facts(observed=seen, credentials=planned.credentials, gate=planned.gate, applied=Applied())


def _recorded(verdict: Verdict, found: Facts, **spec: Any) -> Recorded:
    return _stored(verdict, derive(found, now=NOW), **spec)


def _stored(verdict: Verdict, status: Object, *, generation: int = 1, **spec: Any) -> Recorded:
    metadata = {"name": "demo", "namespace": "llm", "generation": generation}
    return Recorded(verdict=verdict, body=a_resource(**spec) | {"metadata": metadata, "status": status})


def _deployment(*, updated: int, condition: Object | None = None, replicas: int = 2) -> Object:
    counts = {"updatedReplicas": updated, "availableReplicas": updated, "readyReplicas": updated}
    available = {"type": "Available", "status": "True" if updated else "False", "reason": "R", "message": "m"}
    return {
        "metadata": {"name": "demo", "generation": 1, "annotations": {RELEASED_TEMPLATE: "{}"}},
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [{"name": "api", "image": "x:1"}]}}},
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            **counts,
            "conditions": [available, *([condition] if condition else [])],
        },
    }


def _with_waiting(facts: Facts, *children: Ref) -> Facts:
    return replace(facts, applied=replace(facts.applied, waiting=children))


def _released(updated: int = 2, condition: Object | None = None, **facts: Any) -> Facts:
    """A resource whose migration is done, and whose Deployment has so many pods of two."""
    spec = {"replicas": 2, "redis": REDIS} | facts.pop("spec", {})
    secrets = SECRETS | {"credentials": SECRETS["credentials"] | {"redis-url": b"redis://redis"}}
    live = _deployment(updated=updated, condition=condition)
    done = replace(_facts(spec, secrets, **facts), gate=Gate(state=State.DONE))
    return replace(done, applied=Applied(deployment=live))


def _waiting(reason: str) -> Object:
    state = {"waiting": {"reason": reason, "message": "m"}}
    labels = {"app.kubernetes.io/component": "api"}
    status = {"containerStatuses": [{"name": "api", "image": "x:1", "state": state}]}
    return {"metadata": {"name": "p", "labels": labels}, "status": status}


def _unschedulable() -> Object:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no node"}
    return _waiting("ContainerCreating") | {"status": {"conditions": [condition]}}


def _failed(reason: str, message: str, *, attempts: int) -> Facts:
    """The last of so many attempts failed, a moment ago."""
    first = digest(resource())
    jobs = tuple(a_job(first, attempt=each + 1, ended="Failed", ago=1, at=each) for each in range(attempts))
    result = f'{{"outcome": "failed", "reason": "{reason}", "message": "{message}"}}'
    return _facts({}, jobs=jobs, pods=tuple(a_pod(job, result) for job in jobs))


def _refused(reason: str) -> Facts:
    refusal = Refusal(ref=Ref(SERVICE, "demo"), reason=reason, message="not so")
    found = _released()
    return replace(found, applied=replace(found.applied, refusals=(refusal,)))


def _reported(**report: Any) -> Facts:
    policies = PolicyReport(reason=report.get("policies", "Applied"), message="m")
    fresh = FreshnessReport(fresh=report.get("fresh", True), reason=report.get("freshness", "Fresh"), message="m")
    return _released(worker=LastReport(report=WorkerReport(role="leader", policies=policies, fresh=fresh)))


def _late(kind: str, status: str, reason: str) -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": "m"}


def states() -> dict[str, Recorded]:
    """By a sentence."""
    current, moving, failed = Verdict.CURRENT, Verdict.IN_PROGRESS, Verdict.FAILED
    ready = derive(_released(), now=NOW)
    stalled = derive(_refused(Reason.CHILD_CONFLICT), now=NOW)
    short = {"credentials": SECRETS["credentials"] | {"jwt": b"short"}}
    named = {"auth": {"jwtSecretRef": {"name": "credentials", "key": "jwt"}}}
    return {
        "just created": _stored(moving, {"observedGeneration": -1}),
        "the Secret is missing": _recorded(moving, _facts({}, {"credentials": None})),
        "a key is missing": _recorded(moving, _facts({}, SECRETS | {"credentials": {}})),
        "a value is empty": _recorded(moving, _facts({}, SECRETS | {"credentials": {"database-url": b""}})),
        "the signing secret is short": _recorded(moving, _facts(named, short), **named),
        "the generated Secret lost its value": _recorded(moving, _facts({}, SECRETS | {"demo-jwt": {}})),
        "the migration starts": _recorded(moving, _facts({})),
        "the migration runs": _recorded(moving, _facts({}, jobs=(a_job(digest(resource())),))),
        "the database is away": _recorded(moving, _failed("DatabaseUnreachable", "refused", attempts=1)),
        "a migration failed and is retried": _recorded(moving, _failed("StatementFailed", "m", attempts=1)),
        "a migration failed too often": _recorded(failed, _failed("StatementFailed", "m", attempts=3)),
        "no pod is there yet": _recorded(moving, _released(0)),
        "one of two pods is there": _recorded(moving, _released(1)),
        "all pods are there": _recorded(current, _released()),
        "the image cannot be pulled": _recorded(moving, _released(1, pods=(_waiting("ImagePullBackOff"),))),
        "a container fails": _recorded(moving, _released(1, pods=(_waiting("CrashLoopBackOff"),))),
        "no node takes a pod": _recorded(moving, _released(1, pods=(_unschedulable(),))),
        "a roll-out takes too long": _recorded(
            failed, _released(1, _late("Progressing", "False", "ProgressDeadlineExceeded"))
        ),
        "pods exceed a quota": _recorded(failed, _released(1, _late("ReplicaFailure", "True", "FailedCreate"))),
        "a Service of somebody else": _recorded(failed, _refused(Reason.CHILD_CONFLICT)),
        "a policy refuses a child": _recorded(failed, _refused(Reason.ADMISSION_REFUSED)),
        "the operator has no such privilege": _recorded(failed, _refused(Reason.FORBIDDEN)),
        "a child is invalid": _recorded(failed, _refused(Reason.INVALID)),
        "suspended as declared": _recorded(current, _released(spec={"suspend": True}), suspend=True),
        "suspended with changes that wait": _recorded(
            moving, _with_waiting(_released(spec={"suspend": True}), Ref(SERVICE, "demo")), suspend=True
        ),
        "suspended before its first pod": _recorded(moving, _facts({"suspend": True}), suspend=True),
        "the operator cannot read the resource": _stored(
            failed, stopped({}, generation=1, reason=Reason.INVALID_SPEC, message="m", now=NOW)
        ),
        "edited after it was ready": _stored(moving, ready, generation=2),
        "edited after it stalled": _stored(moving, stalled, generation=2),
        "the data are late": _recorded(current, _reported(fresh=False, freshness="Late")),
        "a policy waits for approval": _recorded(current, _reported(policies="PendingApproval")),
        "the image does not know a field": _recorded(
            current, _released(spec={"redis": REDIS | {"keyPrefix": "a:"}}), redis=REDIS | {"keyPrefix": "a:"}
        ),
        "the CRD is older than the operator": _recorded(current, _released(missing_fields=("spec.cors",))),
        "no metrics for the autoscaler": _recorded(
            current, _released(spec={"autoscaling": {}}), redis=REDIS, autoscaling={}
        ),
    }
