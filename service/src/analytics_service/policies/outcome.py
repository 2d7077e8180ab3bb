"""The outcome of planning or applying policies, for people and for the operator. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from analytics_service.policies.desired import GOVERNED, Policy, Values, format_value
from analytics_service.policies.plan import Drift, ObservedStore, PolicyChange, PolicyPlan


class PolicyReason(StrEnum):
    """Part of what the worker reports, so the values never change."""

    APPLIED = "Applied"
    DESTRUCTIVE = "DestructiveChange"
    INVALID = "Invalid"
    FAILED = "Failed"
    PENDING = "Pending"
    """The change loses nothing, and was not applied yet."""


class PolicyState(StrEnum):
    APPLIED = "Applied"
    PENDING = "Pending"
    UNAVAILABLE = "Unavailable"
    FAILED = "Failed"


@dataclass(frozen=True, kw_only=True)
class PolicyRow:
    policy: Policy
    desired: str
    actual: str
    state: PolicyState
    message: str = ""

    def as_dict(self) -> dict[str, str]:
        """With the names that released versions report."""
        return {
            "name": self.policy,
            "wanted": self.desired,
            "found": self.actual,
            "state": self.state,
            "message": self.message,
        }


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The differences of the store from the desired policies; `plan` is the hash that approves the pending changes."""

    reason: PolicyReason
    message: str
    plan: str | None
    table: tuple[PolicyRow, ...]
    applied: tuple[PolicyChange, ...] = ()
    drift_corrected: tuple[Drift, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """As the worker reports it, and `policies --output json` prints it."""
        table = [row.as_dict() for row in self.table]
        return {"reason": self.reason, "message": self.message, "plan": self.plan, "table": table}


@dataclass(frozen=True, kw_only=True)
class Actions:
    """The changes that were made to the store, and the failures."""

    violations: str | None = None
    """The rules that the values violate: then none of them was applied."""
    applied: tuple[PolicyChange, ...] = ()
    drift_corrected: tuple[Drift, ...] = ()
    failures: Mapping[Policy, str] = field(default_factory=dict)


def summarize(values: Values, store: ObservedStore, pending: PolicyPlan, actions: Actions) -> Outcome:
    """The outcome, from the store after the actions and the changes that were not applied."""
    table = tuple(_row(policy, values, store, pending, actions) for policy in values)
    if actions.violations is not None:
        reason, message = PolicyReason.INVALID, f"nothing was changed: {actions.violations}"
    elif actions.failures:
        reason = PolicyReason.FAILED
        message = "; ".join(f"{policy}: {text}" for policy, text in actions.failures.items())
    elif pending.destructive:
        reason, message = PolicyReason.DESTRUCTIVE, _pending_approval(pending)
    elif pending.changes:
        reason, message = PolicyReason.PENDING, "; ".join(str(change) for change in pending.changes)
    else:
        reason, message = PolicyReason.APPLIED, "the store is as desired"
    return Outcome(
        reason=reason,
        message=message,
        plan=pending.hash if actions.violations is None else None,
        table=table,
        applied=actions.applied,
        drift_corrected=actions.drift_corrected,
    )


def _pending_approval(pending: PolicyPlan) -> str:
    losses = "; ".join(f"{change} would lose {change.loss}" for change in pending.destructive)
    setting = "ALLOW_DESTRUCTIVE (spec.migrations.allowDestructive)"
    return f"pending approval: {losses}; to allow it set {setting} to {pending.hash}"


def _row(policy: Policy, values: Values, store: ObservedStore, pending: PolicyPlan, actions: Actions) -> PolicyRow:
    state = PolicyState.APPLIED
    message = "; ".join(each.message for each in actions.drift_corrected if each.policy is policy)
    change = next((each for each in pending.changes if each.policy is policy), None)
    if policy in actions.failures:
        state, message = PolicyState.FAILED, actions.failures[policy]
    elif policy is Policy.COMPRESSION and not store.compresses and values[policy] is not None:
        state, message = PolicyState.UNAVAILABLE, "only the community edition of TimescaleDB compresses"
    elif change is not None:
        state = PolicyState.PENDING
        message = actions.violations or (f"would lose {change.loss}" if change.loss is not None else "loses nothing")
    return PolicyRow(
        policy=policy,
        desired=format_value(policy, values[policy]),
        actual=_actual(policy, store),
        state=state,
        message=message,
    )


def _actual(policy: Policy, store: ObservedStore) -> str:
    """The value that holds in the store: a retention that was never applied ends nothing."""
    if policy in GOVERNED:
        accepted = store.accepted.get(policy)
        return format_value(policy, None if accepted is None else accepted.value)
    if policy is Policy.CHUNK:
        return format_value(policy, store.chunk_hours)
    return format_value(policy, None if store.compress_after is None else max(store.compress_after.days, 1))
