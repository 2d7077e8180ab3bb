"""The gate: whether the database is migrated for the desired pods, and which Job to start if not. Pure.

One Job per attempt, named by the digest of what it migrates for; at most one is live; a live one is never killed once
it has run. One that makes no pod is replaced: the Job controller would wait longer after each refusal, and not see the
cure. The newest success decides: going back to an older image migrates again, and the service says whether that is
possible.

    no usable Secrets ── BLOCKED
    the newest success, or the released template, is of the digest ── DONE: the gate is open
    a Job is live ── RUNNING, or SUPERSEDED where it migrates for another digest
    else ── START, or after a failure BACKOFF, or EXHAUSTED once backoffLimit attempts failed
    ... but not while the pods to release are REFUSED, nor in the mode Manual before state/approval.py has it start
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from analytics_operator.api.conditions import Reason
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import names
from analytics_operator.kube.objects import Manifest
from analytics_operator.state import digests, jobs, pods
from analytics_operator.state.observed import Observed, Released
from analytics_operator.state.secrets import Credentials

BACKOFF = timedelta(seconds=5)
MAX_BACKOFF = timedelta(seconds=30)
POD_TIMEOUT = timedelta(seconds=20)
"""Age at which a Job without a pod is reported and replaced."""

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
        "UnsupportedDatabase",
        "OldReleasesConnected",
        "Terminated",
        "NoResult",
    }
)
"""Failures of the surroundings: retried without a bound, since their cure may change nothing that the operator sees."""


class State(StrEnum):
    BLOCKED = "Blocked"
    REFUSED = "Refused"
    DONE = "Done"
    RUNNING = "Running"
    SUPERSEDED = "Superseded"
    DRY_RUN = "DryRun"
    DRY_RUNNING = "DryRunning"
    PENDING_APPROVAL = "PendingApproval"
    START = "Start"
    BACKOFF = "Backoff"
    EXHAUSTED = "Exhausted"


@dataclass(frozen=True, kw_only=True)
class Gate:
    """The state of the migration for one digest."""

    state: State
    digest: str = ""
    attempt: int = 0
    """The attempt to start, that runs, or that failed last: a number that no other Job of the digest has."""
    failures: int = 0
    """Number of attempts for the digest that failed since the last success."""
    sequence: int = 0
    """Of the Job to start: one more than that of any other."""
    job: str | None = None
    """Name of the Job that the state is about."""
    result: jobs.Result | None = None
    """Of the newest success when done, else of the newest failure for the same digest."""
    problem: pods.PodProblem | None = None
    """The reason why the Job's pod does not run."""
    discard: str | None = None
    """A Job that is not needed any more and whose container never ran, or that makes no pod."""
    retry_at: datetime | None = None
    settings: tuple[str, ...] = ()
    """Those that the image to release knows; until the gate opens, those of the released one."""

    @property
    def open(self) -> bool:
        return self.state is State.DONE


def arguments(resource: AnalyticsApi) -> list[str]:
    timeout = str(resource.spec.migrations.timeout_seconds)
    return ["migrate", "--output", "json", "--result-file", "/dev/termination-log", "--timeout-seconds", timeout]


def pod_hash(resource: AnalyticsApi) -> str | None:
    """Of what users add to the pods of the Job; None where they add nothing."""
    migrations = resource.spec.migrations
    sections = (resource.spec.pod_of(migrations.pod), migrations.resources)
    added = [each.model_dump(mode="json", exclude_none=True) if each else {} for each in sections]
    return digests.of(added) if any(added) else None


def digest_of(resource: AnalyticsApi, database_digest: str) -> str:
    return digests.of([resource.spec.image.reference, arguments(resource), database_digest])


def decide(observed: Observed, credentials: Credentials, *, now: datetime) -> Gate:
    """The state of the gate for the pods of the spec as it is now."""
    gate = _decide(observed, credentials, now=now)
    return replace(gate, settings=_known_settings(gate, observed.released))


def _known_settings(gate: Gate, released: Released | None) -> tuple[str, ...]:
    """As the result of the migration lists them; those that were released with it where that is gone.

    An image that lists none is of 0.2.0 or earlier, or its result was lost: it is given what 0.2.0 knows.
    """
    if gate.open and gate.result is not None and gate.result.settings is not None:
        return gate.result.settings
    same = released is not None and (released.digest == gate.digest or not gate.open)
    return released.settings if released is not None and same else ()


def _decide(observed: Observed, credentials: Credentials, *, now: datetime) -> Gate:
    if credentials.database_digest is None:
        return Gate(state=State.BLOCKED)
    digest = digest_of(observed.resource, credentials.database_digest)
    attempts = sorted(observed.jobs, key=jobs.sequence_of)
    live = next((job for job in attempts if not jobs.finished(job)), None)
    success = next((job for job in reversed(attempts) if jobs.succeeded(job)), None)
    ours = success if success and jobs.digest_of(success) == digest else None
    released = observed.released  # stays true when the Job is deleted by hand
    if ours or (released and released.digest == digest):
        result = jobs.result_of(ours, observed.pods) if ours else None
        discard = live["metadata"]["name"] if live and _never_runs(live, observed) else None
        return Gate(state=State.DONE, digest=digest, result=result, discard=discard)
    # Only failures after the newest success count against backoffLimit: whoever went back to an older image and forward
    # again has all attempts once more.
    since = attempts[attempts.index(success) + 1 :] if success else attempts
    failure = next((job for job in reversed(since) if jobs.failed(job) and jobs.digest_of(job) == digest), None)
    result = jobs.result_of(failure, observed.pods) if failure else None
    if live:
        return while_live(live, observed, digest=digest, result=result, now=now)
    return _next(observed, failure, result, digest=digest, now=now)


