"""The pods' settings that are no secrets. Immutable and named by content: old pods never restart with new settings."""

from analytics_operator.api.ports import HTTP_PORT, METRICS_PORT
from analytics_operator.kube import names
from analytics_operator.kube.objects import CONFIG_MAP, Decision, Hold, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state import digests
from analytics_operator.state.image import Setting
from analytics_operator.state.replicas import pool_size


def config_map(scope: Scope) -> Decision:
    name = config_map_name(scope)
    if not scope.releases and scope.released is None:
        return Hold(Ref(CONFIG_MAP, name))  # the first pods' image says what it knows when its migration is done
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(scope.resource, name),
        "immutable": True,
        "data": data(scope),
    }
    return Want(Ref(CONFIG_MAP, name), manifest)


def config_map_name(scope: Scope) -> str:
    return names.config_map(scope.name, digests.of(data(scope)))


def data(scope: Scope) -> dict[str, str]:
    """The service's environment, by the names of the deployment guide."""
    spec, pool = scope.resource.spec, pool_size(scope.resource, scope.refresh_connections)
    auth = {"JWT_ISSUER": spec.auth and spec.auth.issuer, "JWT_AUDIENCE": spec.auth and spec.auth.audience}
    return {
        "API_PORT": str(HTTP_PORT),
        "API_METRICS_PORT": str(METRICS_PORT),
        "APP_HOST": "::" if scope.knows(Setting.EVERY_ADDRESS) else "0.0.0.0",  # noqa: S104 - reached by a Service
        "CACHE_DEFAULT_TTL": str(spec.cache.default_ttl_seconds),
        "CORS_ORIGINS": ",".join(spec.cors.origins),
        "DATABASE_POOL_SIZE": str(pool),
        "DATABASE_MIN_CONNECTIONS": str(min(spec.database.min_connections, pool)),
        "DATABASE_STATEMENT_TIMEOUT_SECONDS": str(spec.database.statement_timeout_seconds),
        "LOG_LEVEL": spec.logging.level.value,
        "LOG_FORMAT": spec.logging.format.value,
        **{name: value for name, value in auth.items() if value},
    }
