"""Programs built from their Go modules, without Docker and without root."""

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from e2e.cluster import cache, versions
from e2e.cluster.golang import go
from e2e.cluster.shell import ClusterError, output, run, step

KUBERNETES_MODULE = "k8s.io/kubernetes"
TRAEFIK_MODULE = "github.com/traefik/traefik/v3"
MONITORING_MODULE = f"github.com/prometheus-operator/prometheus-operator@v{versions.PROMETHEUS_OPERATOR}"
MONITORING_KINDS = ("podmonitors", "servicemonitors", "prometheusrules")
GATEWAY_MODULE = f"sigs.k8s.io/gateway-api@v{versions.GATEWAY_API}"
SECRET_CRDS = (
    (
        f"github.com/external-secrets/external-secrets@v{versions.EXTERNAL_SECRETS}",
        "config/crds/bases/external-secrets.io_externalsecrets.yaml",
    ),
    (
        f"github.com/bitnami-labs/sealed-secrets@v{versions.SEALED_SECRETS}",
        "helm/sealed-secrets/crds/bitnami.com_sealedsecrets.yaml",
    ),
    (
        f"sigs.k8s.io/secrets-store-csi-driver@v{versions.SECRETS_STORE_CSI}",
        "config/crd/bases/secrets-store.csi.x-k8s.io_secretproviderclasses.yaml",
    ),
)
"""Modules, and a file of each."""
VERSION_PACKAGE = "k8s.io/component-base/version"


@dataclass(frozen=True, kw_only=True)
class Program:
    """A main package of a module at a version."""

    name: str
    package: str
    version: str
    ldflags: str = ""
    replaced_by: str = ""
    """The module whose `replace` lines the build needs: Go heeds those of the main module only."""


def _kubernetes(name: str) -> Program:
    major, minor, _ = versions.KUBERNETES.split(".")
    stamps = {"gitVersion": f"v{versions.KUBERNETES}", "gitMajor": major, "gitMinor": minor}
    ldflags = " ".join(f"-X {VERSION_PACKAGE}.{field}={value}" for field, value in stamps.items())
    return Program(
        name=name,
        package=f"{KUBERNETES_MODULE}/cmd/{name}",
        version=versions.KUBERNETES,
        ldflags=ldflags,
        replaced_by=KUBERNETES_MODULE,
    )


APISERVER = _kubernetes("kube-apiserver")
KUBECTL = _kubernetes("kubectl")
ETCD = Program(name="etcd", package="go.etcd.io/etcd/server/v3", version=versions.ETCD)
COREDNS = Program(name="coredns", package="github.com/coredns/coredns", version=versions.COREDNS)
KIND = Program(name="kind", package="sigs.k8s.io/kind", version=versions.KIND)
HELM = Program(name="helm", package="helm.sh/helm/v3/cmd/helm", version=versions.HELM)
KUBECONFORM = Program(
    name="kubeconform", package="github.com/yannh/kubeconform/cmd/kubeconform", version=versions.KUBECONFORM
)
VERSITYGW = Program(name="versitygw", package="github.com/versity/versitygw/cmd/versitygw", version=versions.VERSITYGW)
HELM_4 = Program(name="helm", package="helm.sh/helm/v4/cmd/helm", version=versions.HELM_4)
KUBE_ROUTER = Program(
    name="kube-router",
    package="github.com/cloudnativelabs/kube-router/v2/cmd/kube-router",
    version=versions.KUBE_ROUTER,
)
METRICS_SERVER = Program(
    name="metrics-server", package="sigs.k8s.io/metrics-server/cmd/metrics-server", version=versions.METRICS_SERVER
)
PROMETHEUS_ADAPTER = Program(
    name="prometheus-adapter",
    package="sigs.k8s.io/prometheus-adapter/cmd/adapter",
    version=versions.PROMETHEUS_ADAPTER,
)
TRAEFIK = Program(
    name="traefik", package=f"{TRAEFIK_MODULE}/cmd/traefik", version=versions.TRAEFIK, replaced_by=TRAEFIK_MODULE
)
NODE = tuple(
    _kubernetes(name) for name in ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubeadm")
)
"""What a node runs beside the API server."""


def program(wanted: Program) -> Path:
    """Path of the program, built when the cache lacks it."""
    return cache.entry(f"{wanted.name}-{wanted.version}", lambda folder: _build(wanted, folder)) / wanted.name


def folder(*programs: Program) -> Path:
    """One folder with these programs in it, as envtest and PATH want them."""

    def link(into: Path) -> None:
        for each in programs:
            (into / each.name).symlink_to(program(each))

    name = "bin-" + cache.key(*(f"{each.name} {each.version}" for each in programs))
    return cache.entry(name, link)


def assets() -> Path:
    """The folder of etcd and kube-apiserver: KUBEBUILDER_ASSETS when it is set, else built."""
    named = os.environ.get("KUBEBUILDER_ASSETS")
    if named:
        for each in ("etcd", "kube-apiserver"):
            if not (Path(named) / each).exists():
                raise ClusterError(f"KUBEBUILDER_ASSETS: {named} holds no {each}; unset it to have both built")
        return Path(named)
    return folder(ETCD, APISERVER)


