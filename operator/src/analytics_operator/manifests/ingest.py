"""Pods that only take rows, and the address to which clients send. See docs/decisions/0035."""

from analytics_operator.api.ports import METRICS_PORT
from analytics_operator.kube import labels, names
from analytics_operator.kube.labels import Component
from analytics_operator.kube.objects import DEPLOYMENT, SERVICE, Absent, Decision, Hold, Ref, Want
from analytics_operator.manifests.deployment import rolling
from analytics_operator.manifests.released import to_release
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state.observed import as_text


def ingest(scope: Scope) -> Decision:
    """The Deployment; its pod template is held as that of the API is."""
    ref = Ref(DEPLOYMENT, names.ingest(scope.name))
    if not scope.takes_rows:
        return Absent(ref)
    if scope.resource.spec.ingest_replicas is None:
        return Absent(ref) if scope.every_api_pod_takes_rows else Hold(ref)  # it goes when others do its work
    released = to_release(scope)
    if released is None or released.ingest is None:
        return Hold(ref)
    annotations = {labels.RELEASED_TEMPLATE: as_text(released.ingest)}
    if scope.ingest_retried_at:  # as of the API's
        annotations[labels.RETRIED_AT] = scope.ingest_retried_at
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(scope.resource, ref.name, component=Component.INGEST, annotations=annotations),
        "spec": {
            "replicas": scope.resource.spec.ingest_replicas,
            **rolling(scope, Component.INGEST),
            "template": released.ingest,
        },
    }
    return Want(ref, manifest)


def ingest_service(scope: Scope) -> Decision:
    """One address whoever takes rows: it selects pods by their label, so that none is sent to one that does not."""
    ref = Ref(SERVICE, names.ingest(scope.name))
    if not scope.takes_rows:
        return Hold(ref)  # without such pods nobody answers there
    own_pods = scope.resource.spec.ingest_replicas is not None
    metrics = {"name": "metrics", "port": METRICS_PORT, "targetPort": "metrics", "protocol": "TCP"}
    manifest = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(scope.resource, ref.name, component=Component.INGEST),
        "spec": {
            "type": "ClusterIP",
            "selector": labels.takes_rows(scope.name),
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
                *([metrics] if own_pods else []),  # else they are scraped by the API's Service
            ],
        },
    }
    return Want(ref, manifest)
