"""Migrated: the reason and the message of the newest attempt to migrate the database."""

from typing import Any

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.api.status import MAX_PENDING
from analytics_operator.api.v1alpha1 import KIND
from analytics_operator.kube import labels, names
from analytics_operator.state import approval
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed
from analytics_operator.status.condition import Blocker, StatusCondition, Verdict
from analytics_operator.status.facts import Facts

_WAITS = {
    State.BLOCKED: Verdict(False, Reason.WAITING_FOR_SECRETS, "the migration starts when the Secrets are there"),
    State.REFUSED: Verdict(False, Reason.PODS_REFUSED, "the migration starts when the pods that follow are accepted"),
}


def migrated(observed: Observed, gate: Gate) -> Verdict:
    if gate.state is State.DONE:
        return _done(observed, gate)
    if gate.state in _WAITS:
        return _WAITS[gate.state]
    if gate.state is State.PENDING_APPROVAL:
        return Verdict(False, Reason.AWAITING_APPROVAL, _approval(observed, gate))
    if gate.state is State.SUPERSEDED:
        text = f"Job {gate.job} migrates for an earlier spec; the next one starts when it has ended"
        return Verdict(False, Reason.SUPERSEDED, text)
    if gate.result:
        return Verdict(False, gate.result.reason, f"{gate.result.message} ({_attempts(observed, gate)})")
    if observed.resource.spec.suspend and gate.state in {State.START, State.DRY_RUN}:
        return Verdict(False, Reason.SUSPENDED, "the migration starts when suspend is false")
    if gate.problem:
        return Verdict(False, gate.problem.reason, gate.problem.message)
    return _running(observed, gate)


def _done(observed: Observed, gate: Gate) -> Verdict:
    before = observed.previous_condition(Type.MIGRATED)
    if gate.result:
        return Verdict(True, gate.result.reason, gate.result.message)
    if before and before["status"] == "True":  # the Job is gone; its result stays
        return Verdict(True, before["reason"], before["message"])
    return Verdict(True, Reason.MIGRATED, "the database was migrated for the released pods")


def _running(observed: Observed, gate: Gate) -> Verdict:
    if gate.state in {State.DRY_RUN, State.DRY_RUNNING}:
        return Verdict(False, Reason.PLANNING, "a Job finds out what the migration would change")
    name = gate.job or names.migrate_job(observed.resource.metadata.name, gate.digest, gate.attempt)
    return Verdict(False, Reason.MIGRATING, f"Job {name} migrates the database")


def _approval(observed: Observed, gate: Gate) -> str:
    plan = approval.plan_of(observed, gate)
    if plan is None:
        return "the plan of the migration is made again"
    metadata = observed.resource.metadata
    command = (
        f"kubectl annotate --overwrite -n {metadata.namespace} {KIND.lower()} {metadata.name} "
        f"{labels.APPROVED_MIGRATION}={plan.hash}"
    )
    return f"migrations wait ({len(plan.pending)}, see status.migrationPlan); to start them: {command}"


def _attempts(observed: Observed, gate: Gate) -> str:
    limit = observed.resource.spec.migrations.backoff_limit
    match gate.state:
        case State.EXHAUSTED if gate.retry_at is None:
            return f"failure {gate.failures} of {limit}; when it is cured, delete Job {gate.job} to try again"
        case State.EXHAUSTED | State.BACKOFF:
            return f"Job {gate.job} was attempt {gate.attempt}; the next one follows"
        case _:
            return f"attempt {gate.attempt} runs"


MIGRATED = StatusCondition(type=Type.MIGRATED, derive=lambda facts: migrated(facts.observed, facts.gate))


def closed_gate(facts: Facts) -> Blocker | None:
    """Stalled once the attempts are used up, also where a passing failure is retried for ever."""
    gate = facts.gate
    if gate.open:
        return None
    verdict, stalled = migrated(facts.observed, gate), gate.state is State.EXHAUSTED
    if gate.result is None:
        return Blocker(verdict.reason, verdict.message, stalled)
    return Blocker(Reason.MIGRATION_FAILED, f"{verdict.reason}: {verdict.message}", stalled)


def plan(observed: Observed, gate: Gate) -> dict[str, Any] | None:
    """For status.migrationPlan, while it waits for its approval."""
    waiting = approval.plan_of(observed, gate) if gate.state is State.PENDING_APPROVAL else None
    if waiting is None:
        return None
    return {
        "hash": waiting.hash,
        "version": waiting.version,
        "target": waiting.target,
        "pending": list(waiting.pending[:MAX_PENDING]),
    }


def schema(facts: Facts) -> dict[str, Any] | None:
    """Of the last migration that saw the database; as it was released where the status has been lost."""
    released, result = facts.observed.released, facts.gate.result
    before = facts.observed.previous_status.get("schema") or (released and released.schema) or {}
    return {**before, **((result and result.schema_status) or {})} or None
