"""The gate: whether the database is migrated for the wanted pods, and which Job to start if not. Pure.

One Job per attempt, named by what it migrates for; at most one is live; a live one is never killed once it has run.
One that makes no pod is replaced: the Job controller would wait longer after each refusal, and not see the cure.
The newest success decides: going back to an older image migrates again, and the service says whether that is possible.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, ValidationError

from analytics_operator.api.conditions import Reason
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import labels
from analytics_operator.kube.objects import Manifest, condition
from analytics_operator.state import digests, pods
from analytics_operator.state.observed import Observed
from analytics_operator.state.secrets import Credentials

BACKOFF = timedelta(seconds=5)
MAX_BACKOFF = timedelta(seconds=30)
POD_TIMEOUT = timedelta(seconds=20)
"""How long a Job may be without a pod before it is said, and the Job is replaced."""

TRANSIENT = frozenset(
    {
        "DatabaseUnreachable",
        "AuthenticationFailed",
        "PermissionDenied",
        "ReadOnlyDatabase",
        "LockTimeout",
        "DiskFull",
        "PoolerInTheWay",
        "LicenceChanged",
        "ServerTooOld",
        "OldReleasesConnected",
        "Terminated",
        "NoResult",
    }
)
"""Failures of the surroundings: retried for ever, since their cure may change nothing that the operator sees."""


class State(StrEnum):
    BLOCKED = "Blocked"
    DONE = "Done"
    RUNNING = "Running"
    SUPERSEDED = "Superseded"
    START = "Start"
    BACKOFF = "Backoff"
    EXHAUSTED = "Exhausted"


class Result(BaseModel):
    """What `migrate` leaves in the termination message."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    outcome: str
    reason: str
    message: str
    version: int | None = None
    target: int | None = None
    edition: str | None = None


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Where the migration stands."""

    state: State
    digest: str = ""
    attempt: int = 0
    """The attempt to start, that runs, or that failed last: a number that no other Job of the digest has."""
    failures: int = 0
    """How many attempts for the digest failed since the last success."""
    sequence: int = 0
    """Of the Job to start: one more than that of any other."""
    job: str | None = None
    """The Job that the state speaks of."""
    result: Result | None = None
    """Of the newest success when done, else of the newest failure for the same digest."""
    problem: pods.PodProblem | None = None
    """What keeps the Job's pod from running."""
    discard: str | None = None
    """A Job that is not wanted any more and whose container never ran, or that makes no pod."""
    retry_at: datetime | None = None

    @property
    def open(self) -> bool:
        return self.state is State.DONE


def arguments(resource: AnalyticsApi) -> list[str]:
    timeout = str(resource.spec.migrations.timeout_seconds)
    return ["migrate", "--output", "json", "--result-file", "/dev/termination-log", "--timeout-seconds", timeout]


def digest_of(resource: AnalyticsApi, database_digest: str) -> str:
    return digests.of([resource.spec.image.reference, arguments(resource), database_digest])


def decide(observed: Observed, credentials: Credentials, *, now: datetime) -> Gate:
    """The state of the gate for the pods that the spec wants now."""
    if credentials.database_digest is None:
        return Gate(state=State.BLOCKED)
    digest = digest_of(observed.resource, credentials.database_digest)
    jobs = sorted(observed.jobs, key=_age)
    live = next((job for job in jobs if not finished(job)), None)
    success = next((job for job in reversed(jobs) if succeeded(job)), None)
    ours = success if success and _digest(success) == digest else None
    released = observed.released  # stays true when the Job is deleted by hand
    if ours or (released and released.digest == digest):
        return Gate(state=State.DONE, digest=digest, result=result_of(ours, observed) if ours else None)
    since = jobs[jobs.index(success) + 1 :] if success else jobs
    failure = next((job for job in reversed(since) if failed(job) and _digest(job) == digest), None)
    result = result_of(failure, observed) if failure else None
    if live:
        return _while_live(live, observed, digest=digest, result=result, now=now)
    return _next(observed, failure, result, digest=digest, now=now)


