"""What is said of the policies, for people and for the operator. Pure."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from analytics_service.policies.desired import GOVERNED, Policy, Values, shown
from analytics_service.policies.plan import Drift, ObservedStore, PolicyChange, PolicyPlan


class PolicyReason(StrEnum):
    """Part of what the worker reports, so the values never change."""

    APPLIED = "Applied"
    DESTRUCTIVE = "DestructiveChange"
    INVALID = "Invalid"
    FAILED = "Failed"
    PENDING = "Pending"
    """It loses nothing, and was not applied yet."""


class PolicyState(StrEnum):
    APPLIED = "Applied"
    PENDING = "Pending"
    UNAVAILABLE = "Unavailable"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class PolicyRow:
    name: Policy
    wanted: str
    found: str
    state: PolicyState
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the store stands to what is wanted; `plan` is the hash that would approve what was held back."""

    reason: PolicyReason
    message: str
    plan: str | None
    table: tuple[PolicyRow, ...]
    applied: tuple[PolicyChange, ...] = ()
    healed: tuple[Drift, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        table = [asdict(row) for row in self.table]
        return {"reason": self.reason, "message": self.message, "plan": self.plan, "table": table}


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was done, and what was not."""

    wrong: str | None = None
    """The rules that the values break: then nothing of them was applied."""
    applied: tuple[PolicyChange, ...] = ()
    healed: tuple[Drift, ...] = ()
    failures: Mapping[Policy, str] = field(default_factory=dict)


def summed_up(values: Values, found: ObservedStore, held: PolicyPlan, done: Done) -> Outcome:
    """`found` is the store afterwards, `held` what was not applied."""
    table = tuple(_row(policy, values, found, held, done) for policy in values)
    if done.wrong is not None:
        reason, message = PolicyReason.INVALID, f"nothing was changed: {done.wrong}"
    elif done.failures:
        reason, message = PolicyReason.FAILED, "; ".join(f"{policy}: {text}" for policy, text in done.failures.items())
    elif held.destructive:
        reason, message = PolicyReason.DESTRUCTIVE, _held_back(held)
    elif held.changes:
        reason, message = PolicyReason.PENDING, "; ".join(str(change) for change in held.changes)
    else:
        reason, message = PolicyReason.APPLIED, "the store is as wanted"
    return Outcome(
        reason=reason,
        message=message,
        plan=held.hash if done.wrong is None else None,
        table=table,
        applied=done.applied,
        healed=done.healed,
    )


def _held_back(held: PolicyPlan) -> str:
    lost = "; ".join(f"{change} would lose {change.loss}" for change in held.destructive)
    return f"held back: {lost}; to allow it set ALLOW_DESTRUCTIVE (spec.migrations.allowDestructive) to {held.hash}"


def _row(policy: Policy, values: Values, found: ObservedStore, held: PolicyPlan, done: Done) -> PolicyRow:
    wanted, there = shown(policy, values[policy]), _found(policy, found)
    state, message = PolicyState.APPLIED, "; ".join(each.message for each in done.healed if each.policy is policy)
    change = next((each for each in held.changes if each.policy is policy), None)
    if policy in done.failures:
        state, message = PolicyState.FAILED, done.failures[policy]
    elif policy is Policy.COMPRESSION and not found.compresses and values[policy] is not None:
        state, message = PolicyState.UNAVAILABLE, "only the community edition of TimescaleDB compresses"
    elif change is not None:
        state = PolicyState.PENDING
        message = done.wrong or (f"would lose {change.loss}" if change.loss is not None else "loses nothing")
    return PolicyRow(name=policy, wanted=wanted, found=there, state=state, message=message)


def _found(policy: Policy, found: ObservedStore) -> str:
    """What holds in the store: a retention that was never applied ends nothing."""
    if policy in GOVERNED:
        accepted = found.accepted.get(policy)
        return shown(policy, None if accepted is None else accepted.value)
    if policy is Policy.CHUNK:
        return shown(policy, found.chunk_hours)
    return shown(policy, None if found.compress_after is None else max(found.compress_after.days, 1))
