"""Two replicas of the operator on real pods: when the leader goes, the other leads within the stated time."""

import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.conftest import wait_ready
from e2e.installation import KIND, analyticsapi
from e2e.kubectl import Kubectl, eventually
from e2e.write_snapshot import WriteSnapshot

NAME = "watched"
LABEL = "app.kubernetes.io/name=analytics-operator"


def holder(kubectl: Kubectl) -> str:
    found: str = (kubectl.get("lease", "analytics-operator") or {})["spec"]["holderIdentity"]
    return found


def leader(kubectl: Kubectl) -> dict[str, Any]:
    """The pod that leads."""

    def look() -> dict[str, Any] | None:
        found, name = kubectl.list("pods", selector=LABEL), holder(kubectl)
        return next((pod for pod in found if name.startswith(pod["metadata"]["name"])), None)

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


@pytest.fixture(scope="module")
def watched(kubectl: Kubectl) -> Iterator[None]:
    """A resource without pods, whose settings show that somebody leads."""
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=0))
    wait_ready(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME)


def test_a_leader_that_is_deleted_hands_over_at_once(kubectl: Kubectl, watched: None, quiet: WriteSnapshot) -> None:
    two_are_ready(kubectl)
    before = holder(kubectl)
    kubectl("delete", "pod", leader(kubectl)["metadata"]["name"], "--wait=false")
    another_leads(kubectl, before, seconds=5)
    its_change_is_applied(kubectl, ttl=77)
    wait_ready(kubectl, quiet.name)


def test_a_leader_that_ends_without_a_word_is_replaced(kubectl: Kubectl, watched: None) -> None:
    two_are_ready(kubectl)
    before, pod = holder(kubectl), leader(kubectl)
    signal(kubectl, pod, "STOP")  # so that it cannot give the Lease back
    kubectl("delete", "pod", pod["metadata"]["name"], "--grace-period=0", "--force")
    kubectl.patch(KIND, NAME, {"spec": {"cache": {"defaultTtlSeconds": 78}}})
    another_leads(kubectl, before, seconds=20)
    is_applied(kubectl, ttl=78)
    two_are_ready(kubectl)


def test_a_leader_that_is_killed_leaves_nothing_undone(kubectl: Kubectl, watched: None) -> None:
    two_are_ready(kubectl)
    pod = leader(kubectl)
    signal(kubectl, pod, "KILL")
    its_change_is_applied(kubectl, ttl=79)
    name = pod["metadata"]["name"]
    eventually(lambda: restarts(kubectl, name) > restarts_of(pod), seconds=60, what="the container starts again")
    two_are_ready(kubectl)


def another_leads(kubectl: Kubectl, before: str, *, seconds: float) -> None:
    start = time.monotonic()
    eventually(lambda: holder(kubectl) not in {before, ""}, seconds=seconds, what="another leads", every=0.1)
    print(f"another leads after {time.monotonic() - start:.1f} s")


def its_change_is_applied(kubectl: Kubectl, *, ttl: int) -> None:
    kubectl.patch(KIND, NAME, {"spec": {"cache": {"defaultTtlSeconds": ttl}}})
    is_applied(kubectl, ttl=ttl)


def is_applied(kubectl: Kubectl, *, ttl: int) -> None:
    def look() -> bool:
        found = kubectl.list("configmaps", selector=f"app.kubernetes.io/instance={NAME}")
        return any(each["data"].get("CACHE_DEFAULT_TTL") == str(ttl) for each in found)

    eventually(look, seconds=60, what="the change is applied")


def restarts(kubectl: Kubectl, name: str) -> int:
    return restarts_of(kubectl.get("pod", name) or {})


def restarts_of(pod: dict[str, Any]) -> int:
    return int(pod["status"]["containerStatuses"][0]["restartCount"])


def signal(kubectl: Kubectl, pod: dict[str, Any], name: str) -> None:
    """To the operator's process from its node, as the kernel sends KILL when memory runs out."""
    if not kubectl.context.startswith("kind-"):
        pytest.skip("only on a node of ours can a process be signalled")
    container = pod["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
    script = f"kill -{name} $(ctr --namespace=k8s.io tasks list | awk '$1 == \"{container}\" {{print $2}}')"
    subprocess.run(["docker", "exec", pod["spec"]["nodeName"], "sh", "-c", script], check=True, capture_output=True)
