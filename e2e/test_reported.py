"""What only a cluster shows: a store that goes away, children that were orphaned, two resources on one database."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from e2e import installation
from e2e.conftest import wait_in_order, wait_ready
from e2e.forward import forward
from e2e.installation import KIND, LABEL, analyticsapi, credentials
from e2e.kubectl import Kubectl, condition, eventually

NAME = "away"
INSTANCE = f"app.kubernetes.io/instance={NAME}"
ADDRESS = "away-database"
DATABASE = {"urlSecretRef": {"name": NAME, "key": "database-url"}}


@pytest.fixture(scope="module", autouse=True)
def away(kubectl: Kubectl) -> Iterator[None]:
    """A resource whose database has an address of its own, which can be taken away."""
    installation.sql(kubectl, "llm_observatory", f"CREATE DATABASE {NAME}")
    kubectl.apply(address("postgres"))
    kubectl.apply(credentials(name=NAME, host=ADDRESS, database=NAME))
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=2, database=DATABASE))
    wait_ready(kubectl, NAME)
    wait_in_order(kubectl, NAME)
    yield
    kubectl("delete", "aapi", NAME, "other", "--ignore-not-found")
    kubectl("delete", "service", ADDRESS, "--ignore-not-found")


def address(selector: str) -> dict[str, Any]:
    spec = {"selector": {"app": selector}, "ports": [{"name": "postgres", "port": 5432}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": ADDRESS}, "spec": spec}


def shows(kubectl: Kubectl, kind: str, status: str, reason: str, *, name: str = NAME) -> str:
    """The message of the condition, once it has that status and reason."""

    def look() -> str | None:
        found = condition(kubectl.get(KIND, name), kind)
        return str(found["message"]) if (found["status"], found["reason"]) == (status, reason) else None

    return eventually(look, seconds=120, what=f"{name}: {kind}={status} {reason}")


def answer(url: str) -> int:
    """Of a question that needs the database."""
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=10) as response:  # noqa: S310 - loopback
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def ready_addresses(kubectl: Kubectl) -> int:
    slices = kubectl.list("endpointslices", selector=f"kubernetes.io/service-name={NAME}")
    return sum(1 for each in slices for end in each.get("endpoints") or () if end["conditions"]["ready"])


def test_a_store_that_goes_away_is_in_the_status_and_pods_stay_in_the_service(kubectl: Kubectl) -> None:
    with forward(kubectl, f"deployment/{NAME}", 8080) as url:
        assert answer(url) == 200
        kubectl.apply(address("nobody"))
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{NAME}'"
        installation.sql(kubectl, "llm_observatory", ended)
        message = shows(kubectl, "Available", "False", "DatabaseUnreachable")
        assert f"kubectl logs deployment/{NAME}" in message
        shows(kubectl, "Ready", "False", "DatabaseUnreachable")
        assert condition(kubectl.get(KIND, NAME), "Stalled")["status"] == "False"
        assert answer(url) == 503
        assert ready_addresses(kubectl) == 2
        events = kubectl("get", "events", f"--field-selector=involvedObject.name={NAME},reason=DatabaseUnreachable")
        assert "Warning" in events
        kubectl.apply(address("postgres"))
        shows(kubectl, "Available", "True", "MinimumReplicasAvailable")
        wait_ready(kubectl, NAME)


def test_orphaned_children_are_adopted_and_no_pod_restarts(kubectl: Kubectl) -> None:
    def pods() -> set[str]:
        found = kubectl.list("pods", selector=f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component=api")
        return {each["metadata"]["uid"] for each in found}

    before = pods()
    kubectl("delete", "aapi", NAME, "--cascade=orphan")
    kubectl.apply(analyticsapi(kubectl, NAME, replicas=2, database=DATABASE))
    message = shows(kubectl, "Stalled", "True", "SecretUnconfirmed")
    words = message.split("`")[1].split()
    assert words[:3] == ["kubectl", "-n", kubectl.namespace]
    kubectl(*words[3:])
    wait_ready(kubectl, NAME)
    assert pods() == before
    uid = (kubectl.get(KIND, NAME) or {})["metadata"]["uid"]
    for each in kubectl.list("deployments,services,serviceaccounts", selector=f"{LABEL},{INSTANCE}"):
        assert [owner["uid"] for owner in each["metadata"]["ownerReferences"]] == [uid], each["metadata"]["name"]


def test_two_resources_on_one_database_name_each_other(kubectl: Kubectl) -> None:
    kubectl.apply(analyticsapi(kubectl, "other", replicas=1, database=DATABASE))
    wait_ready(kubectl, "other")
    text = f"the worker of {kubectl.namespace}/{NAME} leads on this database"
    eventually(
        lambda: text in condition(kubectl.get(KIND, "other"), "DataFresh")["message"],
        seconds=150,
        what="the other names the resource whose worker leads",
    )
    assert (kubectl.get(KIND, "other") or {})["status"]["policies"]
    kubectl.patch(KIND, "other", {"spec": {"timescale": {"retentionDays": {"raw": 4000}}}})
    for name, peer in ((NAME, "other"), ("other", NAME)):
        message = shows(kubectl, "PoliciesApplied", "False", "PoliciesConflict", name=name)
        assert f"{kubectl.namespace}/{peer} has this database too" in message
