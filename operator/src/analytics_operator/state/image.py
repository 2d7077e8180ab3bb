"""The settings that not every image knows: those that came after 0.2.0. Pure.

The result of `migrate` lists what its image knows; pods are given no other. See docs/decisions/0025.
"""

from collections.abc import Iterator
from enum import StrEnum

from analytics_operator.api.database import REFRESH_CONNECTIONS
from analytics_operator.api.v1alpha1 import AnalyticsApi


class Setting(StrEnum):
    """As an image lists them: NAME, or NAME=VALUE where an older one knows the name and not the value."""

    EVERY_ADDRESS = "APP_HOST=::"
    DATABASE_CA = "DATABASE_CA_FILE"
    DATABASE_CLIENT_CERT = "DATABASE_CLIENT_CERT_FILE"
    DATABASE_CLIENT_KEY = "DATABASE_CLIENT_KEY_FILE"
    REDIS_CA = "REDIS_CA_FILE"
    REDIS_PREFIX = "REDIS_PREFIX"
    REFRESH_CONNECTIONS = "WORKER_REFRESH_CONNECTIONS"
    PRICE_BOOKS = "PRICE_BOOKS"
    INGEST = "INGEST_MAX_BODY_BYTES"
    """An image that lists it takes rows, and knows `serve --only`."""
    CONTENT = "INGEST_CONTENT"
    EXPORTS = "EXPORT_S3_BUCKET"


def requested(resource: AnalyticsApi) -> Iterator[tuple[Setting, str]]:
    """The settings that the spec cannot do without, each with its field."""
    database, redis = resource.spec.database, resource.spec.redis
    if database.ca_secret_ref:
        yield Setting.DATABASE_CA, "database.caSecretRef"
    if database.client_cert_secret_ref:
        yield Setting.DATABASE_CLIENT_CERT, "database.clientCertSecretRef"
    if redis and redis.ca_secret_ref:
        yield Setting.REDIS_CA, "redis.caSecretRef"
    if redis and redis.key_prefix:
        yield Setting.REDIS_PREFIX, "redis.keyPrefix"
    if resource.spec.worker.refresh_connections not in {None, REFRESH_CONNECTIONS}:
        yield Setting.REFRESH_CONNECTIONS, "worker.refreshConnections"
    if resource.spec.ingest and resource.spec.ingest.enabled:
        yield Setting.INGEST, "ingest"
    if resource.spec.ingest and resource.spec.ingest.enabled and resource.spec.ingest.content:
        yield Setting.CONTENT, "ingest.content"
    if resource.spec.prices:
        yield Setting.PRICE_BOOKS, "prices.configMapRef"
    if resource.spec.exports:
        yield Setting.EXPORTS, "exports"


def price_books_folder(config_map: str) -> str:
    """Where pods find the books of a ConfigMap: with its name, so that a pod's settings tell whose books it reads."""
    return f"/etc/analytics/prices/{config_map}"
