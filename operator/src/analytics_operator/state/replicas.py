"""The number of replicas, and who owns the field: the operator, or an autoscaler. Pure."""

from analytics_operator.api.database import (
    EXPORT_CONNECTIONS,
    INGEST_POOL_SIZE,
    MIN_POOL_SIZE,
    REFRESH_CONNECTIONS,
    RESERVED_CONNECTIONS,
)
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import labels
from analytics_operator.kube.objects import Manifest


def to_apply(resource: AnalyticsApi, deployment: Manifest | None) -> int | None:
    """The Deployment's replicas to apply; None where an autoscaler has taken the field over.

    Until it has, the field stays applied at its live value: one that nobody applies any more falls back to 1.
    """
    spec = resource.spec
    if spec.autoscaling is None:
        return spec.replicas
    if deployment and _owned_elsewhere(deployment):
        return None
    now = deployment["spec"]["replicas"] if deployment else spec.replicas
    return min(max(now, spec.autoscaling.min_replicas), spec.autoscaling.max_replicas)


def minimum(resource: AnalyticsApi) -> int:
    """The least number of replicas."""
    spec = resource.spec
    return spec.autoscaling.min_replicas if spec.autoscaling else spec.replicas


def maximum(resource: AnalyticsApi) -> int:
    """The greatest number of replicas, but for the one more of a roll-out."""
    spec = resource.spec
    return spec.autoscaling.max_replicas if spec.autoscaling else spec.replicas


def refresh_connections(resource: AnalyticsApi, *, known: bool) -> int:
    """Connections of the worker that works, beside its own: as many as the budget leaves; none of an older image."""
    budget, desired = resource.spec.database.connection_budget, resource.spec.worker.refresh_connections
    desired = REFRESH_CONNECTIONS if desired is None else desired
    if not known:
        return 0
    return desired if budget is None else min(max(budget - connections(resource, MIN_POOL_SIZE, 0), 0), desired)


def connections(resource: AnalyticsApi, pool: int, refreshing: int) -> int:
    """Connections of all pods together, at most, where each replica has so many: also while a roll-out migrates."""
    ingest = resource.spec.ingest_replicas
    beside = resource.spec.worker.replicas + refreshing + RESERVED_CONNECTIONS
    beside += INGEST_POOL_SIZE * (ingest + 1) if ingest else 0
    beside += EXPORT_CONNECTIONS * resource.spec.worker.replicas if resource.spec.exports else 0
    return pool * (maximum(resource) + 1) + beside


def pool_size(resource: AnalyticsApi, refreshing: int) -> int:
    """Connections of one replica: its share of the budget while a roll-out has one more, and at most poolSize."""
    spec = resource.spec
    if spec.database.connection_budget is None:
        return spec.database.pool_size
    share = (spec.database.connection_budget - connections(resource, 0, refreshing)) // (maximum(resource) + 1)
    return min(max(share, MIN_POOL_SIZE), spec.database.pool_size)


def _owned_elsewhere(deployment: Manifest) -> bool:
    return any(
        entry["manager"] != labels.FIELD_MANAGER and "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {})
        for entry in deployment["metadata"].get("managedFields", [])
    )
