"""Names and labels of everything that belongs to a resource.

A resource's name has at most 40 characters, so that every name here fits 63. The labels of the selector are frozen: a
Deployment's selector cannot be changed.
"""

from enum import StrEnum

from analytics_operator.api.v1alpha1 import GROUP

FIELD_MANAGER = "analytics-operator"
MANAGED_BY = "app.kubernetes.io/managed-by"
INSTANCE = "app.kubernetes.io/instance"
COMPONENT = "app.kubernetes.io/component"
OURS = f"{MANAGED_BY}={FIELD_MANAGER}"
"""Selects every child of every resource."""

MIGRATION_HASH = f"{GROUP}/migration-hash"
ATTEMPT = f"{GROUP}/attempt"
FAILURES = f"{GROUP}/failures"
"""How many attempts failed before a Job since the last success: Jobs that failed earlier are pruned."""
SEQUENCE = f"{GROUP}/sequence"
"""Orders the Jobs of a resource: creation stamps of Kubernetes have whole seconds only."""

RELEASED_TEMPLATE = f"{GROUP}/released-template"
SECRETS_HASH = f"{GROUP}/secrets-hash"
NUDGED = f"{GROUP}/nudged"
"""When a Deployment whose pods are refused was touched last."""

JWT_KEY = "jwt-secret"


class Component(StrEnum):
    API = "api"
    MIGRATE = "migrate"
    WORKER = "worker"


def selector(name: str, component: Component) -> dict[str, str]:
    return {"app.kubernetes.io/name": "analytics-api", INSTANCE: name, COMPONENT: component.value}


def labels(name: str, component: Component) -> dict[str, str]:
    return selector(name, component) | {MANAGED_BY: FIELD_MANAGER, "app.kubernetes.io/part-of": "llm-observatory"}


def selector_text(name: str, component: Component) -> str:
    return ",".join(f"{key}={value}" for key, value in selector(name, component).items())


def children_of(name: str) -> str:
    """Label selector of the children of one resource."""
    return f"{OURS},{INSTANCE}={name}"


def config_map(name: str, digest: str) -> str:
    return f"{name}-config-{digest}"


def released(name: str) -> str:
    return f"{name}-released"


def worker(name: str) -> str:
    return f"{name}-worker"


def jwt_secret(name: str) -> str:
    return f"{name}-jwt"


def migrate_job(name: str, digest: str, attempt: int) -> str:
    return f"{name}-migrate-{digest}-{attempt}"
