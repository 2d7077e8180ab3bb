"""ConnectionBudget: whether the database allows the connections that all pods may open together. A warning only."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.api.database import MIN_POOL_SIZE
from analytics_operator.state import replicas
from analytics_operator.state.image import Setting
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts
from analytics_operator.status.migration import schema


def _limit(facts: Facts) -> int | None:
    """As the last migration that saw the database found it."""
    limit: int | None = (schema(facts.gate, facts.observed.previous_status) or {}).get("connectionLimit")
    return limit


def _connection_budget(facts: Facts) -> Verdict:
    resource, limit = facts.resource, _limit(facts) or 0
    known = Setting.REFRESH_CONNECTIONS in facts.gate.settings
    refreshing = replicas.refresh_connections(resource, known=known)
    pool, pods = replicas.pool_size(resource, refreshing), replicas.maximum(resource) + 1
    total = replicas.connections(resource, pool, refreshing)
    sum_ = (
        f"{total} connections ({pool} in each of {pods} replicas during a roll-out, {total - pool * pods} beside them)"
    )
    if total <= limit:
        return Verdict(True, Reason.WITHIN_LIMIT, f"pods open at most {sum_}; the database allows {limit}")
    fits = replicas.connections(resource, MIN_POOL_SIZE, 0) <= limit
    cure = f"set database.connectionBudget to {limit} or less" if fits else "lower the replicas"
    text = f"pods may open {sum_}, and the database allows {limit}: {cure}, or have it allow more"
    return Verdict(False, Reason.EXCEEDS_LIMIT, text)


CONNECTION_BUDGET = StatusCondition(
    type=Type.CONNECTION_BUDGET, derive=_connection_budget, shown=lambda facts: _limit(facts) is not None
)
