"""One attempt to migrate the database, or to find out what that would change.

Created once, never applied: the template of a Job is immutable.
"""

from analytics_operator.api.resources import MigrationResources
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import JOB, Decision, Hold, Manifest, Ref, Want
from analytics_operator.manifests.certificates import of_database
from analytics_operator.manifests.pod import pod_spec, secret_env
from analytics_operator.manifests.pod_customization import customized
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state.migration import State, arguments, pod_hash

GRACE = 60
"""Seconds that the Job outlives the timeout of `migrate`, so that its result is written."""


def migrate_job(scope: Scope) -> Decision:
    gate = scope.gate
    name = names.migrate_job(scope.name, gate.digest, gate.attempt)
    if gate.state is not State.START:
        return Hold(Ref(JOB, name))
    return _job(scope, name, {labels.FAILURES: str(gate.failures)}, arguments(scope.resource))


def dry_run_job(scope: Scope) -> Decision:
    """In the mode Manual: its result lists the migrations that wait for their approval."""
    gate = scope.gate
    name = names.dry_run_job(scope.name, gate.digest, gate.attempt)
    if gate.state is not State.DRY_RUN:
        return Hold(Ref(JOB, name))
    return _job(scope, name, {labels.DRY_RUN: "true"}, [*arguments(scope.resource), "--dry-run"])


def _job(scope: Scope, name: str, extra_labels: dict[str, str], args: list[str]) -> Want:
    gate, spec = scope.gate, scope.resource.spec
    attempt = {
        labels.MIGRATION_HASH: gate.digest,
        labels.ATTEMPT: str(gate.attempt),
        **extra_labels,
        labels.SEQUENCE: str(gate.sequence),
    }
    if customization := pod_hash(scope.resource):
        attempt[labels.POD_HASH] = customization
    template = {
        "metadata": {"labels": labels.common(scope.name, labels.Component.MIGRATE)},
        "spec": pod_spec(scope.resource, _container(scope, args), of_database(scope.resource))
        | {"restartPolicy": "Never"},
    }
    selector = labels.selector(scope.name, labels.Component.MIGRATE)
    manifest: Manifest = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(scope.resource, name, component=labels.Component.MIGRATE, extra_labels=attempt),
        "spec": {
            "backoffLimit": 0,  # the operator starts the next attempt, so that each leaves its own result
            "activeDeadlineSeconds": spec.migrations.timeout_seconds + GRACE,
            "podFailurePolicy": {  # a drained node is no failed migration
                "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
            },
            "template": customized(template, spec.pod_of(spec.migrations.pod), selector=selector),
        },
    }
    return Want(Ref(JOB, name), manifest)


def _container(scope: Scope, args: list[str]) -> Manifest:
    spec = scope.resource.spec
    resources = spec.migrations.resources or MigrationResources()
    return {
        "name": "migrate",
        "args": args,
        "env": [
            secret_env("DATABASE_URL", spec.database.url_secret_ref),
            {"name": "LOG_LEVEL", "value": spec.logging.level.value},
            {"name": "LOG_FORMAT", "value": spec.logging.format.value},
        ],
        "resources": resources.model_dump(mode="json", by_alias=True),
    }
