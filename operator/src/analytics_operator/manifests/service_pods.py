"""The pods that run `serve`: those of the API, and those that only take rows where the resource wants them."""

from analytics_operator.api.content import Content
from analytics_operator.api.database import INGEST_POOL_SIZE
from analytics_operator.api.ports import HTTP_PORT, METRICS_PORT
from analytics_operator.api.resources import Resources
from analytics_operator.kube import labels
from analytics_operator.kube.labels import Component
from analytics_operator.kube.objects import Manifest
from analytics_operator.manifests.certificates import of_database, of_redis
from analytics_operator.manifests.config_map import config_map_name
from analytics_operator.manifests.exports import exports_env
from analytics_operator.manifests.pod import pod_spec, secret_env
from analytics_operator.manifests.pod_customization import customized
from analytics_operator.manifests.scope import Scope
from analytics_operator.state.image import Setting
from analytics_operator.state.secrets import jwt_ref

TERMINATION_SECONDS = 40
"""Five for the endpoints to forget the pod, twenty-five for requests in flight, and some to spare."""


def api_template(scope: Scope) -> Manifest:
    """Pods that answer; they take rows too, unless nobody shall, or others do."""
    takes_rows = scope.takes_rows and scope.api_takes_rows
    only = ["--only", "api"] if scope.knows(Setting.INGEST) and not takes_rows else []
    return _template(scope, Component.API, only, _ingest_env(scope) if takes_rows else {})


def ingest_template(scope: Scope) -> Manifest | None:
    """Pods that only take rows; None where the resource wants none, or the image to release cannot be such a pod."""
    if scope.resource.spec.ingest_replicas is None or not scope.takes_rows:
        return None
    pool = {"DATABASE_POOL_SIZE": str(INGEST_POOL_SIZE)}  # before that of the ConfigMap, which is of the API's pods
    return _template(scope, Component.INGEST, ["--only", "ingest"], _ingest_env(scope) | pool)


def _ingest_env(scope: Scope) -> dict[str, str]:
    """Of pods that take rows; not in the ConfigMap, where a change of it would restart the others too."""
    ingest = scope.resource.spec.ingest_or_default
    return {Setting.INGEST.value: str(ingest.max_body_bytes)} | _content_env(scope, ingest.content)


def _content_env(scope: Scope, content: Content | None) -> dict[str, str]:
    if content is None or not scope.knows(Setting.CONTENT):
        return {}
    values = {
        Setting.CONTENT.value: content.text,
        "INGEST_REDACT": ",".join(content.redact),
        "INGEST_CONTENT_SERVICES": ",".join(f"{each.name}={each.text}" for each in content.services),
    }
    return {name: value for name, value in values.items() if value}


def _template(scope: Scope, component: Component, only: list[str], env: dict[str, str]) -> Manifest:
    files = scope.known((*of_database(scope.resource), *of_redis(scope.resource)))
    spec = scope.resource.spec
    template = {
        "metadata": {
            "labels": labels.common(scope.name, component) | (labels.TAKES_ROWS if Setting.INGEST in env else {}),
            "annotations": {labels.SECRETS_HASH: scope.credentials.pods_digest},
        },
        "spec": pod_spec(scope.resource, _container(scope, component, only, env), files, books=scope.price_books)
        | {
            "terminationGracePeriodSeconds": TERMINATION_SECONDS,
            "topologySpreadConstraints": [
                _spread(scope, component, "kubernetes.io/hostname"),
                _spread(scope, component, "topology.kubernetes.io/zone"),
            ],
        },
    }
    pod = spec.pod_of(spec.ingest_or_default.pod if component is Component.INGEST else None)
    return customized(template, pod, selector=labels.selector(scope.name, component))


def _container(scope: Scope, component: Component, only: list[str], env: dict[str, str]) -> Manifest:
    spec = scope.resource.spec
    readonly = spec.database.readonly_url_secret_ref if component is Component.API else None
    replica = [secret_env("DATABASE_READONLY_URL", readonly)] if readonly else []
    redis = [secret_env("REDIS_URL", spec.redis.url_secret_ref)] if spec.redis else []
    prefix = spec.redis.key_prefix if spec.redis and scope.knows(Setting.REDIS_PREFIX) else None
    return {
        "name": component.value,
        "args": ["serve", *only],
        "ports": [
            {"name": "http", "containerPort": HTTP_PORT, "protocol": "TCP"},
            {"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"},
        ],
        "env": [
            secret_env("DATABASE_URL", spec.database.url_secret_ref),
            *replica,
            *redis,
            secret_env("JWT_SECRET", jwt_ref(scope.resource)),
            *([{"name": Setting.REDIS_PREFIX.value, "value": prefix}] if prefix else []),
            *({"name": name, "value": value} for name, value in env.items()),
            *(exports_env(scope) if component is Component.API else []),
        ],
        "envFrom": [{"configMapRef": {"name": config_map_name(scope)}}],
        "resources": _resources(scope, component).model_dump(mode="json", by_alias=True),
        "startupProbe": _probe(
            "startup", period=2, timeout=3, failures=150
        ),  # the guide's five minutes, probed more often
        "livenessProbe": _probe("live", period=10, timeout=5, failures=3),
        "readinessProbe": _probe("ready", period=5, timeout=3, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},  # endpoints forget the pod before it stops listening
    }


def _resources(scope: Scope, component: Component) -> Resources:
    spec = scope.resource.spec
    own = spec.ingest_or_default.resources if component is Component.INGEST else None
    return own or spec.resources


def _probe(path: str, *, period: int, timeout: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": f"/health/{path}", "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _spread(scope: Scope, component: Component, key: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels.selector(scope.name, component)},
    }
