"""Readings of a migrate Job: its end, the result that it left, and the labels that order and count attempts. Pure."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from analytics_operator.api.conditions import Reason
from analytics_operator.kube import labels
from analytics_operator.kube.objects import Manifest, condition
from analytics_operator.state import pods

MAX_MESSAGE_BYTES = 4096
"""The kubelet cuts a termination message there."""


class Result(BaseModel):
    """The termination message of `migrate`. Bounded: it comes from a pod, and ends in the status."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome: Literal["succeeded", "failed"]
    reason: Annotated[str, Field(max_length=64, pattern=r"^[A-Z][A-Za-z]*$")]
    message: Annotated[str, Field(max_length=MAX_MESSAGE_BYTES)]
    version: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    target: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    edition: Annotated[str, Field(max_length=64)] | None = None
    pending: Annotated[tuple[Annotated[str, Field(max_length=128)], ...], Field(max_length=512)] = ()
    """Migrations that are not applied."""
    connection_limit: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """Connections that the database allows its user; None where it is not known."""
    settings: tuple[Annotated[str, Field(max_length=128, pattern=r"^[A-Z][A-Z0-9_]*(=\S+)?$")], ...] | None = None
    """Names of the variables that the image reads, and NAME=VALUE where it is the value that is new.

    None in the result of 0.2.0 and earlier, and where no result was left.
    """

    @property
    def schema_status(self) -> dict[str, Any] | None:
        """For status.schema; None of a migration that did not see the database."""
        if self.edition is None:
            return None
        seen = self.model_dump(include={"version", "target", "edition"}, exclude_none=True)
        return seen | ({} if self.connection_limit is None else {"connectionLimit": self.connection_limit})


def result_of(job: Manifest, live_pods: Iterable[Manifest]) -> Result:
    """The result that the Job's pod left; where there is none, how its container or the Job ended."""
    own = pods.of_job(live_pods, job)
    for pod in own:
        for container in pod.get("status", {}).get("containerStatuses", []):
            state = container.get("state", {})
            if (result := _result(state.get("terminated") or {})) is not None:
                return result
            end = pods.how_it_ended(pod, state)
            if end and failed(job):
                message = f"Pod {pod['metadata']['name']} left no result of migrate; {end}"
                return Result(outcome="failed", reason=Reason.MIGRATION_FAILED, message=message)
    if succeeded(job):
        return Result(outcome="succeeded", reason=Reason.MIGRATED, message="the migration succeeded")
    failure = condition(job, "Failed") or {}
    ended = f"{failure.get('reason', 'Failed')}: {failure.get('message', 'the Job failed')}"
    why = pods.failed_init_container(own) or ended
    return Result(outcome="failed", reason="NoResult", message=f"Job {job['metadata']['name']} left no result; {why}")


def _result(terminated: Manifest) -> Result | None:
    """The message as a result; None where it is something else."""
    message = terminated.get("message", "")
    if len(message.encode()) > MAX_MESSAGE_BYTES:
        return None
    try:
        return Result.model_validate_json(message)
    except ValidationError:
        return None


def is_dry_run(job: Manifest) -> bool:
    return labels.DRY_RUN in job["metadata"].get("labels", {})


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


def pod_hash_of(job: Manifest) -> str | None:
    """Of the customization that its pods have; None where they have none."""
    digest: str | None = job["metadata"].get("labels", {}).get(labels.POD_HASH)
    return digest


def sequence_of(job: Manifest) -> int:
    return int(job["metadata"].get("labels", {}).get(labels.SEQUENCE, "0"))


def ended_at(job: Manifest) -> datetime:
    end = condition(job, "Failed") or condition(job, "Complete") or {}
    stamp = end.get("lastTransitionTime")
    return datetime.fromisoformat(stamp) if stamp else datetime(1970, 1, 1, tzinfo=UTC)


def time_since_creation(job: Manifest, *, now: datetime) -> timedelta:
    created = job["metadata"].get("creationTimestamp")
    return now - datetime.fromisoformat(created) if created else timedelta(0)
