"""The node image for kind that is built here: Debian packages, Kubernetes' own binaries, and its images inside."""

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from e2e.cluster import cache, debian, engine, gomodules, versions
from e2e.cluster.golang import go
from e2e.cluster.gomodules import APISERVER, COREDNS, ETCD, KUBECTL, NODE
from e2e.cluster.shell import ClusterError, output, run, step

HERE = Path(__file__).parent / "node"
REGISTRY = "registry.k8s.io"
KUBERNETES_TAG = f"v{versions.KUBERNETES}"
SCRIPT = (
    "containerd >/var/log/containerd.log 2>&1 & "
    "for i in $(seq 100); do ctr version >/dev/null 2>&1 && break; sleep 0.1; done; "
    "ctr --namespace=k8s.io images import - && kill %1 && wait"
)


def node_image() -> str:
    """The image that kind starts; built when it is not there."""
    key = cache.key(HERE, Path(__file__), Path(debian.__file__), *_pins())
    image = f"analytics-e2e/node:{key}"
    if not engine.has_image(image):
        with cache.lock("node-image"):
            if not engine.has_image(image):
                _make(image)
    return image


def _pins() -> tuple[str, ...]:
    return (versions.KUBERNETES, versions.ETCD, versions.COREDNS, str(versions.RECIPE))


def _make(image: str) -> None:
    engine.install("debootstrap")
    with ThreadPoolExecutor(max_workers=1) as pool:  # packages come over the network while the compiler works
        base, applications = pool.submit(debian.bookworm), pool.submit(debian.trixie)
        programs = {each.name: gomodules.program(each) for each in (APISERVER, *NODE, ETCD, COREDNS, KUBECTL)}
    inside = _component_images(programs, applications.result())
    with _context(programs, "kubelet", "kubeadm", "kubectl") as folder:
        shutil.copytree(HERE / "files", folder / "files")
        engine.build(f"{image}-empty", folder, dockerfile=HERE / "Dockerfile", BASE_IMAGE=base.result())
    with step("bake Kubernetes' images into the node"):
        _bake(image, inside)


def _component_images(programs: dict[str, Path], base: str) -> list[str]:
    """Images by the names that kubeadm asks for, one static binary each."""
    names = {name: f"{REGISTRY}/{name}:{KUBERNETES_TAG}" for name in _CONTROL_PLANE}
    names["etcd"] = f"{REGISTRY}/etcd:{versions.ETCD_IMAGE_TAG}"
    names["coredns"] = f"{REGISTRY}/coredns/coredns:{versions.COREDNS_IMAGE_TAG}"
    names["pause"] = f"{REGISTRY}/pause:{versions.PAUSE_IMAGE_TAG}"
    with step("images of the control plane"):
        for name, image in names.items():
            _import_binary(image, name, _pause() if name == "pause" else programs[name])
    proxy = f"{REGISTRY}/kube-proxy:{KUBERNETES_TAG}"
    with _context(programs, "kube-proxy") as folder:
        engine.build(proxy, folder, dockerfile=HERE / "Dockerfile.kube-proxy", BASE_IMAGE=base)
    return [*names.values(), proxy]


_CONTROL_PLANE = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


@contextmanager
def _context(programs: dict[str, Path], *names: str) -> Iterator[Path]:
    """A build context with these programs in bin/."""
    with cache.scratch("context") as folder:
        (folder / "bin").mkdir()
        for name in names:
            shutil.copy(programs[name], folder / "bin" / name)
        for dockerfile in HERE.glob("Dockerfile*"):
            shutil.copy(dockerfile, folder)
        yield folder


def _pause() -> Path:
    def make(into: Path) -> None:
        environment = os.environ | {"CGO_ENABLED": "0", "GOWORK": "off"}
        run((go(), "build", "-o", into / "pause", "."), directory=HERE / "pause", environment=environment, log="pause")

    return cache.entry(f"pause-{cache.key(HERE / 'pause')}", make) / "pause"


def _import_binary(image: str, name: str, program: Path) -> None:
    place = "coredns" if name == "coredns" else f"usr/local/bin/{name}"  # its manifest names no command
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(program.resolve(), arcname=place)
    changes = (f'ENTRYPOINT ["/{place}"]', "ENV PATH=/usr/local/bin")
    command = ["docker", "import", *(word for change in changes for word in ("--change", change)), "-", image]
    done = subprocess.run(command, input=archive.getvalue(), capture_output=True, check=False)
    if done.returncode:
        raise ClusterError(f"docker import {image}: {done.stderr.decode(errors='replace').strip()[:300]}")


def _bake(image: str, inside: list[str]) -> None:
    """Runs containerd in the node, hands it the images, and keeps the result."""
    name = f"analytics-e2e-bake-{os.getpid()}"
    start = ("docker", "run", "--rm", "--detach", "--privileged", "--name", name, "--entrypoint", "/bin/sleep")
    output(*start, f"{image}-empty", "infinity")
    try:
        with (cache.logs() / "bake.log").open("ab") as log:
            save = subprocess.Popen(("docker", "save", *inside), stdout=subprocess.PIPE, stderr=log)
            command = ("docker", "exec", "--interactive", name, "bash", "-mc", SCRIPT)
            loaded = subprocess.run(command, stdin=save.stdout, stdout=log, stderr=log, timeout=600, check=False)
            if loaded.returncode or save.wait():
                raise ClusterError(f"bake: the node's containerd did not take the images; see {log.name}")
        output("docker", "commit", "--change", 'ENTRYPOINT ["/usr/local/bin/entrypoint"]', name, image, seconds=300)
    finally:
        output("docker", "rm", "--force", name)
