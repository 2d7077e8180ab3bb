"""CRDs of others: installed on an API server, and removed."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import yaml

from e2e.cluster import gomodules
from tests.support.kube import KubeApi, Object, eventually

CERTIFICATES: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "certificates.cert-manager.io"},
    "spec": {
        "group": "cert-manager.io",
        "scope": "Namespaced",
        "names": {"kind": "Certificate", "plural": "certificates"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}
"""Only that the kind is served matters."""


def monitoring() -> Iterator[Object]:
    """The Prometheus Operator's."""
    yield from _of(gomodules.monitoring_crds())


def gateway() -> Iterator[Object]:
    """The Gateway API's."""
    yield from _of(gomodules.gateway_crds())


def secrets() -> Iterator[Object]:
    """Those of External Secrets, Sealed Secrets and the Secrets Store CSI driver."""
    yield from _of(gomodules.secret_crds())


def _of(folder: Path) -> Iterator[Object]:
    for file in sorted(folder.iterdir()):
        yield yaml.safe_load(file.read_text())


def install(api: KubeApi, *crds: Object) -> None:
    """Returns when the kinds are served; those that are there stay."""
    for crd in crds:
        if not api.find("CustomResourceDefinition", crd["metadata"]["name"]):
            api.create(crd)
    for crd in crds:
        eventually(partial(_served, api, crd), what=f"{crd['metadata']['name']} is served")


def remove(api: KubeApi, *crds: Object) -> None:
    for crd in crds:
        api.delete("CustomResourceDefinition", crd["metadata"]["name"])


def _served(api: KubeApi, crd: Object) -> bool:
    found = api.get("CustomResourceDefinition", crd["metadata"]["name"])
    conditions = {each["type"]: each["status"] for each in found["status"].get("conditions") or ()}
    return conditions.get("Established") == "True"
