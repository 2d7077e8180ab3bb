"""Drains take one pod at a time."""

from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import POD_DISRUPTION_BUDGET, Absent, Decision, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state import replicas


def pod_disruption_budget(scope: Scope) -> Decision:
    return _budget(scope, labels.Component.API, scope.name, replicas.minimum(scope.resource))


def ingest_disruption_budget(scope: Scope) -> Decision:
    count = scope.resource.spec.ingest_replicas or 0
    return _budget(scope, labels.Component.INGEST, names.ingest(scope.name), count if scope.takes_rows else 0)


def _budget(scope: Scope, component: labels.Component, name: str, count: int) -> Decision:
    ref = Ref(POD_DISRUPTION_BUDGET, name)
    if count < 2:
        return Absent(ref)  # one replica: a budget would block every drain
    manifest = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(scope.resource, name, component=component),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",  # pods that serve nobody must not keep a node
            "selector": {"matchLabels": labels.selector(scope.name, component)},
        },
    }
    return Want(ref, manifest)
