"""One attempt to migrate the database. Created once, never applied: the template of a Job is immutable."""

from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import JOB, Decision, Hold, Manifest, Ref, Want
from analytics_operator.manifests.certificates import of_database
from analytics_operator.manifests.pod import pod_spec, secret_env
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state.migration import State, arguments

GRACE = 60
"""Seconds that the Job outlives the timeout of `migrate`, so that its result is written."""


def migrate_job(scope: Scope) -> Decision:
    gate = scope.gate
    name = names.migrate_job(scope.name, gate.digest, gate.attempt)
    if gate.state is not State.START:
        return Hold(Ref(JOB, name))
    attempt = {
        labels.MIGRATION_HASH: gate.digest,
        labels.ATTEMPT: str(gate.attempt),
        labels.FAILURES: str(gate.failures),
        labels.SEQUENCE: str(gate.sequence),
    }
    manifest: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(scope.resource, name, component=labels.Component.MIGRATE, extra_labels=attempt),
        "spec": {
            "backoffLimit": 0,  # the operator starts the next attempt, so that each leaves its own result
            "activeDeadlineSeconds": scope.resource.spec.migrations.timeout_seconds + GRACE,
            "podFailurePolicy": {  # a drained node is no failed migration
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": {
                "metadata": {"labels": labels.common(scope.name, labels.Component.MIGRATE)},
                "spec": pod_spec(scope.resource, _container(scope), of_database(scope.resource))
                | {"restartPolicy": "Never"},
            },
        },
    }
    return Want(Ref(JOB, name), manifest)


def _container(scope: Scope) -> Manifest:
    spec = scope.resource.spec
    return {
        "name": "migrate",
        "args": arguments(scope.resource),
        "env": [
            secret_env("DATABASE_URL", spec.database.url_secret_ref),
            {"name": "LOG_LEVEL", "value": spec.logging.level.value},
            {"name": "LOG_FORMAT", "value": spec.logging.format.value},
        ],
        "resources": {
            "requests": {"cpu": "100m", "memory": "128Mi"},
            "limits": {"memory": "512Mi"},
        },
    }
