"""The health of an object, in the words of Argo CD, read from its own status. Pure.

That of an AnalyticsApi is what its conditions mean to every tool that waits: the rules of kstatus, which Flux and
Helm 4 apply, and those of docs/examples/argo-cd/health.lua.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.kube.objects import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    JOB,
    POD,
    POD_DISRUPTION_BUDGET,
    Manifest,
    condition,
)
from analytics_operator.state import jobs
from analytics_operator.state import pods as pod_problems
from analytics_operator.state.rollout import rollout


class State(StrEnum):
    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    MISSING = "Missing"
    UNKNOWN = "Unknown"


@dataclass(frozen=True)
class Health:
    state: State
    reason: str = ""
    message: str = ""


def of(manifest: Manifest, pods: Iterable[Manifest] = ()) -> Health:
    """`pods` are those that the object controls, at any distance."""
    if "deletionTimestamp" in manifest["metadata"]:
        return Health(State.PROGRESSING, "Deleting", "waits for its finalizers, or for the end of its pods")
    read = _READINGS.get(manifest["kind"])
    return read(manifest, tuple(pods)) if read else Health(State.HEALTHY, "Present")


def _resource(resource: Manifest, _: tuple[Manifest, ...]) -> Health:
    status, generation = resource.get("status", {}), resource["metadata"]["generation"]
    if status.get("observedGeneration") != generation:
        return Health(State.PROGRESSING, "NotObserved", "the operator has not seen this generation yet")
    ready = condition(resource, "Ready") or {}
    reason, message = ready.get("reason", ""), ready.get("message", "")
    if _is_true(resource, "Stalled"):
        return Health(State.DEGRADED, reason, message)
    if ready.get("status") == "True" and not _is_true(resource, "Reconciling"):
        return Health(State.HEALTHY, reason, message)
    state = State.SUSPENDED if resource["spec"].get("suspend") else State.PROGRESSING
    return Health(state, reason, message)


def _is_true(manifest: Manifest, kind: str) -> bool:
    return (condition(manifest, kind) or {}).get("status") == "True"


def _deployment(deployment: Manifest, pods: tuple[Manifest, ...]) -> Health:
    seen = rollout(deployment, pods)
    count = f"{seen.ready} of {seen.desired} pods ready"
    if seen.complete:
        return Health(State.HEALTHY, "RolledOut", count)
    if seen.failure:
        state = State.DEGRADED if seen.failure.stalled else State.PROGRESSING
        return Health(state, seen.failure.reason, f"{count}: {seen.failure.message}")
    return Health(State.PROGRESSING, "RollingOut", count)


def _job(job: Manifest, pods: tuple[Manifest, ...]) -> Health:
    if not jobs.finished(job):
        return Health(State.PROGRESSING, "Running", "the migration runs")
    result = jobs.result_of(job, pods)
    return Health(State.HEALTHY if jobs.succeeded(job) else State.DEGRADED, result.reason, result.message)


def _autoscaler(autoscaler: Manifest, _: tuple[Manifest, ...]) -> Health:
    for kind in ("AbleToScale", "ScalingActive"):
        state = condition(autoscaler, kind)
        if state is None:
            return Health(State.PROGRESSING, "MetricsAwaited", "its controller has not reported yet")
        if state["status"] != "True":
            return Health(State.DEGRADED, state["reason"], state.get("message", ""))
    return Health(State.HEALTHY, "ScalingActive", f"{autoscaler['status'].get('desiredReplicas', 0)} replicas desired")


def _budget(budget: Manifest, _: tuple[Manifest, ...]) -> Health:
    status = budget.get("status", {})
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    count = f"{healthy} of {desired} pods healthy, {status.get('disruptionsAllowed', 0)} may be evicted"
    return Health(State.HEALTHY, "Sufficient", count) if healthy >= desired else Health(State.PROGRESSING, "Low", count)


def _pod(pod: Manifest, _: tuple[Manifest, ...]) -> Health:
    phase = pod.get("status", {}).get("phase", "Pending")
    problem = pod_problems.problem((pod,))
    if problem:
        return Health(State.DEGRADED, problem.reason, problem.message)
    if phase == "Failed":
        return Health(State.DEGRADED, phase, pod["status"].get("message", ""))
    if phase == "Succeeded" or (phase == "Running" and _is_true(pod, "Ready")):
        return Health(State.HEALTHY, phase)
    return Health(State.PROGRESSING, phase, "not ready yet")


_READINGS: Mapping[str, Callable[[Manifest, tuple[Manifest, ...]], Health]] = {
    KIND: _resource,
    DEPLOYMENT.name: _deployment,
    JOB.name: _job,
    HORIZONTAL_POD_AUTOSCALER.name: _autoscaler,
    POD_DISRUPTION_BUDGET.name: _budget,
    POD.name: _pod,
}
"""By kind; an object of any other is healthy where it exists."""
