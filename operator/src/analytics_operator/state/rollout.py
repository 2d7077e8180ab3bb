"""Rollout: the counts of a live Deployment, and what keeps its pods from running. Pure."""

from dataclasses import dataclass

from analytics_operator import errors
from analytics_operator.api.conditions import Reason
from analytics_operator.kube.labels import Component
from analytics_operator.kube.objects import Manifest, condition
from analytics_operator.state import pods

SERVICE_CONTAINERS = frozenset({Component.API, Component.INGEST, Component.WORKER})


@dataclass(frozen=True, kw_only=True)
class RolloutFailure:
    reason: Reason
    message: str
    stalled: bool


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Counts of one moment, and what is in the way."""

    desired: int
    ready: int
    updated: int
    total: int
    available: bool
    complete: bool
    image: str
    failure: RolloutFailure | None


def rollout(deployment: Manifest, live_pods: tuple[Manifest, ...]) -> Rollout:
    status = deployment.get("status", {})
    desired = deployment["spec"]["replicas"]
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    complete = current and updated == total == desired and status.get("availableReplicas", 0) == desired
    return Rollout(
        desired=desired,
        ready=status.get("readyReplicas", 0),
        updated=updated,
        total=total,
        available=(condition(deployment, "Available") or {}).get("status") == "True",
        complete=complete,
        image=image_of(deployment),
        failure=None if complete else _failure(deployment, live_pods),
    )


def image_of(deployment: Manifest) -> str:
    """Of the service's container, whatever else stands beside it."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    image: str = next(each["image"] for each in containers if each["name"] in SERVICE_CONTAINERS)
    return image


def _failure(deployment: Manifest, live_pods: tuple[Manifest, ...]) -> RolloutFailure | None:
    """The nearest cause first: no pod could be made, a pod does not run, nothing moved for too long."""
    refused = condition(deployment, "ReplicaFailure")
    if refused and refused["status"] == "True":
        kind = errors.refusal(refused["message"]) or errors.Refused
        return RolloutFailure(reason=Reason(kind.reason), message=refused["message"], stalled=True)
    progress = condition(deployment, "Progressing") or {}
    late = progress.get("reason") == "ProgressDeadlineExceeded"
    problem = pods.problem(live_pods)
    if problem:
        return RolloutFailure(reason=problem.reason, message=problem.message, stalled=late)
    if late:
        message = f"{progress.get('message', '')}; see `kubectl describe` of its pods"
        return RolloutFailure(reason=Reason.DEADLINE_EXCEEDED, message=message, stalled=True)
    return None
