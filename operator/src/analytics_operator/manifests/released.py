"""A copy of the released pod template, so that a Deployment deleted while a migration runs comes back as it was."""

from analytics_operator.kube import names
from analytics_operator.kube.objects import CONFIG_MAP, Decision, Hold, Ref, Want
from analytics_operator.manifests.deployment import to_release
from analytics_operator.manifests.scope import Scope, metadata


def released(scope: Scope) -> Decision:
    ref = Ref(CONFIG_MAP, names.released(scope.name))
    release = to_release(scope)
    if release is None:
        return Hold(ref)
    settings = {"image-settings": " ".join(release.settings)} if release.settings else {}
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(scope.resource, ref.name),
        "data": {"released-template": release.text, "migration-hash": release.digest, **settings},
    }
    return Want(ref, manifest)
