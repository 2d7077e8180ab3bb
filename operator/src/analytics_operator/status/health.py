"""CacheAvailable, and what Available and Ready say of the store: whether the API's pods reach them.

Pods stay in the Service while the store is away: each of their answers says so, where an empty Service would not.
"""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.state.health import LastHealth, Reach
from analytics_operator.state.observed import Observed
from analytics_operator.status.condition import Blocker, StatusCondition, Verdict
from analytics_operator.status.facts import Facts

_MISSED = {
    Type.AVAILABLE: frozenset({Reason.DATABASE_UNREACHABLE, Reason.PODS_UNREACHABLE}),
    Type.CACHE_AVAILABLE: frozenset({Reason.REDIS_UNREACHABLE, Reason.PODS_UNREACHABLE}),
}
_STATUS = {"True": True, "False": False}


def missed(observed: Observed) -> bool:
    """Whether the last status says that something is not reached."""
    return any(_before(observed, kind) for kind in _MISSED)


def store(facts: Facts) -> Verdict | None:
    """The verdict on a store that no pod reaches, or of which none answers; None where it is reached.

    Pods that are not available have a nearer cause not to answer.
    """
    verdict = _store(facts)
    known = verdict is not None and verdict.status is not None
    return verdict if known or _available(facts) else None


def _available(facts: Facts) -> bool:
    return facts.rollout is not None and facts.rollout.available


def _store(facts: Facts) -> Verdict | None:
    name = facts.resource.metadata.name
    match facts.observed.health.database:
        case Reach.UNREACHED:
            text = f"no pod reaches the database, and every request is 503: see `kubectl logs deployment/{name}`"
            return Verdict(False, Reason.DATABASE_UNREACHABLE, text)
        case Reach.UNKNOWN:
            return _unknown("database")
        case Reach.NOT_POLLED:
            return _before(facts.observed, Type.AVAILABLE)
        case Reach.REACHED | Reach.NO_PODS:
            return None


def unreachable_store(facts: Facts) -> Blocker | None:
    """No failure of the operator: it has nothing to try, and pods find the database again by themselves."""
    verdict = store(facts)
    if facts.rollout is None or verdict is None:
        return None
    return Blocker(verdict.reason, verdict.message, stalled=False, known=verdict.status is not None)


def _cache_available(facts: Facts) -> Verdict:
    health: LastHealth = facts.observed.health
    if health.cache is Reach.UNREACHED:
        cure = health.detail or f"see `kubectl logs deployment/{facts.resource.metadata.name}`"
        text = f"no pod reaches Redis; answers are slower, and each pod limits rates by itself: {cure}"
        return Verdict(False, Reason.REDIS_UNREACHABLE, text)
    if health.cache is Reach.UNKNOWN and _available(facts):
        return _unknown("Redis")
    if health.cache is Reach.NOT_POLLED and (before := _before(facts.observed, Type.CACHE_AVAILABLE)):
        return before
    return Verdict(True, Reason.REACHABLE, "pods reach Redis, or none serves yet")


CACHE_AVAILABLE = StatusCondition(
    type=Type.CACHE_AVAILABLE,
    derive=_cache_available,
    shown=lambda facts: facts.resource.spec.redis is not None and facts.rollout is not None,
)


def _unknown(part: str) -> Verdict:
    text = (
        f"no pod tells the operator whether it reaches the {part}: let the operator's pods connect to port http of the "
        "API's, in network policies and in the policy of a service mesh"
    )
    return Verdict(None, Reason.PODS_UNREACHABLE, text)


def _before(observed: Observed, kind: Type) -> Verdict | None:
    before = observed.previous_condition(kind)
    if before is None or before["reason"] not in _MISSED[kind]:
        return None
    return Verdict(_STATUS.get(before["status"]), before["reason"], before["message"])
