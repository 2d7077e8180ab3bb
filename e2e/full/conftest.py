"""Add-ons that these tests bring to the cluster, and take away again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

import pytest
import yaml

from e2e.cluster import addons, gomodules
from e2e.cluster.gomodules import Program
from e2e.cluster.shell import output
from e2e.kubectl import Kubectl

HERE = Path(__file__).parent
FORGET_POLICIES = "iptables-save | grep -vE 'KUBE-(ROUTER|NWPLCY|POD-FW)' | iptables-restore"
"""kube-router's rules outlive it, and would go on to judge addresses that other pods have by then."""


@pytest.fixture(scope="session")
def metrics_server(kubectl: Kubectl) -> Iterator[None]:
    """The metrics API, which answers."""
    with installed(kubectl.within("kube-system"), gomodules.METRICS_SERVER, "deployment"):
        kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=120s", seconds=150)
        yield


@pytest.fixture(scope="session")
def metrics_adapter(kubectl: Kubectl) -> Iterator[None]:
    """The custom and the external metrics API, which answer from a Prometheus that asks the API's pods."""
    prometheus = addons.packaged(HERE / "prometheus", context=kubectl.context)
    with installed(kubectl.within("kube-system"), gomodules.PROMETHEUS_ADAPTER, "deployment", PROMETHEUS=prometheus):
        for group in ("custom", "external"):
            name = f"apiservice/v1beta1.{group}.metrics.k8s.io"
            kubectl("wait", "--for=condition=Available", name, "--timeout=120s", seconds=150)
        yield


@pytest.fixture(scope="session")
def kube_router(kubectl: Kubectl) -> Iterator[None]:
    """A network that enforces policies, between pods of one node too."""
    if not kubectl.context.startswith("kind-"):
        pytest.skip("a cluster of yours has its own network")
    with installed(kubectl.within("kube-system"), gomodules.KUBE_ROUTER, "daemonset"):
        yield
    output("docker", "exec", f"{kubectl.context.removeprefix('kind-')}-control-plane", "sh", "-ec", FORGET_POLICIES)


@pytest.fixture(scope="session")
def traefik(kubectl: Kubectl) -> Iterator[None]:
    """The ingress class and the gateway `public` of the namespace traefik."""
    kinds = [yaml.safe_load(file.read_text()) for file in sorted(gomodules.gateway_api().iterdir())]
    kubectl.apply(*kinds)
    names = [f"crd/{each['metadata']['name']}" for each in kinds]
    kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")
    with installed(kubectl.within("traefik"), gomodules.TRAEFIK, "deployment"):
        yield
    kubectl("delete", *names)


@contextmanager
def installed(kubectl: Kubectl, program: Program, workload: str, **names: str) -> Iterator[None]:
    """The manifests of a file beside this one, with the images that the nodes have; they go with the block."""
    image = addons.loaded(program, context=kubectl.context)
    text = Template((HERE / f"{program.name}.yaml").read_text()).substitute(IMAGE=image, **names)
    kubectl.apply(*(each for each in yaml.safe_load_all(text) if each))
    kubectl("rollout", "status", f"{workload}/{program.name}", "--timeout=120s", seconds=150)
    try:
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "-f", "-", stdin=text.encode())
