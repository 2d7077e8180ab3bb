"""Drains take one pod at a time."""

from analytics_operator.kube import labels
from analytics_operator.kube.objects import POD_DISRUPTION_BUDGET, Absent, Decision, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state import replicas


def pod_disruption_budget(scope: Scope) -> Decision:
    ref = Ref(POD_DISRUPTION_BUDGET, scope.name)
    if replicas.minimum(scope.resource) < 2:
        return Absent(ref)  # one replica: a budget would block every drain
    manifest = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(scope.resource, scope.name),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",  # pods that serve nobody must not keep a node
            "selector": {"matchLabels": labels.selector(scope.name, labels.Component.API)},
        },
    }
    return Want(ref, manifest)
