"""The API's Deployment. Its pod template is held at its last released value until the database is migrated."""

from analytics_operator.kube import labels
from analytics_operator.kube.objects import DEPLOYMENT, Decision, Hold, Manifest, Ref, Want
from analytics_operator.manifests.released import to_release
from analytics_operator.manifests.scope import Scope, metadata


def deployment(scope: Scope) -> Decision:
    ref = Ref(DEPLOYMENT, scope.name)
    released = to_release(scope)
    if released is None:
        return Hold(ref)  # the first pods start on a migrated database
    annotations = {labels.RELEASED_TEMPLATE: released.text, labels.MIGRATION_HASH: released.digest}
    if released.settings:
        annotations[labels.IMAGE_SETTINGS] = " ".join(released.settings)
    if scope.retried_at:  # its ReplicaSet gets the annotation too, and tries at once instead of minutes later
        annotations[labels.RETRIED_AT] = scope.retried_at
    manifest: Manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(scope.resource, scope.name, annotations=annotations),
        "spec": {
            **({} if scope.replicas is None else {"replicas": scope.replicas}),
            **rolling(scope, labels.Component.API),
            "template": released.template,
        },
    }
    if scope.replicas_read_at:  # the apply fails, and is planned again, when the autoscaler was faster
        manifest["metadata"]["resourceVersion"] = scope.replicas_read_at
    return Want(ref, manifest)


def rolling(scope: Scope, component: labels.Component) -> Manifest:
    """How pods that clients connect to are replaced: each one only when its successor is ready."""
    return {
        "revisionHistoryLimit": 3,
        "progressDeadlineSeconds": 600,
        "selector": {"matchLabels": labels.selector(scope.name, component)},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
    }
