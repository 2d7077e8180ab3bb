"""What a live Deployment says about its pods. Pure."""

from dataclasses import dataclass

from analytics_operator import errors
from analytics_operator.api.conditions import Reason
from analytics_operator.kube.objects import Manifest, condition
from analytics_operator.state import pods


@dataclass(frozen=True, kw_only=True)
class Trouble:
    reason: Reason
    message: str
    stalled: bool


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """Counts of one moment, and what is in the way."""

    wanted: int
    ready: int
    updated: int
    total: int
    available: bool
    complete: bool
    image: str
    trouble: Trouble | None


def rollout(deployment: Manifest, live_pods: tuple[Manifest, ...]) -> Rollout:
    status = deployment.get("status", {})
    wanted = deployment["spec"]["replicas"]
    updated, total = status.get("updatedReplicas", 0), status.get("replicas", 0)
    current = status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
    complete = current and updated == total == wanted and status.get("availableReplicas", 0) == wanted
    return Rollout(
        wanted=wanted,
        ready=status.get("readyReplicas", 0),
        updated=updated,
        total=total,
        available=(condition(deployment, "Available") or {}).get("status") == "True",
        complete=complete,
        image=deployment["spec"]["template"]["spec"]["containers"][0]["image"],
        trouble=None if complete else _trouble(deployment, live_pods),
    )


def _trouble(deployment: Manifest, live_pods: tuple[Manifest, ...]) -> Trouble | None:
    """The nearest cause first: no pod could be made, a pod does not run, nothing moved for too long."""
    failure = condition(deployment, "ReplicaFailure")
    if failure and failure["status"] == "True":
        told = errors.refusal(failure["message"]) or errors.Refused
        return Trouble(reason=Reason(told.reason), message=failure["message"], stalled=True)
    progress = condition(deployment, "Progressing") or {}
    late = progress.get("reason") == "ProgressDeadlineExceeded"
    found = pods.problem(live_pods)
    if found:
        return Trouble(reason=found.reason, message=found.message, stalled=late)
    if late:
        message = f"{progress.get('message', '')}; see `kubectl describe` of its pods"
        return Trouble(reason=Reason.DEADLINE_EXCEEDED, message=message, stalled=True)
    return None
