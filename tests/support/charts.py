"""The charts as helm renders them, the sets of values that tests render them with, and the page of their values."""

import json
from collections.abc import Iterator
from typing import Any

import yaml

from e2e.cluster import versions
from tests.support.kube import TOP, helm

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
EXTENDED = (
    "logFormat=text",
    "leaderElection.leaseSeconds=30",
    "serviceAccount.create=false,serviceAccount.name=theirs",
    "env[0].name=KUBERNETES_SERVICE_HOST,env[0].value=api.internal",
    "envFrom[0].configMapRef.name=settings",
    "volumes[0].name=authorities,volumes[0].configMap.name=authorities",
    "volumeMounts[0].name=authorities,volumeMounts[0].mountPath=/authorities,volumeMounts[0].readOnly=true",
    "probes.liveness.failureThreshold=5",
    "podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null",
    "topologySpreadConstraints[0].maxSkew=1,topologySpreadConstraints[0].topologyKey=rack",
    "topologySpreadConstraints[0].whenUnsatisfiable=DoNotSchedule",
)
MONITORED = tuple(f"monitoring.{each}.enabled=true" for each in ("serviceMonitor", "prometheusRule", "dashboard"))

VALUES: dict[str, tuple[str, ...]] = {
    "default": (),
    "cluster-wide": ("clusterWide=true",),
    "one-replica": ("replicas=1",),
    "by-digest": ("image.digest=sha256:" + "a" * 64, "image.pullSecrets={registry}"),
    "named-namespaces": ("watchNamespaces={default,kube-public}",),
    "placed": PLACED,
    "extended": EXTENDED,
    "annotated": ("serviceAccount.name=operator,serviceAccount.annotations.example\\.com/role=reader",),
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


def schema() -> dict[str, Any]:
    """The schema of the values of the operator's chart."""
    found: dict[str, Any] = json.loads((TOP / "charts/operator/values.schema.json").read_text())
    return found


def described(schema: dict[str, Any], values: dict[str, Any], top: str = "") -> Iterator[tuple[str, Any, str]]:
    """Dotted name, default and description of each value; what users fill in freely is one value."""
    for name, value in values.items():
        declared = schema["properties"][name]
        if "properties" in declared and name != "affinity":
            yield from described(declared, value, f"{top}{name}.")
        else:
            yield top + name, value, declared["description"]
