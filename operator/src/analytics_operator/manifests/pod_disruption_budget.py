"""Drains take one pod at a time."""

from analytics_operator import names, scaling
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.objects import POD_DISRUPTION_BUDGET, Absent, Decision, Ref, Want


def pod_disruption_budget(scope: Scope) -> Decision:
    ref = Ref(POD_DISRUPTION_BUDGET, scope.name)
    if scaling.least(scope.resource) < 2:
        return Absent(ref)  # one replica: a budget would block every drain
    manifest = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(scope.resource, scope.name),
        "spec": {
            "maxUnavailable": 1,
            "unhealthyPodEvictionPolicy": "AlwaysAllow",  # pods that serve nobody must not keep a node
            "selector": {"matchLabels": names.selector(scope.name, names.Component.API)},
        },
    }
    return Want(ref, manifest)
