"""The generated signing secret: created once, never applied, never pruned, gone with the resource."""

from base64 import b64encode

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import SECRET, Create, Key, Ref
from analytics_operator.manifests.scope import metadata


def jwt_secret(resource: AnalyticsApi, value: str) -> Create:
    name = names.jwt_secret(resource.metadata.name)
    generated_for = Key(resource.metadata.namespace, resource.metadata.name).text
    manifest = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata(resource, name, annotations={labels.GENERATED_FOR: generated_for}),
        "type": "Opaque",
        "data": {names.JWT_KEY: b64encode(value.encode()).decode()},
    }
    return Create(Ref(SECRET, name), manifest)