def kind() -> str:
    """The machine's own kind, else one built."""
    return shutil.which("kind") or str(program(KIND))


def kubeconform() -> Path:
    """The program that checks manifests against schemas."""
    return program(KUBECONFORM)


def versitygw() -> Path:
    """The server of S3 that exports are tested against."""
    return program(VERSITYGW)


def monitoring_crds() -> Path:
    """A folder with the CRDs of the Prometheus Operator that our charts and the operator have resources of."""

    def copy(into: Path) -> None:
        source = Path(_downloaded(MONITORING_MODULE, into)["Dir"]) / "example" / "prometheus-operator-crd"
        for each in MONITORING_KINDS:
            shutil.copyfile(source / f"monitoring.coreos.com_{each}.yaml", into / f"{each}.yaml")

    return cache.entry(f"prometheus-operator-crds-{versions.PROMETHEUS_OPERATOR}-{cache.key(*MONITORING_KINDS)}", copy)


def gateway_api() -> Path:
    """A folder with all CRDs of the Gateway API's standard channel, as a controller wants them."""

    def copy(into: Path) -> None:
        source = Path(_downloaded(GATEWAY_MODULE, into)["Dir"]) / "config" / "crd" / "standard"
        for each in source.glob("gateway.networking.k8s.io_*.yaml"):
            shutil.copyfile(each, into / each.name.partition("_")[2])

    return cache.entry(f"gateway-api-{versions.GATEWAY_API}", copy)


def gateway_crds() -> Path:
    """A folder with the CRDs of the Gateway API that the operator has resources of."""

    def copy(into: Path) -> None:
        shutil.copyfile(gateway_api() / "httproutes.yaml", into / "httproutes.yaml")

    return cache.entry(f"gateway-api-crds-{versions.GATEWAY_API}", copy)


def secret_crds() -> Path:
    """A folder with the CRDs of what makes Secrets, of which docs/examples/secrets has objects."""

    def copy(into: Path) -> None:
        for module, file in SECRET_CRDS:
            source = Path(_downloaded(module, into)["Dir"]) / file
            shutil.copyfile(source, into / source.name)

    return cache.entry(f"secret-crds-{cache.key(*(module for module, _ in SECRET_CRDS))}", copy)


def clients() -> Path:
    """A folder with kubectl and helm where the machine has none that fits."""
    wanted: list[Program] = []
    if not _fitting_kubectl():
        wanted.append(KUBECTL)
    if not shutil.which("helm"):
        wanted.append(HELM)
    return folder(*wanted)


def _fitting_kubectl() -> bool:
    """Within one minor release of the cluster, as Kubernetes supports it."""
    if not shutil.which("kubectl"):
        return False
    try:
        found = json.loads(output("kubectl", "version", "--client", "-o", "json"))["clientVersion"]["minor"]
    except ClusterError:
        return False
    return abs(int(re.sub(r"\D", "", found)) - int(versions.KUBERNETES.split(".")[1])) <= 1


def _build(wanted: Program, into: Path) -> None:
    with step(f"build {wanted.name} {wanted.version}"):
        scratch = into / ".module"
        scratch.mkdir()
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off"}
        _write_module(scratch, wanted)
        get = (go(), "get", "-tool", f"{wanted.package}@v{wanted.version}")
        run(get, directory=scratch, environment=environment, log=wanted.name)
        build = (go(), "build", "-o", into / wanted.name, "-ldflags", f"-s -w {wanted.ldflags}", wanted.package)
        run(build, directory=scratch, environment=environment, log=wanted.name)
        shutil.rmtree(scratch)


def _write_module(scratch: Path, wanted: Program) -> None:
    """A module that requires the program's."""
    lines = ["module built.from.modules", "go 1.24.0"]
    if wanted.replaced_by:
        text = Path(_downloaded(f"{wanted.replaced_by}@v{wanted.version}", scratch)["GoMod"]).read_text()
        lines += sorted({f"replace {old} => {_published(old, new)}" for old, new in _REPLACED.findall(text)})
    (scratch / "go.mod").write_text("\n".join(lines) + "\n")


_REPLACED = re.compile(r"^(?:replace)?\s+(\S+) => (\S.*)$", re.MULTILINE)


def _published(module: str, replacement: str) -> str:
    """Kubernetes' staging folders are published as modules of their own."""
    return f"{module} v{versions.STAGING}" if replacement.startswith("./staging") else replacement


def _downloaded(module: str, scratch: Path) -> dict[str, str]:
    """Where the module's files are."""
    command = (go(), "mod", "download", "-json", module)
    environment = os.environ | {"GOWORK": "off"}
    done = subprocess.run(command, cwd=scratch, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ClusterError(f"the Go module {module} cannot be had: {(done.stderr or done.stdout)[-200:].strip()}")
    found: dict[str, str] = json.loads(done.stdout)
    return found
