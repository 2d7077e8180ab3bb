"""The worker's pods: they keep the store in order, beside those that answer. Held while the database is migrated."""

from analytics_operator.api.ports import METRICS_PORT
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import DEPLOYMENT, Decision, Hold, Manifest, Ref, Want
from analytics_operator.manifests.certificates import of_database
from analytics_operator.manifests.config_map import config_map_name
from analytics_operator.manifests.exports import exports_env
from analytics_operator.manifests.pod import pod_spec, secret_env
from analytics_operator.manifests.pod_customization import customized
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state import policies
from analytics_operator.state.image import Setting


def worker(scope: Scope) -> Decision:
    ref = Ref(DEPLOYMENT, names.worker(scope.name))
    if not scope.releases:
        return Hold(ref)  # the released one goes on: it knows the schema that there is
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata(scope.resource, ref.name, component=labels.Component.WORKER),
        "spec": {
            "replicas": scope.resource.spec.worker.replicas,
            "revisionHistoryLimit": 3,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": labels.selector(scope.name, labels.Component.WORKER)},
            # one that goes hands over within seconds, and answers never wait for it
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": _pod_template(scope),
        },
    }
    return Want(ref, manifest)


def _pod_template(scope: Scope) -> Manifest:
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": labels.selector(scope.name, labels.Component.WORKER)},
    }
    template = {
        "metadata": {
            "labels": labels.common(scope.name, labels.Component.WORKER),
            "annotations": {labels.SECRETS_HASH: scope.credentials.worker_digest},
        },
        "spec": pod_spec(
            scope.resource, _container(scope), scope.known(of_database(scope.resource)), books=scope.price_books
        )
        | {"terminationGracePeriodSeconds": 30, "topologySpreadConstraints": [spread]},
    }
    spec = scope.resource.spec
    return customized(
        template, spec.pod_of(spec.worker.pod), selector=labels.selector(scope.name, labels.Component.WORKER)
    )


def _container(scope: Scope) -> Manifest:
    spec, refreshing = scope.resource.spec, Setting.REFRESH_CONNECTIONS
    return {
        "name": "worker",
        "args": ["work"],
        "ports": [{"name": "metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "env": [
            secret_env("DATABASE_URL", spec.database.url_secret_ref),
            *({"name": name, "value": value} for name, value in policies.environment(scope.resource).items()),
            *exports_env(scope),
            *([{"name": refreshing.value, "value": str(scope.refresh_connections)}] if scope.knows(refreshing) else []),
        ],
        "envFrom": [{"configMapRef": {"name": config_map_name(scope)}}],
        "resources": spec.worker.resources.model_dump(mode="json", by_alias=True),
        "livenessProbe": _probe("live", period=10, failures=3),
        "readinessProbe": _probe("ready", period=5, failures=3),
    }


def _probe(path: str, *, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": f"/health/{path}", "port": "metrics"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": failures,
    }
