"""ConnectionBudget: whether the database allows the connections that all pods may open together. A warning only.

All pods are those of every resource whose worker reports the same server, role or database.
"""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.api.database import MIN_POOL_SIZE
from analytics_operator.state import replicas
from analytics_operator.state.image import Setting
from analytics_operator.state.sharing import share_of
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts
from analytics_operator.status.migration import schema

MAX_NAMED = 5


def _limit(facts: Facts) -> int | None:
    """As the last migration that saw the database found it."""
    limit: int | None = (schema(facts) or {}).get("connectionLimit")
    return limit


def _connection_budget(facts: Facts) -> Verdict:
    before = facts.observed.previous_condition(Type.CONNECTION_BUDGET)
    if facts.observed.peers is None and before is not None:  # an operator that has just begun knows no others
        return Verdict(before["status"] == "True", before["reason"], before["message"])
    alone = _alone(facts)
    exceeded = _exceeded_together(facts) if alone.status else None
    return Verdict(False, Reason.EXCEEDS_LIMIT, exceeded) if exceeded else alone


def _alone(facts: Facts) -> Verdict:
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


def _exceeded_together(facts: Facts) -> str | None:
    """The limit that all resources of a server exceed together.

    Within it nothing is said of others: each of them that comes or goes would be a write to all.
    """
    store, peers = facts.observed.worker.store, facts.observed.peers
    if store is None or not peers:
        return None
    metadata = facts.resource.metadata
    own = share_of(facts.resource, facts.gate.settings).connections
    scopes = (
        ("the server", store.server_connections, peers),
        ("their role", store.role_connections, tuple(peer for peer in peers if peer.same_role)),
        ("their database", store.database_connections, tuple(peer for peer in peers if peer.same_database)),
    )
    for scope, limit, sharing in scopes:
        total = own + sum(peer.share.connections for peer in sharing)
        if limit is None or not sharing or total <= limit:
            continue
        parts = [f"{metadata.namespace}/{metadata.name} {own}"]
        parts += [f"{peer.key.text} {peer.share.connections}" for peer in sharing[:MAX_NAMED]]
        more = f" and {len(sharing) - MAX_NAMED} more" if len(sharing) > MAX_NAMED else ""
        named = f"{', '.join(parts)}{more}"
        return (
            f"pods of {len(sharing) + 1} resources may open {total} connections ({named}), and {scope} allows {limit}: "
            "set database.connectionBudget of each so that together they stay within it, or have it allow more"
        )
    return None


CONNECTION_BUDGET = StatusCondition(
    type=Type.CONNECTION_BUDGET, derive=_connection_budget, shown=lambda facts: _limit(facts) is not None
)
