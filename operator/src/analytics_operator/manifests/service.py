"""The address of the pods, 80 for clients and 9091 for Prometheus; and those of the workers, for Prometheus."""

from analytics_operator.api.ports import METRICS_PORT
from analytics_operator.api.service import Service
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import SERVICE, Absent, Decision, Manifest, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata


def service(scope: Scope) -> Decision:
    own = scope.resource.spec.service or Service()
    given = {
        "ipFamilyPolicy": own.ip_family_policy,
        "loadBalancerClass": own.load_balancer_class,
        "trafficDistribution": own.traffic_distribution,
    }
    http = {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"}
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(scope.resource, scope.name, extra_labels=own.labels, annotations=own.annotations),
        "spec": {
            "type": own.type.value,
            "selector": labels.selector(scope.name, labels.Component.API),
            "ports": [http] if own.published else [http, _metrics()],
            **{field: str(value) for field, value in given.items() if value is not None},
        },
    }
    return Want(Ref(SERVICE, scope.name), manifest)


def metrics_service(scope: Scope) -> Decision:
    """Of the API's pods, where clients outside of the cluster would reach their metrics by the other Service."""
    ref = Ref(SERVICE, names.metrics(scope.name))
    own = scope.resource.spec.service
    if own is None or not own.published:
        return Absent(ref)
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(scope.resource, ref.name),
        "spec": {
            "type": "ClusterIP",
            "selector": labels.selector(scope.name, labels.Component.API),
            "ports": [_metrics()],
        },
    }
    return Want(ref, manifest)


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
            "ports": [_metrics()],
        },
    }
    return Want(Ref(SERVICE, name), manifest)


def _metrics() -> Manifest:
    return {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}
