"""Between its bounds the HorizontalPodAutoscaler follows the load: up at once, down slowly."""

from analytics_operator.kube.objects import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, Absent, Decision, Manifest, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata


def autoscaler(scope: Scope) -> Decision:
    ref = Ref(HORIZONTAL_POD_AUTOSCALER, scope.name)
    wanted = scope.resource.spec.autoscaling
    if wanted is None:
        return Absent(ref)
    manifest = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(scope.resource, scope.name),
        "spec": {
            "scaleTargetRef": {"apiVersion": DEPLOYMENT.api_version, "kind": DEPLOYMENT.name, "name": scope.name},
            "minReplicas": wanted.min_replicas,
            "maxReplicas": wanted.max_replicas,
            "metrics": [_utilization("cpu", wanted.cpu_utilization), _utilization("memory", wanted.memory_utilization)],
            "behavior": {
                "scaleDown": {  # a pod that goes takes its cache and its connections along
                    "stabilizationWindowSeconds": 300,
                    "policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}],
                }
            },
        },
    }
    return Want(ref, manifest)


def _utilization(name: str, percent: int) -> Manifest:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": name, "target": target}}
