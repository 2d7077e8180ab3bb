"""The service's pods. Their template is held at its last released value until the database is migrated for the next."""

from analytics_operator.api.ports import HTTP_PORT, METRICS_PORT
from analytics_operator.kube import labels
from analytics_operator.kube.objects import DEPLOYMENT, Decision, Hold, Manifest, Ref, Want
from analytics_operator.manifests.certificates import SecretFile, of_database, of_redis
from analytics_operator.manifests.config_map import config_map_name
from analytics_operator.manifests.pod import pod_spec, secret_env
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state.image import Setting
from analytics_operator.state.observed import Released
from analytics_operator.state.secrets import jwt_ref

TERMINATION_SECONDS = 40
"""Five for the endpoints to forget the pod, twenty-five for requests in flight, and some to spare."""


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
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": labels.selector(scope.name, labels.Component.API)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": released.template,
        },
    }
    if scope.replicas_read_at:  # the apply fails, and is planned again, when the autoscaler was faster
        manifest["metadata"]["resourceVersion"] = scope.replicas_read_at
    return Want(ref, manifest)


def to_release(scope: Scope) -> Released | None:
    """The pod template to release now, with the digest of its migration; None before the first release."""
    if scope.gate.open:
        return Released(template=pod_template(scope), digest=scope.gate.digest, settings=scope.gate.settings)
    return scope.released


def pod_template(scope: Scope) -> Manifest:
    return {
        "metadata": {
            "labels": labels.common(scope.name, labels.Component.API),
            "annotations": {labels.SECRETS_HASH: scope.credentials.pods_digest},
        },
        "spec": pod_spec(scope.resource, _container(scope), _files(scope), books=scope.price_books)
        | {
            "terminationGracePeriodSeconds": TERMINATION_SECONDS,
            "topologySpreadConstraints": [
                _spread(scope, "kubernetes.io/hostname"),
                _spread(scope, "topology.kubernetes.io/zone"),
            ],
        },
    }


def _files(scope: Scope) -> tuple[SecretFile, ...]:
    return scope.known((*of_database(scope.resource), *of_redis(scope.resource)))


def _container(scope: Scope) -> Manifest:
    spec = scope.resource.spec
    readonly = spec.database.readonly_url_secret_ref
    replica = [secret_env("DATABASE_READONLY_URL", readonly)] if readonly else []
    redis = [secret_env("REDIS_URL", spec.redis.url_secret_ref)] if spec.redis else []
    prefix = spec.redis.key_prefix if spec.redis and scope.knows(Setting.REDIS_PREFIX) else None
    return {
        "name": "api",
        "args": ["serve"],
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
        ],
        "envFrom": [{"configMapRef": {"name": config_map_name(scope)}}],
        "resources": spec.resources.model_dump(mode="json", by_alias=True),
        "startupProbe": _probe(
            "startup", period=2, timeout=3, failures=150
        ),  # the guide's five minutes, probed more often
        "livenessProbe": _probe("live", period=10, timeout=5, failures=3),
        "readinessProbe": _probe("ready", period=5, timeout=3, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},  # endpoints forget the pod before it stops listening
    }


def _probe(path: str, *, period: int, timeout: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": f"/health/{path}", "port": "http"},
        "periodSeconds": period,
        "timeoutSeconds": timeout,
        "failureThreshold": failures,
    }


def _spread(scope: Scope, key: str) -> Manifest:
    return {
        "maxSkew": 1,
        "topologyKey": key,
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels.selector(scope.name, labels.Component.API)},
    }
