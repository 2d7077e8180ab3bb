"""The generated signing secret: created once, never applied, never pruned, gone with the resource."""

from base64 import b64encode

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import names
from analytics_operator.kube.objects import SECRET, Create, Ref
from analytics_operator.manifests.scope import metadata


def jwt_secret(resource: AnalyticsApi, value: str) -> Create:
    name = names.jwt_secret(resource.metadata.name)
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(resource, name),
        "type": "Opaque",
        "data": {names.JWT_KEY: b64encode(value.encode()).decode()},
    }
    return Create(Ref(SECRET, name), manifest)
