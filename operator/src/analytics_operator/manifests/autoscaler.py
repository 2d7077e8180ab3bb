"""Between its bounds the HorizontalPodAutoscaler follows the load: up at once, down slowly."""

from analytics_operator.api.autoscaling import Autoscaling
from analytics_operator.kube.objects import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, Absent, Decision, Manifest, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata


def autoscaler(scope: Scope) -> Decision:
    ref = Ref(HORIZONTAL_POD_AUTOSCALER, scope.name)
    autoscaling = scope.resource.spec.autoscaling
    if autoscaling is None:
        return Absent(ref)
    manifest = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(scope.resource, scope.name),
        "spec": {
            "scaleTargetRef": {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "name": scope.name},
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": _metrics(autoscaling),
            "behavior": _behavior(autoscaling),
        },
    }
    return Want(ref, manifest)


def _metrics(autoscaling: Autoscaling) -> list[Manifest]:
    resources = {"cpu": autoscaling.cpu_utilization, "memory": autoscaling.memory_utilization}
    return [
        *(_utilization(name, percent) for name, percent in resources.items() if percent is not None),
        *(each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in autoscaling.metrics or ()),
    ]


def _utilization(name: str, percent: int) -> Manifest:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": name, "target": target}}


def _behavior(autoscaling: Autoscaling) -> Manifest:
    slowly = {  # a pod that goes takes its cache and its connections along
        "stabilizationWindowSeconds": 300,
        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
    }
    given = autoscaling.behavior
    return {"scaleDown": slowly} | (given.model_dump(mode="json", by_alias=True, exclude_none=True) if given else {})
