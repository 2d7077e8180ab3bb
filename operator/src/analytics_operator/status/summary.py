"""Ready, Reconciling and Stalled: one summary of everything that keeps a resource from being as it is declared."""

from collections.abc import Callable

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.status.condition import Blocker, StatusCondition, Verdict
from analytics_operator.status.deployment import incomplete_rollout, serving, suspended_changes
from analytics_operator.status.facts import Facts
from analytics_operator.status.health import unreachable_store
from analytics_operator.status.ingest import incomplete_ingest
from analytics_operator.status.migration import closed_gate
from analytics_operator.status.secrets import unusable_secret


def refused_child(facts: Facts) -> Blocker | None:
    if not facts.applied.refusals:
        return None
    first = facts.applied.refusals[0]
    return Blocker(first.reason, f"{first.ref.text}: {first.message}", stalled=True)


BLOCKERS: tuple[Callable[[Facts], Blocker | None], ...] = (
    refused_child,
    unusable_secret,
    closed_gate,
    unreachable_store,
    suspended_changes,
    incomplete_rollout,
    incomplete_ingest,
)
"""In the order of causes: the first one is what has to be cured before the next can be judged."""


def blocker(facts: Facts) -> Blocker | None:
    return next((found for check in BLOCKERS if (found := check(facts))), None)


def _ready(facts: Facts) -> Verdict:
    found = blocker(facts)
    if found is None:
        return Verdict(True, Reason.SUSPENDED if facts.suspended else Reason.AS_DECLARED, serving(facts))
    return Verdict(False if found.known else None, found.reason, found.message)


def _reconciling(facts: Facts) -> Verdict:
    found, ready = blocker(facts), _ready(facts)
    moving = found is not None and not found.stalled and not facts.suspended
    return Verdict(moving, Reason.SUSPENDED if facts.suspended else ready.reason, ready.message)


def _stalled(facts: Facts) -> Verdict:
    found = blocker(facts)
    if found is None:
        return Verdict(False, Reason.NOT_STALLED, "nobody's help is needed")
    if not found.stalled:
        return Verdict(
            False, Reason.NOT_STALLED, f"not Ready ({found.reason}); it goes on by itself once the cause is gone"
        )
    return Verdict(True, found.reason, found.message)


READY = StatusCondition(type=Type.READY, derive=_ready)
RECONCILING = StatusCondition(type=Type.RECONCILING, derive=_reconciling)
STALLED = StatusCondition(type=Type.STALLED, derive=_stalled)
