"""The cluster, the stores and the operator of the end-to-end tests: one namespace, made anew and left for a look."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from e2e import installation
from e2e.forward import forward
from e2e.kubectl import Kubectl, condition, eventually

NAMESPACE = "analytics-e2e"


@pytest.fixture(scope="session")
def kubectl() -> Kubectl:
    """A namespace with PostgreSQL, Redis and the operator in it."""
    found = installation.cluster(NAMESPACE)
    installation.make_namespace(found)
    installation.install_stores(found)
    installation.install_operator(found)
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


def wait_ready(kubectl: Kubectl, name: str, *, seconds: float = 180) -> None:
    def ready() -> bool:
        resource = kubectl.get(installation.KIND, name)
        current = (
            resource is not None and resource["status"].get("observedGeneration") == resource["metadata"]["generation"]
        )
        return current and condition(resource, "Ready")["status"] == "True"

    eventually(ready, seconds=seconds, what=f"{name} is Ready")
