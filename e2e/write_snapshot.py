"""What the operator wrote of a resource and its children, to be compared with later."""

import time
from dataclasses import dataclass
from typing import Any

from e2e.installation import KIND
from e2e.kubectl import Kubectl

PASSIVE = "configmaps,secrets,services,serviceaccounts,jobs,poddisruptionbudgets"
"""Nobody else writes these while nothing happens."""


@dataclass(frozen=True)
class WriteSnapshot:
    name: str
    since: float
    versions: dict[str, str]
    """resourceVersion of the resource and of its passive children; of Deployments generation and our write."""

    @staticmethod
    def seen(kubectl: Kubectl, name: str) -> "WriteSnapshot":
        return WriteSnapshot(name, time.monotonic(), versions(kubectl, name))


def versions(kubectl: Kubectl, name: str) -> dict[str, str]:
    found = kubectl.list(PASSIVE, selector=f"app.kubernetes.io/instance={name}")
    found += [each for each in (kubectl.get(KIND, name), kubectl.get("secret", f"{name}-jwt")) if each]
    passive = {f"{each['kind']} {each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in found}
    deployments = {each: kubectl.get("deployment", each) or {} for each in (name, f"{name}-worker")}
    return passive | {
        f"Deployment {each}": f"{found['metadata']['generation']} {_our_write(found)}"
        for each, found in deployments.items()
    }


def _our_write(manifest: dict[str, Any]) -> str:
    """When the operator changed the object last; an apply that changes nothing does not move it."""
    entries = manifest["metadata"]["managedFields"]
    return str(max(entry["time"] for entry in entries if entry["manager"] == "analytics-operator"))
