"""Certificates of Secrets as files in a pod, and the variables that name them.

Everybody in the pod may read them, since on OpenShift a container has a user that no manifest knows. Nobody else is
there: a pod has one container, and its files are in memory, in a folder that the kubelet gives to that pod alone.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from analytics_operator.api.fields import SecretKeyRef
from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube.objects import Manifest
from analytics_operator.state.image import Setting
from analytics_operator.state.secrets import client_cert_refs

FOLDER = "/etc/analytics/certificates"
MODE = 0o444
_VOLUME = "certificates"


@dataclass(frozen=True)
class SecretFile:
    setting: Setting
    name: str
    ref: SecretKeyRef

    @property
    def env(self) -> Manifest:
        return {"name": self.setting.value, "value": f"{FOLDER}/{self.name}"}


def of_database(resource: AnalyticsApi) -> tuple[SecretFile, ...]:
    authority, client = resource.spec.database.ca_secret_ref, client_cert_refs(resource)
    return (
        *([SecretFile(Setting.DATABASE_CA, "database-ca.crt", authority)] if authority else []),
        *([SecretFile(Setting.DATABASE_CLIENT_CERT, "database-client.crt", client[0])] if client else []),
        *([SecretFile(Setting.DATABASE_CLIENT_KEY, "database-client.key", client[1])] if client else []),
    )


def of_redis(resource: AnalyticsApi) -> tuple[SecretFile, ...]:
    redis = resource.spec.redis
    return (SecretFile(Setting.REDIS_CA, "redis-ca.crt", redis.ca_secret_ref),) if redis and redis.ca_secret_ref else ()


def volumes(files: Iterable[SecretFile]) -> list[Manifest]:
    """One volume for all of them; none where there are none."""
    sources = [
        {"secret": {"name": file.ref.name, "items": [{"key": file.ref.key, "path": file.name}]}} for file in files
    ]
    return [{"name": _VOLUME, "projected": {"defaultMode": MODE, "sources": sources}}] if sources else []


def mounts(files: Iterable[SecretFile]) -> list[Manifest]:
    return [{"name": _VOLUME, "mountPath": FOLDER, "readOnly": True}] if tuple(files) else []
