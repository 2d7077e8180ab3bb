"""The cluster itself: found, made, removed, and handed images."""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster import cache, engine, gomodules, network_isolation, nodeimage, versions
from e2e.cluster.shell import ClusterError, output, run, say, step, succeeds

NAME = "analytics-e2e"
NODE = f"{NAME}-control-plane"
AUDIT_POLICY = "/etc/kubernetes/audit"
AUDIT_LOG = "/var/log/kubernetes/audit.log"
HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Cluster:
    context: str
    kubeconfig: str
    own: bool
    """Made here, and so ours to remove."""

    def kubectl(self, *arguments: str) -> tuple[str, ...]:
        return (_kubectl(), "--kubeconfig", self.kubeconfig, "--context", self.context, *arguments)

    @property
    def takes_images(self) -> bool:
        """Whether images can be handed to its nodes; another cluster pulls them from $IMAGE_REGISTRY."""
        return self.own or self.context.startswith("kind-")

    @property
    def image_prefix(self) -> str:
        """What stands before the names of our images in its manifests."""
        registry = os.environ.get("IMAGE_REGISTRY")
        return f"{registry}/" if registry and not self.takes_images else ""

    def answers(self) -> bool:
        if self.own and not Path(self.kubeconfig).exists():
            return False  # known without the client, which may have to be built
        return succeeds(*self.kubectl("get", "--raw", "/readyz", "--request-timeout=5s"), seconds=20)


def chosen(context: str | None) -> Cluster:
    """The cluster of that context, or the one that `up` makes; whether it answers is not looked at."""
    if context:
        kubeconfig = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        return Cluster(context=context, kubeconfig=kubeconfig, own=False)
    return Cluster(context=f"kind-{NAME}", kubeconfig=str(cache.root() / "kubeconfig"), own=True)


def up(context: str | None) -> Cluster:
    """A cluster that answers. Raises ClusterError that names the cure."""
    cluster = chosen(context)
    if not cluster.own:
        if not cluster.answers():
            raise ClusterError(f"CONTEXT: {context} does not answer; look at: kubectl --context {context} get nodes")
        return cluster
    engine.ensure()
    isolated = network_isolation.applies()
    if isolated:
        network_isolation.host()  # rules do not outlive a restart of the machine, a node may
    if cluster.answers() and audit_log_is_kept() and _ready(cluster):
        if isolated:
            _seal_node()
        say(f"  cluster {cluster.context} is up")
        return cluster
    down()
    if engine.published(versions.NODE_IMAGE):
        _create(versions.NODE_IMAGE, HERE / "kind.yaml", os.environ.copy())
    else:
        _create_sealed()
    if not _ready(cluster):
        raise ClusterError(f"kind: the node is not ready; look at: docker exec {NODE} journalctl -u kubelet")
    return cluster


def audit_log_is_kept() -> bool:
    """Whether the node's API server writes AUDIT_LOG; those of earlier recipes did not."""
    return succeeds("docker", "exec", NODE, "test", "-f", f"{AUDIT_POLICY}/policy.yaml")


def down() -> None:
    """The cluster and its rules are gone afterwards; caches and images stay."""
    if succeeds("docker", "container", "inspect", NODE):
        with step("remove the cluster"):
            run((gomodules.kind(), "delete", "cluster", "--name", NAME, *_kubeconfig()), log="kind")
    network_isolation.remove()


def taker(cluster: Cluster) -> Callable[[Sequence[str]], None]:
    """What hands images to the cluster. Raises ClusterError when nothing can."""
    if cluster.takes_images:
        return partial(_load, cluster.context.removeprefix("kind-"))
    registry = os.environ.get("IMAGE_REGISTRY")
    if not registry:
        raise ClusterError("IMAGE_REGISTRY: is not set; name a registry that the cluster of CONTEXT pulls from")
    return partial(_push, registry)


def _load(name: str, images: Sequence[str]) -> None:
    """The nodes have these images afterwards; those that they have already are not sent again."""
    for image in images:
        loaded = f"/kind/loaded-{cache.key(image)}"  # on the node, so that a new node knows of none
        found = engine.image_id(image)
        if succeeds("docker", "exec", f"{name}-control-plane", "grep", "-q", found, loaded):
            say(f"  {image} is on the node")
            continue
        with step(f"load {image}"):
            run((gomodules.kind(), "load", "docker-image", "--name", name, image), log="kind-load")
            output("docker", "exec", f"{name}-control-plane", "sh", "-c", f"echo {found} > {loaded}")


def _push(registry: str, images: Sequence[str]) -> None:
    for image in images:
        with step(f"push {registry}/{image}"):
            output("docker", "tag", image, f"{registry}/{image}")
            run(("docker", "push", "--quiet", f"{registry}/{image}"), log="push")


def _create_sealed() -> None:
    image = nodeimage.node_image()
    network_isolation.host()
    environment = os.environ | {"KIND_EXPERIMENTAL_DOCKER_NETWORK": network_isolation.NETWORK}
    _create(image, HERE / "kind-built-here.yaml", environment)
    _seal_node()


def _seal_node() -> None:
    network_isolation.node(NODE)
    network_isolation.check(NODE)


def _create(image: str, configuration: Path, environment: dict[str, str]) -> None:
    with step(f"kind create cluster ({image})"):
        command = (gomodules.kind(), "create", "cluster", "--name", NAME, "--image", image, "--wait", "120s")
        found = cache.root() / "kind.yaml"
        found.write_text(yaml.safe_dump(yaml.safe_load(configuration.read_text()) | {"nodes": [_node()]}))
        run((*command, "--config", found, *_kubeconfig()), environment=environment, log="kind")


def _node() -> dict[str, Any]:
    """The one node, with the audit policy in a folder that outlives this clone."""
    policy = cache.root() / "audit"
    shutil.copytree(HERE / "audit", policy, dirs_exist_ok=True)
    mount = {"hostPath": str(policy), "containerPath": AUDIT_POLICY, "readOnly": True}
    return {"role": "control-plane", "extraMounts": [mount]}


def _ready(cluster: Cluster) -> bool:
    node = cluster.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s")
    dns = cluster.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=120s")
    return succeeds(*node, seconds=150) and succeeds(*dns, seconds=150)


def _kubeconfig() -> tuple[str, str]:
    return ("--kubeconfig", str(cache.root() / "kubeconfig"))


def _kubectl() -> str:
    """The program built here, else the machine's own."""
    built = gomodules.clients() / "kubectl"
    return str(built) if built.exists() else "kubectl"