def _while_live(live: Manifest, observed: Observed, *, digest: str, result: Result | None, now: datetime) -> Gate:
    name = live["metadata"]["name"]
    mine = pods.of_job(observed.pods, live)
    begun = mine or live.get("status", {}).get("active")
    refused = not begun and _age_of(live, now=now) >= POD_TIMEOUT
    problem = pods.problem(mine) if mine else _no_pod(live) if refused else _refused_before(observed)
    wanted = _digest(live) == digest
    stuck = problem is not None and pods.never_started(mine)
    return Gate(
        state=State.RUNNING if wanted else State.SUPERSEDED,
        digest=digest,
        attempt=attempt_of(live),
        job=name,
        result=result,
        problem=problem,
        discard=name if refused or (stuck and not wanted) else None,
    )


def _age_of(live: Manifest, *, now: datetime) -> timedelta:
    created = live["metadata"].get("creationTimestamp")
    return now - datetime.fromisoformat(created) if created else timedelta(0)


def _refused_before(observed: Observed) -> pods.PodProblem | None:
    """What was said of the Job before this one, which made no pod: until one is made, nothing is better."""
    said = observed.previous_condition("Migrated") or {}
    if said.get("reason") != Reason.POD_NOT_CREATED:
        return None
    return pods.PodProblem(reason=Reason.POD_NOT_CREATED, message=said["message"])


def _no_pod(live: Manifest) -> pods.PodProblem:
    """Why a Job makes no pod stands only in Events, which the operator may not read."""
    name = live["metadata"]["name"]
    text = f"Job {name} makes no Pod: a quota or an admission refuses it; see `kubectl describe job {name}`"
    return pods.PodProblem(reason=Reason.POD_NOT_CREATED, message=text)


def _next(observed: Observed, failure: Manifest | None, result: Result | None, *, digest: str, now: datetime) -> Gate:
    taken = max((attempt_of(job) for job in observed.jobs if _digest(job) == digest), default=0)
    sequence = max(map(_age, observed.jobs), default=0) + 1
    start = Gate(state=State.START, digest=digest, attempt=taken + 1, sequence=sequence, result=result)
    if failure is None or result is None:
        return replace(start, problem=_refused_before(observed))
    failures = _failures_before(failure) + 1
    name = failure["metadata"]["name"]
    ended = replace(start, state=State.EXHAUSTED, attempt=attempt_of(failure), failures=failures, job=name)
    exhausted = failures >= observed.resource.spec.migrations.backoff_limit
    if exhausted and result.reason not in TRANSIENT:
        return ended
    retry_at = _ended(failure) + min(BACKOFF * 2 ** min(failures - 1, 10), MAX_BACKOFF)
    if now < retry_at:
        return replace(ended, state=State.EXHAUSTED if exhausted else State.BACKOFF, retry_at=retry_at)
    return replace(start, failures=failures)


def superfluous(observed: Observed, *, keep: str) -> tuple[str, ...]:
    """Names of finished Jobs beside the newest success and the newest failures of the digest `keep` or of any."""
    jobs = sorted(observed.jobs, key=_age)
    successes = [job["metadata"]["name"] for job in jobs if succeeded(job)]
    failures = [job["metadata"]["name"] for job in jobs if failed(job)]
    ours = [job["metadata"]["name"] for job in jobs if failed(job) and _digest(job) == keep]
    kept = {*successes[-1:], *failures[-1:], *ours[-1:]}
    return tuple(name for name in (*successes, *failures) if name not in kept)


def result_of(job: Manifest, observed: Observed) -> Result:
    """The Job's own words; where there are none, what Kubernetes says about its end."""
    for pod in pods.of_job(observed.pods, job):
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


def _failures_before(job: Manifest) -> int:
    """Failures of its digest between the last success and this Job; where no label says so, every earlier attempt."""
    return int(job["metadata"].get("labels", {}).get(labels.FAILURES, attempt_of(job) - 1))


def _digest(job: Manifest) -> str | None:
    digest: str | None = job["metadata"].get("labels", {}).get(labels.MIGRATION_HASH)
    return digest


def _age(job: Manifest) -> int:
    return int(job["metadata"].get("labels", {}).get(labels.SEQUENCE, "0"))


def _ended(job: Manifest) -> datetime:
    stamp = (condition(job, "Failed") or {}).get("lastTransitionTime")
    return datetime.fromisoformat(stamp) if stamp else datetime(1970, 1, 1, tzinfo=UTC)
