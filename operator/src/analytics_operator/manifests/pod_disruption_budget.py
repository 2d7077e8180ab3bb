"""Drains take one pod at a time, or as many as spec.podDisruptionBudget lets them."""

from analytics_operator.api.disruption import PodDisruptionBudget
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import POD_DISRUPTION_BUDGET, Absent, Decision, Manifest, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state import replicas


def pod_disruption_budget(scope: Scope) -> Decision:
    own = scope.resource.spec.pod_disruption_budget or PodDisruptionBudget()
    return _budget(scope, labels.Component.API, scope.name, replicas.minimum(scope.resource), own)


def ingest_disruption_budget(scope: Scope) -> Decision:
    count = scope.resource.spec.ingest_replicas or 0
    count = count if scope.takes_rows else 0
    return _budget(scope, labels.Component.INGEST, names.ingest(scope.name), count, PodDisruptionBudget())


def _budget(scope: Scope, component: labels.Component, name: str, count: int, own: PodDisruptionBudget) -> Decision:
    ref = Ref(POD_DISRUPTION_BUDGET, name)
    if count < 2:
        return Absent(ref)  # one replica: a budget would block every drain
    manifest = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(scope.resource, name, component=component),
        "spec": {
            **_count(own),
            "unhealthyPodEvictionPolicy": own.unhealthy_pod_eviction_policy.value,
            "selector": {"matchLabels": labels.selector(scope.name, component)},
        },
    }
    return Want(ref, manifest)


def _count(own: PodDisruptionBudget) -> Manifest:
    if own.min_available is not None:
        return {"minAvailable": own.min_available}
    return {"maxUnavailable": 1 if own.max_unavailable is None else own.max_unavailable}
