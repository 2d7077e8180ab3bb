"""Add-ons that these tests bring to the cluster, and take away again."""

from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import Any

import pytest
import yaml

from e2e.cluster import addons, gomodules
from e2e.cluster.gomodules import Program
from e2e.cluster.shell import output
from e2e.kubectl import Kubectl

HERE = Path(__file__).parent


def manifests(kubectl: Kubectl, program: Program) -> list[dict[str, Any]]:
    """Those of a file beside this one, with the image that the nodes have."""
    image = addons.loaded(program, context=kubectl.context)
    text = (HERE / f"{program.name}.yaml").read_text()
    return [each for each in yaml.safe_load_all(Template(text).substitute(IMAGE=image)) if each]


@pytest.fixture(scope="session")
def metrics_server(kubectl: Kubectl) -> Iterator[None]:
    """The metrics API, which answers."""
    kubectl.apply(*(found := manifests(kubectl, gomodules.METRICS_SERVER)))
    kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=120s", seconds=150)
    yield
    remove(kubectl, found)


@pytest.fixture(scope="session")
def kube_router(kubectl: Kubectl) -> Iterator[None]:
    """A network that enforces policies, between pods of one node too."""
    if not kubectl.context.startswith("kind-"):
        pytest.skip("a cluster of yours has its own network")
    node = f"{kubectl.context.removeprefix('kind-')}-control-plane"
    output("docker", "exec", node, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1")
    kubectl.apply(*(found := manifests(kubectl, gomodules.KUBE_ROUTER)))
    kubectl("-n", "kube-system", "rollout", "status", "daemonset/kube-router", "--timeout=120s", seconds=150)
    yield
    remove(kubectl, found)
    output("docker", "exec", node, "sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=0")


@pytest.fixture(scope="session")
def traefik(kubectl: Kubectl) -> Iterator[None]:
    """The ingress class and the gateway `public` of the namespace traefik."""
    kinds = [yaml.safe_load(file.read_text()) for file in sorted(gomodules.gateway_api().iterdir())]
    kubectl.apply(*kinds)
    names = [f"crd/{each['metadata']['name']}" for each in kinds]
    kubectl("wait", "--for=condition=Established", *names, "--timeout=60s")
    kubectl.apply(*(found := manifests(kubectl, gomodules.TRAEFIK)))
    kubectl("-n", "traefik", "rollout", "status", "deployment/traefik", "--timeout=120s", seconds=150)
    yield
    remove(kubectl, found)
    kubectl("delete", *names)


def remove(kubectl: Kubectl, manifests: list[dict[str, Any]]) -> None:
    kubectl("delete", "--ignore-not-found", "-f", "-", stdin=yaml.safe_dump_all(manifests).encode())
