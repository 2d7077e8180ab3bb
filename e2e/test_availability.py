"""Two replicas of the operator on real pods: when the leader goes, the other leads within the stated time."""

import subprocess
import time
from typing import Any

import pytest

from e2e.conftest import wait_ready
from e2e.installation import KIND
from e2e.kubectl import Kubectl, eventually
from e2e.quiet import Quiet

LABEL = "app.kubernetes.io/name=analytics-operator"


def lease(kubectl: Kubectl) -> dict[str, Any]:
    found: dict[str, Any] = (kubectl.get("lease", "analytics-operator") or {})["spec"]
    return found


def leader(kubectl: Kubectl) -> dict[str, Any]:
    """The pod that leads."""

    def look() -> dict[str, Any] | None:
        holder = lease(kubectl)["holderIdentity"]
        found = kubectl.list("pods", selector=LABEL)
        return next((pod for pod in found if holder.startswith(pod["metadata"]["name"])), None)

    return eventually(look, seconds=60, what="a leader")


def two_are_ready(kubectl: Kubectl) -> None:
    kubectl("rollout", "status", "deployment/analytics-operator", "--timeout=90s")


def test_the_pods_of_the_operator_are_restricted_and_spread(kubectl: Kubectl) -> None:
    two_are_ready(kubectl)
    for pod in kubectl.list("pods", selector=LABEL):
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        assert pod["spec"]["topologySpreadConstraints"]
    assert kubectl.get("pdb", "analytics-operator")
    assert kubectl.list("networkpolicies", selector=LABEL)


def test_a_leader_that_is_deleted_hands_over_at_once(kubectl: Kubectl, quiet: Quiet) -> None:
    two_are_ready(kubectl)
    before, holder = leader(kubectl)["metadata"]["name"], lease(kubectl)["holderIdentity"]
    kubectl("delete", "pod", before, "--wait=false")
    start = time.monotonic()
    eventually(
        lambda: lease(kubectl)["holderIdentity"] not in {holder, ""}, seconds=30, what="another leads", every=0.1
    )
    print(f"handed over in {time.monotonic() - start:.1f} s")
    two_are_ready(kubectl)
    wait_ready(kubectl, quiet.name)


def test_a_leader_that_is_killed_is_replaced_and_nothing_is_lost(kubectl: Kubectl) -> None:
    if not kubectl.context.startswith("kind-"):
        pytest.skip("only on a node of ours can a process be killed")
    two_are_ready(kubectl)
    status = leader(kubectl)["status"]["containerStatuses"][0]
    before = lease(kubectl)["renewTime"]
    kill(kubectl, status["containerID"].rpartition("/")[2])
    kubectl.patch(KIND, "demo", {"spec": {"cache": {"defaultTtlSeconds": 77}}})
    start = time.monotonic()
    eventually(lambda: lease(kubectl)["renewTime"] > before and applied(kubectl), seconds=60, what="it is applied")
    print(f"applied in {time.monotonic() - start:.1f} s")
    two_are_ready(kubectl)
    wait_ready(kubectl, "demo")


def applied(kubectl: Kubectl) -> bool:
    found = kubectl.list("configmaps", selector="app.kubernetes.io/instance=demo")
    return any(each["data"].get("CACHE_DEFAULT_TTL") == "77" for each in found)


def kill(kubectl: Kubectl, container: str) -> None:
    """kill -9, as the kernel does when memory runs out."""
    node = f"{kubectl.context.removeprefix('kind-')}-control-plane"
    script = f"kill -9 $(ctr --namespace=k8s.io tasks list | awk '$1 == \"{container}\" {{print $2}}')"
    subprocess.run(["docker", "exec", node, "sh", "-c", script], check=True, capture_output=True)
