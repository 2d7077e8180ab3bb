"""The parts that pods of the service and of the migration share: one image, Pod Security restricted, no token."""

from analytics_operator.api.fields import SecretKeyRef
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube.objects import Manifest
from analytics_operator.manifests import certificates, price_books
from analytics_operator.manifests.certificates import SecretFile

USER = 10001


def pod_spec(
    resource: AnalyticsApi, container: Manifest, files: tuple[SecretFile, ...] = (), *, books: str | None = None
) -> Manifest:
    """A pod of one container that admits nothing and is admitted everywhere; variables name the files.

    `books` is a ConfigMap of price books.
    """
    pull_secrets = [{"name": name} for name in resource.spec.image.pull_secrets]
    return {
        "serviceAccountName": resource.metadata.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service named `api` would set API_PORT to tcp://...
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_image(resource) | container | _named(container, files, books) | _hardened(files, books)],
        "volumes": [
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
            *certificates.volumes(files),
            *price_books.volumes(books),
        ],
        **({"imagePullSecrets": pull_secrets} if pull_secrets else {}),
    }


def secret_env(name: str, ref: SecretKeyRef) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": ref.name, "key": ref.key}}}


def _image(resource: AnalyticsApi) -> Manifest:
    image = resource.spec.image
    policy = {"imagePullPolicy": image.pull_policy.value} if image.pull_policy else {}
    return {"image": image.reference, **policy}


def _named(container: Manifest, files: tuple[SecretFile, ...], books: str | None) -> Manifest:
    return {"env": [*container["env"], *(file.env for file in files), *price_books.env(books)]}


def _hardened(files: tuple[SecretFile, ...], books: str | None) -> Manifest:
    tmp = {"name": "tmp", "mountPath": "/tmp"}  # noqa: S108 - the only writable path
    return {
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [tmp, *certificates.mounts(files), *price_books.mounts(books)],
        "terminationMessagePolicy": "FallbackToLogsOnError",  # for people, by `kubectl describe`
    }
