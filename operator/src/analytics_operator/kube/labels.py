"""Labels and annotations of everything that belongs to a resource.

The labels of the selector are frozen: a Deployment's selector cannot be changed.
"""

from enum import StrEnum

from analytics_operator.api.v1alpha1 import GROUP

FIELD_MANAGER = "analytics-operator"
MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
OPERATOR = {"app.kubernetes.io/name": FIELD_MANAGER}
"""Selects the operator's own pods."""
OURS = f"{MANAGED_BY}={FIELD_MANAGER}"
"""Selects every child of every resource."""

MIGRATION_HASH = f"{GROUP}/migration-hash"
ATTEMPT = f"{GROUP}/attempt"
FAILURES = f"{GROUP}/failures"
"""Number of failed attempts before a Job since the last success: Jobs that failed earlier are pruned."""
DRY_RUN = f"{GROUP}/dry-run"
"""The label of Jobs that only find out what a migration would change."""
APPROVED_MIGRATION = f"{GROUP}/approved-migration"
"""The annotation of a resource that approves a plan, by its hash."""
POD_HASH = f"{GROUP}/pod-hash"
"""The label of a Job's customization: one that cannot start is replaced where users change that."""
SEQUENCE = f"{GROUP}/sequence"
"""Orders the Jobs of a resource: creation stamps of Kubernetes have whole seconds only."""

GENERATED_FOR = f"{GROUP}/generated-for"
"""Annotation of the generated Secret: namespace and name of its resource."""
ADOPT_SECRET = f"{GROUP}/adopt-secret"
"""Annotation of a resource: UID of a generated Secret that an earlier resource of its name has left."""
CHECKLIST = f"checklist.{GROUP}"
"""Prefix of the annotations of a resource that declare items of the checklist as done, by their names."""

RELEASED_TEMPLATE = f"{GROUP}/released-template"
IMAGE_SETTINGS = f"{GROUP}/image-settings"
"""The settings that the image of the released template knows, separated by spaces."""
SECRETS_HASH = f"{GROUP}/secrets-hash"
TAKES_ROWS = {f"{GROUP}/takes-rows": "true"}
"""The label of pods to which clients can send rows: those of the API, or those that do nothing else."""
RETRIED_AT = f"{GROUP}/nudged"
"""The retry annotation: time of the last retry of a Deployment whose pods are refused. Its key is released."""


class Component(StrEnum):
    API = "api"
    INGEST = "ingest"
    MIGRATE = "migrate"
    WORKER = "worker"


def selector(name: str, component: Component) -> dict[str, str]:
    return pods(name) | {COMPONENT: component.value}


def pods(name: str) -> dict[str, str]:
    """Selects all pods and Services of one resource."""
    return {"app.kubernetes.io/name": "analytics-api", INSTANCE: name}


def takes_rows(name: str) -> dict[str, str]:
    """Selects the pods of one resource to which clients can send rows."""
    return {INSTANCE: name, **TAKES_ROWS}


def common(name: str, component: Component) -> dict[str, str]:
    return selector(name, component) | {MANAGED_BY: FIELD_MANAGER, "app.kubernetes.io/part-of": "llm-observatory"}


def selector_text(name: str, component: Component) -> str:
    return ",".join(f"{key}={value}" for key, value in selector(name, component).items())


def children_of(name: str) -> str:
    """Label selector of the children of one resource."""
    return f"{OURS},{INSTANCE}={name}"