def while_live(live: Manifest, observed: Observed, *, digest: str, result: jobs.Result | None, now: datetime) -> Gate:
    """The gate while that Job has not ended."""
    name = live["metadata"]["name"]
    own_pods = pods.of_job(observed.pods, live)
    # The Job's own count is believed too: its pod may be gone again when the pods are listed.
    begun = own_pods or live.get("status", {}).get("active")
    refused = not begun and jobs.time_since_creation(live, now=now) >= POD_TIMEOUT
    problem = pods.problem(own_pods) if own_pods else _no_pod(live) if refused else _refused_before(observed)
    current = jobs.digest_of(live) == digest
    # A Job for an earlier spec is waited for, since two migrations must not run on one database; unless its container
    # never ran and cannot, as with an image that does not exist, or with a node that is not there: it would be in the
    # way of its own cure.
    outdated = not current or jobs.pod_hash_of(live) != pod_hash(observed.resource)
    stuck = problem is not None and pods.never_started(own_pods)
    return Gate(
        state=State.RUNNING if current else State.SUPERSEDED,
        digest=digest,
        attempt=jobs.attempt_of(live),
        job=name,
        result=result,
        problem=problem,
        discard=name if refused or (stuck and outdated) else None,
    )


def _never_runs(live: Manifest, observed: Observed) -> bool:
    """Whether the container of the Job never ran, and cannot: as of a tag that was a mistake, and was taken back."""
    own_pods = pods.of_job(observed.pods, live)
    return pods.problem(own_pods) is not None and pods.never_started(own_pods)


def _refused_before(observed: Observed) -> pods.PodProblem | None:
    """The problem of the Job before this one, where that made no pod: until this one makes one, nothing is better."""
    before = observed.previous_condition("Migrated") or {}
    if before.get("reason") != Reason.POD_NOT_CREATED:
        return None
    return pods.PodProblem(reason=Reason.POD_NOT_CREATED, message=before["message"])


def _no_pod(live: Manifest) -> pods.PodProblem:
    """The cause stands only in Events, which the operator may not read: the message says where to find it."""
    name = live["metadata"]["name"]
    text = f"Job {name} makes no Pod: a quota or an admission refuses it; see `kubectl describe job {name}`"
    return pods.PodProblem(reason=Reason.POD_NOT_CREATED, message=text)


def _next(
    observed: Observed, failure: Manifest | None, result: jobs.Result | None, *, digest: str, now: datetime
) -> Gate:
    # Numbers of attempts are never used twice while a Job that has one is there: the name of a Job holds it.
    like = names.migrate_job(observed.resource.metadata.name, digest, 0)
    orphaned = (names.attempt_of(job, like) for job in observed.orphaned_jobs)
    ours = (jobs.attempt_of(job) for job in observed.jobs if jobs.digest_of(job) == digest)
    taken = max((*ours, *orphaned), default=0)
    sequence = max(map(jobs.sequence_of, observed.jobs), default=0) + 1
    start = Gate(state=State.START, digest=digest, attempt=taken + 1, sequence=sequence, result=result)
    if failure is None or result is None:
        return replace(start, problem=_refused_before(observed))
    failures = jobs.failures_before(failure) + 1
    job = failure["metadata"]["name"]
    ended = replace(start, state=State.EXHAUSTED, attempt=jobs.attempt_of(failure), failures=failures, job=job)
    exhausted = failures >= observed.resource.spec.migrations.backoff_limit
    if exhausted and result.reason not in TRANSIENT:
        return ended
    retry_at = jobs.ended_at(failure) + min(BACKOFF * 2 ** min(failures - 1, 10), MAX_BACKOFF)
    # A transient failure past the limit stays EXHAUSTED while it waits: the resource is Stalled, and yet tried again.
    if now < retry_at:
        return replace(ended, state=State.EXHAUSTED if exhausted else State.BACKOFF, retry_at=retry_at)
    return replace(start, failures=failures)


def superfluous(observed: Observed, *, keep: str) -> tuple[str, ...]:
    """Names of finished Jobs beside the newest success and the newest failures of the digest `keep` or of any."""
    attempts = sorted(observed.jobs, key=jobs.sequence_of)
    successes = [job["metadata"]["name"] for job in attempts if jobs.succeeded(job)]
    failures = [job["metadata"]["name"] for job in attempts if jobs.failed(job)]
    ours = [job["metadata"]["name"] for job in attempts if jobs.failed(job) and jobs.digest_of(job) == keep]
    retained = {*successes[-1:], *failures[-1:], *ours[-1:]}
    return tuple(name for name in (*successes, *failures) if name not in retained)
