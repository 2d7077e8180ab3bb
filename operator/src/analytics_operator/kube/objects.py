"""Kinds, keys, and decisions: the three answers of a builder (Want, Hold, Absent), and Create.

Manifests are plain dictionaries, on their way out and on their way in.
"""

from dataclasses import dataclass, field
from typing import Any

from analytics_operator.api.v1alpha1 import API_VERSION, KIND, PLURAL

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of object, and where the API server keeps it."""

    api_version: str
    name: str
    plural: str

    def path(self, namespace: str, name: str | None = None, subresource: str | None = None) -> str:
        root = "/api/v1" if self.api_version == "v1" else f"/apis/{self.api_version}"
        parts = (root, "namespaces", namespace, self.plural, name, subresource)
        return "/".join(part for part in parts if part)

    @property
    def group(self) -> str:
        return self.api_version.rpartition("/")[0]

    @property
    def version(self) -> str:
        return self.api_version.rpartition("/")[2]


ANALYTICS_API = Kind(API_VERSION, KIND, PLURAL)
CONFIG_MAP = Kind("v1", "ConfigMap", "configmaps")
DEPLOYMENT = Kind("apps/v1", "Deployment", "deployments")
EVENT = Kind("v1", "Event", "events")
HORIZONTAL_POD_AUTOSCALER = Kind("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
HTTP_ROUTE = Kind("gateway.networking.k8s.io/v1", "HTTPRoute", "httproutes")
INGRESS = Kind("networking.k8s.io/v1", "Ingress", "ingresses")
JOB = Kind("batch/v1", "Job", "jobs")
LEASE = Kind("coordination.k8s.io/v1", "Lease", "leases")
NETWORK_POLICY = Kind("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
POD = Kind("v1", "Pod", "pods")
POD_DISRUPTION_BUDGET = Kind("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets")
POD_MONITOR = Kind("monitoring.coreos.com/v1", "PodMonitor", "podmonitors")
PROMETHEUS_RULE = Kind("monitoring.coreos.com/v1", "PrometheusRule", "prometheusrules")
REPLICA_SET = Kind("apps/v1", "ReplicaSet", "replicasets")
SECRET = Kind("v1", "Secret", "secrets")
SERVICE = Kind("v1", "Service", "services")
SERVICE_ACCOUNT = Kind("v1", "ServiceAccount", "serviceaccounts")
SERVICE_MONITOR = Kind("monitoring.coreos.com/v1", "ServiceMonitor", "servicemonitors")

WATCHED = (
    SERVICE_ACCOUNT,
    CONFIG_MAP,
    JOB,
    DEPLOYMENT,
    SERVICE,
    POD_DISRUPTION_BUDGET,
    HORIZONTAL_POD_AUTOSCALER,
    INGRESS,
    NETWORK_POLICY,
)
"""Children whose events start a reconcile. Secrets are not among them: the operator may not list those of others."""

OPTIONAL = (HTTP_ROUTE, POD_MONITOR, SERVICE_MONITOR, PROMETHEUS_RULE)
"""Children whose CRDs are others' to install. Not watched, since the informer finds kinds at its start only: a resync
repairs them."""
CERTIFICATE = Kind("cert-manager.io/v1", "Certificate", "certificates")
"""No child: where cert-manager is installed, this kind is served."""


@dataclass(frozen=True, order=True)
class Key:
    """Namespace and name of an AnalyticsApi."""

    namespace: str
    name: str

    @property
    def text(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Ref:
    """An object in the namespace of the resource."""

    kind: Kind
    name: str

    @property
    def text(self) -> str:
        return f"{self.kind.name} {self.name}"


@dataclass(frozen=True)
class Want:
    """The object shall be so."""

    ref: Ref
    manifest: Manifest


@dataclass(frozen=True)
class Hold:
    """The object stays as it is, or absent."""

    ref: Ref


@dataclass(frozen=True)
class Absent:
    """The object shall not be."""

    ref: Ref


Decision = Want | Hold | Absent


@dataclass(frozen=True)
class Create:
    """The object shall be made, once: it is created by POST, never applied and never pruned."""

    ref: Ref
    manifest: Manifest = field(repr=False)
    """Left out of repr: a generated Secret must not reach a log."""


def controller(manifest: Manifest) -> Manifest | None:
    """The owner reference that controls the object."""
    owners: list[Manifest] = manifest["metadata"].get("ownerReferences", [])
    return next((owner for owner in owners if owner.get("controller")), None)


def controlled_by(uid: str, manifest: Manifest) -> bool:
    owner = controller(manifest)
    return owner is not None and owner["uid"] == uid


def condition(manifest: Manifest, kind: str) -> Manifest | None:
    """The condition of that type in the object's status."""
    conditions: list[Manifest] = manifest.get("status", {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == kind), None)
