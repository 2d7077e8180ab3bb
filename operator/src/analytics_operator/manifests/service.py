"""The address of the pods: 80 for clients, 9091 for Prometheus."""

from analytics_operator.api.ports import METRICS_PORT
from analytics_operator.kube import labels
from analytics_operator.kube.objects import SERVICE, Decision, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata


def service(scope: Scope) -> Decision:
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(scope.resource, scope.name),
        "spec": {
            "type": "ClusterIP",
            "selector": labels.selector(scope.name, labels.Component.API),
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
                {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"},
            ],
        },
    }
    return Want(Ref(SERVICE, scope.name), manifest)
