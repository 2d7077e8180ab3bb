"""The CustomResourceDefinition, made from the models."""

from typing import Any

import yaml

from analytics_operator.api.fields import rule
from analytics_operator.api.schema import structural
from analytics_operator.api.status import Status
from analytics_operator.api.v1alpha1 import GROUP, KIND, NAME_LENGTH, NAME_PATTERN, PLURAL, VERSION, Spec

HEADER = "# DO NOT EDIT: generated from operator/src/analytics_operator/api/ by `make crds`.\n"


def document() -> str:
    """The YAML of the CRD, as it is committed: most fields are a line each, since half of its size was indentation."""
    return HEADER + yaml.safe_dump(definition(), sort_keys=False, width=1000, default_flow_style=None)


def definition() -> dict[str, Any]:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            "annotations": {"helm.sh/resource-policy": "keep"},  # uninstalling a chart must not delete every service
            "labels": {"app.kubernetes.io/part-of": "llm-observatory"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["aapi"],
                "categories": ["analytics"],
            },
            "versions": [_version()],
        },
    }


def _version() -> dict[str, Any]:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [
            _column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            _column("Status", '.status.conditions[?(@.type=="Ready")].reason'),
            _column("Replicas", ".status.readyReplicas", kind="integer"),
            _column("Desired", ".status.desiredReplicas", kind="integer"),
            _column("Schema", ".status.schema.version", kind="integer"),
            _column("Edition", ".status.schema.edition", priority=1),
            _column("Policies", '.status.conditions[?(@.type=="PoliciesApplied")].reason', priority=1),
            _column("Endpoint", ".status.endpoints.http", priority=1),
            _column("Image", ".status.image", priority=1),
            _column("Message", '.status.conditions[?(@.type=="Ready")].message', priority=1),
            _column("Age", ".metadata.creationTimestamp", kind="date"),
        ],
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {"openAPIV3Schema": _schema()},
    }


def _column(name: str, path: str, *, kind: str = "string", priority: int = 0) -> dict[str, Any]:
    column: dict[str, Any] = {"name": name, "type": kind, "jsonPath": path}
    return column | ({"priority": priority} if priority else {})


def _schema() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "One analytics service for LLM traces: declared here, made and kept by the operator.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(Spec),
            "status": structural(Status),
        },
        "x-kubernetes-validations": [
            rule(
                f"size(self.metadata.name) <= {NAME_LENGTH}",
                f"metadata.name must have at most {NAME_LENGTH} characters",
            ),
            rule(
                f"self.metadata.name.matches('{NAME_PATTERN}')",
                "metadata.name must be lower-case letters, digits and '-', and begin with a letter, as Services do",
            ),
        ],
    }
