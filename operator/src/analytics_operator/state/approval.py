"""The mode Manual: what a migration would change is found out by a dry run, and waits until its hash is approved. Pure.

the dry run is live ── DRY_RUNNING
it found nothing to do, or its plan's hash is approved ── START: the migration itself
it found something ── PENDING_APPROVAL
there was none, or its result is gone ── DRY_RUN: one to start; after a failure BACKOFF before it
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from analytics_operator.api.migrations import Mode
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import Manifest
from analytics_operator.state import digests, jobs
from analytics_operator.state.migration import MAX_BACKOFF, Gate, State, while_live
from analytics_operator.state.observed import Observed


@dataclass(frozen=True, kw_only=True)
class MigrationPlan:
    """The migrations that wait, and the hash that approves exactly them, for this database and image."""

    hash: str
    version: int
    target: int
    pending: tuple[str, ...]


def decide(observed: Observed, gate: Gate, *, now: datetime) -> Gate:
    """The gate, where the migration starts by itself or may start; else what its approval waits for."""
    if gate.state is not State.START or observed.resource.spec.migrations.mode is not Mode.MANUAL:
        return gate
    runs = _of_digest(observed, gate.digest)
    failure = jobs.result_of(runs[-1], observed.pods) if runs and jobs.failed(runs[-1]) else None
    live = next((job for job in observed.dry_runs if not jobs.finished(job)), None)
    if live:
        running = while_live(live, observed, digest=gate.digest, result=failure, now=now)
        return running if running.state is State.SUPERSEDED else replace(running, state=State.DRY_RUNNING)
    sequence = max(map(jobs.sequence_of, observed.dry_runs), default=0) + 1
    like = names.dry_run_job(observed.resource.metadata.name, gate.digest, 0)
    orphaned = (names.attempt_of(job, like) for job in observed.orphaned_jobs)
    attempt = max((*map(jobs.attempt_of, runs), *orphaned), default=0) + 1
    start = replace(gate, state=State.DRY_RUN, attempt=attempt, sequence=sequence)
    if not runs:
        return start
    plan = plan_of(observed, gate)
    if plan is None:
        return _again(start, runs[-1], observed, now=now)
    approved = observed.resource.metadata.annotations.get(labels.APPROVED_MIGRATION)
    if not plan.pending or approved == plan.hash:
        return gate
    return replace(gate, state=State.PENDING_APPROVAL, job=runs[-1]["metadata"]["name"])


def plan_of(observed: Observed, gate: Gate) -> MigrationPlan | None:
    """What the last dry run for the digest found; None where it failed, or its result is gone with its pod."""
    runs = _of_digest(observed, gate.digest)
    if not runs or not jobs.succeeded(runs[-1]):
        return None
    result = jobs.result_of(runs[-1], observed.pods)
    if result.target is None or result.version is None:
        return None
    return MigrationPlan(
        hash=digests.of([gate.digest, result.version, result.pending]),
        version=result.version,
        target=result.target,
        pending=result.pending,
    )


def superfluous(observed: Observed, gate: Gate) -> Iterator[str]:
    """Names of finished dry runs: all but the last of the digest, until that is migrated."""
    runs = _of_digest(observed, gate.digest)
    retained = runs[-1:] if not gate.open else []
    for job in observed.dry_runs:
        if jobs.finished(job) and job not in retained:
            yield job["metadata"]["name"]


def _again(start: Gate, last: Manifest, observed: Observed, *, now: datetime) -> Gate:
    """The next dry run. A result that goes with its pod, as of a node that is removed, is no failure."""
    name, retry_at = last["metadata"]["name"], jobs.ended_at(last) + MAX_BACKOFF
    result = jobs.result_of(last, observed.pods) if jobs.failed(last) else None
    if now >= retry_at:
        return replace(start, job=name, result=result)
    missing = jobs.Result(outcome="failed", reason="NoResult", message=f"Job {name} left no result of its dry run")
    attempt = jobs.attempt_of(last)
    return replace(start, state=State.BACKOFF, attempt=attempt, retry_at=retry_at, job=name, result=result or missing)


def _of_digest(observed: Observed, digest: str) -> list[Manifest]:
    found = (job for job in observed.dry_runs if jobs.digest_of(job) == digest and jobs.finished(job))
    return sorted(found, key=jobs.sequence_of)
