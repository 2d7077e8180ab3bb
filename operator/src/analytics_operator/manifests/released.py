"""A copy of what the pods are made from, so that a Deployment deleted while a migration runs comes back as it was."""

from analytics_operator.kube import names
from analytics_operator.kube.objects import CONFIG_MAP, Decision, Hold, Ref, Want
from analytics_operator.manifests.deployment import to_release
from analytics_operator.manifests.scope import Scope, metadata


def released(scope: Scope) -> Decision:
    ref = Ref(CONFIG_MAP, names.released(scope.name))
    found = to_release(scope)
    if found is None:
        return Hold(ref)
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(scope.resource, ref.name),
        "data": {"released-template": found.text, "migration-hash": found.digest},
    }
    return Want(ref, manifest)
