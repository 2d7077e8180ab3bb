"""The charts as helm renders them, and the sets of values that tests render them with."""

from typing import Any

import yaml

from e2e.cluster import versions
from tests.support.kube import helm

RELEASE = "analytics-operator"
KUBE_VERSION = versions.KUBERNETES

PLACED = (
    "priorityClassName=system-cluster-critical",
    "nodeSelector.kubernetes\\.io/os=linux",
    "tolerations[0].key=dedicated,tolerations[0].operator=Exists",
    "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey=kubernetes.io/hostname",
    "podLabels.team=llm",
    "podAnnotations.example\\.com/owner=llm",
)
MONITORED = tuple(f"monitoring.{each}.enabled=true" for each in ("serviceMonitor", "prometheusRule", "dashboard"))

VALUES: dict[str, tuple[str, ...]] = {
    "default": (),
    "cluster-wide": ("clusterWide=true",),
    "one-replica": ("replicas=1",),
    "by-digest": ("image.digest=sha256:" + "a" * 64, "image.pullSecrets={registry}"),
    "named-namespaces": ("watchNamespaces={default,kube-public}",),
    "placed": PLACED,
    "closed": ("networkPolicy.apiServer.cidrs={10.96.0.1/32}", "networkPolicy.metricsFrom=null"),
    "monitored": MONITORED,
}
"""By name; each is rendered, checked against schemas and sent to an API server."""


def rendered(*values: str, namespace: str = "default") -> list[dict[str, Any]]:
    return [manifest for manifest in yaml.safe_load_all(text(*values, namespace=namespace)) if manifest]


def text(*values: str, namespace: str = "default") -> str:
    """The operator's chart, as `helm template` prints it."""
    chart = ("template", RELEASE, "charts/operator", f"--namespace={namespace}")
    return helm(*chart, f"--kube-version={KUBE_VERSION}", *(f"--set={value}" for value in values))


def one(manifests: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The only manifest of that kind."""
    (found,) = [each for each in manifests if each["kind"] == kind]
    return found


def names(manifests: list[dict[str, Any]], kind: str) -> list[str]:
    return [each["metadata"]["name"] for each in manifests if each["kind"] == kind]
