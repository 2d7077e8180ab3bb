"""The cluster, the stores and the operator of the end-to-end tests: one namespace, recreated, and left to look at."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from e2e import blockers, installation
from e2e.forward import forward
from e2e.kubectl import Kubectl, KubectlError, condition, eventually
from e2e.write_snapshot import WriteSnapshot

NAMESPACE = os.environ.get("E2E_NAMESPACE", "analytics-e2e")
"""Another one for a second run on the same cluster at the same time."""
USED = pytest.StashKey[Kubectl]()
"""The cluster, once a test has asked for it."""
LAST = ("test_availability.py", "test_idle.py", "test_rights.py")
"""These look back on what the others did."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: LAST.index(item.path.name) if item.path.name in LAST else -1)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says what is left on the cluster, after an interrupted run too."""
    found = config.stash.get(USED, None)
    if found is None:
        return
    terminalreporter.section("what is left")
    try:
        terminalreporter.write_line(installation.left_behind(found))
    except (KubectlError, subprocess.TimeoutExpired) as error:
        terminalreporter.write_line(f"The cluster does not say: {error}")


@pytest.fixture(scope="session")
def kubectl(request: pytest.FixtureRequest) -> Kubectl:
    """A namespace with PostgreSQL, Redis and two replicas of the operator in it; what a killed run left goes first."""
    found = installation.cluster(NAMESPACE)
    request.config.stash[USED] = found
    blockers.remove(blockers.world_beside(found), wait=True)
    installation.make_namespace(found)
    installation.install_stores(found)
    installation.install_operator(found, replicas=2)
    return found


@dataclass(frozen=True, kw_only=True)
class Service:
    """A Ready resource and the URL that reaches its Service."""

    name: str
    url: str
    token: str


@pytest.fixture(scope="module")
def service(kubectl: Kubectl) -> Iterator[Service]:
    kubectl.apply(installation.analyticsapi(kubectl, "demo"))
    wait_ready(kubectl, "demo")
    token = kubectl("exec", "deployment/demo", "--", "analytics-service", "token", "--org", "demo").strip()
    with forward(kubectl, "service/demo", 80) as url:
        yield Service(name="demo", url=url, token=token)


@pytest.fixture(scope="session", autouse=True)
def quiet(kubectl: Kubectl) -> WriteSnapshot:
    """A resource that nobody touches from the start of the session to its end; its database is its own."""
    small = {"requests": {"cpu": "50m", "memory": "128Mi"}}
    database = {"urlSecretRef": {"name": "quiet", "key": "database-url"}}
    installation.sql(kubectl, "llm_observatory", "CREATE DATABASE quiet")
    kubectl.apply(installation.credentials(name="quiet", database="quiet"))
    kubectl.apply(installation.analyticsapi(kubectl, "quiet", replicas=1, resources=small, database=database))
    wait_ready(kubectl, "quiet")
    wait_in_order(kubectl, "quiet")
    return WriteSnapshot.seen(kubectl, "quiet")


def wait_in_order(kubectl: Kubectl, name: str) -> None:
    """Its worker says so."""

    def in_order() -> bool:
        resource = kubectl.get(installation.KIND, name)
        return all(condition(resource, kind)["status"] == "True" for kind in ("PoliciesApplied", "DataFresh"))

    eventually(in_order, seconds=180, what=f"the worker of {name} says that all is in order")


def wait_ready(kubectl: Kubectl, name: str, *, seconds: float = 180) -> None:
    def ready() -> bool:
        resource = kubectl.get(installation.KIND, name)
        current = (
            resource is not None and resource["status"].get("observedGeneration") == resource["metadata"]["generation"]
        )
        return current and condition(resource, "Ready")["status"] == "True"

    eventually(ready, seconds=seconds, what=f"{name} is Ready")
