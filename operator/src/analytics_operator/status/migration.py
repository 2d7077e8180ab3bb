"""What the status says of the migration. Pure."""

from collections.abc import Mapping
from typing import Any

from analytics_operator.api.conditions import Condition, Reason, Type
from analytics_operator.kube import names
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed


def condition(observed: Observed, gate: Gate) -> Condition:
    """Migrated, with the reason of the newest attempt."""
    before = next((c for c in observed.previous_status.get("conditions", []) if c["type"] == Type.MIGRATED), None)
    if gate.state is State.DONE:
        if gate.result:
            return Condition(Type.MIGRATED, True, gate.result.reason, gate.result.message)
        if before and before["status"] == "True":  # the Job is gone; what it said stays
            return Condition(Type.MIGRATED, True, before["reason"], before["message"])
        return Condition(Type.MIGRATED, True, Reason.MIGRATED, "the database was migrated for the released pods")
    if gate.state is State.BLOCKED:
        return Condition(
            Type.MIGRATED, False, Reason.WAITING_FOR_SECRETS, "the migration starts when the Secrets are there"
        )
    if gate.state is State.SUPERSEDED:
        text = f"Job {gate.job} migrates for an earlier spec; the next one starts when it has ended"
        return Condition(Type.MIGRATED, False, Reason.SUPERSEDED, text)
    if gate.result:
        return Condition(
            Type.MIGRATED, False, gate.result.reason, f"{gate.result.message} ({_attempts(observed, gate)})"
        )
    if observed.resource.spec.suspend and gate.state is State.START:
        return Condition(Type.MIGRATED, False, Reason.SUSPENDED, "the migration starts when suspend is false")
    if gate.problem:
        return Condition(Type.MIGRATED, False, gate.problem.reason, gate.problem.message)
    name = gate.job or names.migrate_job(observed.resource.metadata.name, gate.digest, gate.attempt)
    return Condition(Type.MIGRATED, False, Reason.MIGRATING, f"Job {name} migrates the database")


def _attempts(observed: Observed, gate: Gate) -> str:
    limit = observed.resource.spec.migrations.backoff_limit
    match gate.state:
        case State.EXHAUSTED if gate.retry_at is None:
            return f"failure {gate.failures} of {limit}; when it is cured, delete Job {gate.job} to try again"
        case State.EXHAUSTED | State.BACKOFF:
            return f"Job {gate.job} was attempt {gate.attempt}; the next one follows"
        case _:
            return f"attempt {gate.attempt} runs"


def schema(gate: Gate, previous: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of the last migration that saw the database: one that did not knows no edition."""
    before: dict[str, Any] = previous.get("schema", {})
    if gate.result is None or gate.result.edition is None:
        return before or None
    return before | gate.result.model_dump(include={"version", "target", "edition"}, exclude_none=True)
