"""The address of the pods, 80 for clients and 9091 for Prometheus; and those of the workers, for Prometheus."""

from analytics_operator.api.ports import METRICS_PORT
from analytics_operator.kube import labels, names
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


def worker_service(scope: Scope) -> Decision:
    """Headless: one worker leads, and a figure of another would say nothing of it. Those that fail are there too."""
    name = names.worker(scope.name)
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(scope.resource, name, component=labels.Component.WORKER),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": labels.selector(scope.name, labels.Component.WORKER),
            "ports": [{"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}],
        },
    }
    return Want(Ref(SERVICE, name), manifest)
