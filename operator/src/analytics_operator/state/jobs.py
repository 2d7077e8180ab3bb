"""Readings of a migrate Job: its end, the result that it left, and the labels that order and count attempts. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, ValidationError

from analytics_operator.api.conditions import Reason
from analytics_operator.kube import labels
from analytics_operator.kube.objects import Manifest, condition
from analytics_operator.state import pods


class Result(BaseModel):
    """The termination message of `migrate`."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome: str
    reason: str
    message: str
    version: int | None = None
    target: int | None = None
    edition: str | None = None


def result_of(job: Manifest, live_pods: Iterable[Manifest]) -> Result:
    """The result that the Job's pod left; where there is none, the words of Kubernetes about its end."""
    for pod in pods.of_job(live_pods, job):
        for container in pod.get("status", {}).get("containerStatuses", []):
            terminated = container.get("state", {}).get("terminated") or {}
            try:
                return Result.model_validate_json(terminated.get("message", ""))
            except ValidationError:
                words = pods.termination_message(container.get("state", {}))
                if words and failed(job):
                    return Result(outcome="failed", reason=Reason.MIGRATION_FAILED, message=words)
    if succeeded(job):
        return Result(outcome="succeeded", reason=Reason.MIGRATED, message="the migration succeeded")
    end = condition(job, "Failed") or {}
    why = f"{end.get('reason', 'Failed')}: {end.get('message', 'the Job failed')}"
    return Result(outcome="failed", reason="NoResult", message=f"Job {job['metadata']['name']} left no result; {why}")


def finished(job: Manifest) -> bool:
    return succeeded(job) or failed(job)


def succeeded(job: Manifest) -> bool:
    return (condition(job, "Complete") or {}).get("status") == "True"


def failed(job: Manifest) -> bool:
    return (condition(job, "Failed") or {}).get("status") == "True"


def attempt_of(job: Manifest) -> int:
    return int(job["metadata"].get("labels", {}).get(labels.ATTEMPT, "1"))


def failures_before(job: Manifest) -> int:
    """Failures of its digest between the last success and this Job; where no label says so, every earlier attempt."""
    return int(job["metadata"].get("labels", {}).get(labels.FAILURES, attempt_of(job) - 1))


def digest_of(job: Manifest) -> str | None:
    digest: str | None = job["metadata"].get("labels", {}).get(labels.MIGRATION_HASH)
    return digest


def sequence_of(job: Manifest) -> int:
    return int(job["metadata"].get("labels", {}).get(labels.SEQUENCE, "0"))


def ended_at(job: Manifest) -> datetime:
    stamp = (condition(job, "Failed") or {}).get("lastTransitionTime")
    return datetime.fromisoformat(stamp) if stamp else datetime(1970, 1, 1, tzinfo=UTC)


def time_since_creation(job: Manifest, *, now: datetime) -> timedelta:
    created = job["metadata"].get("creationTimestamp")
    return now - datetime.fromisoformat(created) if created else timedelta(0)
