"""Available and Progressing: the pods that serve, and how far their rollout is."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.state.migration import State
from analytics_operator.state.rollout import Rollout
from analytics_operator.status.condition import Blocker, StatusCondition, Verdict
from analytics_operator.status.facts import Facts
from analytics_operator.status.health import store

NOT_DEPLOYED = "there is no Deployment yet"
MAX_NAMED = 8
MIGRATING = frozenset({State.START, State.RUNNING, State.SUPERSEDED, State.DRY_RUN, State.DRY_RUNNING})


def _available(facts: Facts) -> Verdict:
    rollout = facts.rollout
    if rollout is None:
        return Verdict(False, Reason.NOT_DEPLOYED, NOT_DEPLOYED)
    if missed := store(facts):
        return missed
    reason = Reason.AVAILABLE if rollout.available else Reason.UNAVAILABLE
    return Verdict(rollout.available, reason, f"{rollout.ready} of {rollout.desired} replicas are ready")


def _progressing(facts: Facts) -> Verdict:
    rollout = facts.rollout
    if facts.gate.state in MIGRATING and not facts.suspended:
        return Verdict(True, Reason.MIGRATING, "the database is migrated before pods are released")
    if rollout is None:
        return Verdict(False, Reason.NOT_DEPLOYED, NOT_DEPLOYED)
    if rollout.complete:
        return Verdict(False, Reason.RELEASED, _counts(rollout))
    if rollout.failure and rollout.failure.stalled:
        return Verdict(False, rollout.failure.reason, rollout.failure.message)
    return Verdict(True, Reason.ROLLING_OUT, _counts(rollout))


AVAILABLE = StatusCondition(type=Type.AVAILABLE, derive=_available)
PROGRESSING = StatusCondition(type=Type.PROGRESSING, derive=_progressing)


def suspended_changes(facts: Facts) -> Blocker | None:
    waiting = [ref.text for ref in facts.applied.waiting]
    if not waiting:
        return None
    more = f" and {len(waiting) - MAX_NAMED} more" if len(waiting) > MAX_NAMED else ""
    text = f"{', '.join(waiting[:MAX_NAMED])}{more} would change: nothing is written until suspend is false"
    return Blocker(Reason.SUSPENDED, text, stalled=False)


def incomplete_rollout(facts: Facts) -> Blocker | None:
    if facts.rollout is None:
        return Blocker(Reason.NOT_DEPLOYED, NOT_DEPLOYED, stalled=False)
    return blocker_of(facts.rollout)


def blocker_of(rollout: Rollout, *, of: str = "") -> Blocker | None:
    """`of` names replicas that are not those of the API."""
    if rollout.failure:
        return Blocker(rollout.failure.reason, rollout.failure.message, stalled=rollout.failure.stalled)
    return None if rollout.complete else Blocker(Reason.ROLLING_OUT, _counts(rollout, of=of), stalled=False)


def serving(facts: Facts) -> str:
    """The message of a resource that is Ready."""
    rollout = facts.rollout
    suspended = "; nothing waits until suspend is false" if facts.suspended else ""
    return f"{rollout.ready} of {rollout.desired} replicas serve {rollout.image}{suspended}" if rollout else ""


def _counts(rollout: Rollout, *, of: str = "") -> str:
    return f"{rollout.updated} of {rollout.desired} replicas{of} are up to date, {rollout.ready} are ready"
