"""A real kube-apiserver on a real etcd, on free ports. There are no controllers: tests play kubelet and Job controller.

Binaries come from KUBEBUILDER_ASSETS, else from `python -m e2e.cluster tools`, which builds them once.
"""

import base64
import functools
import itertools
import json
import os
import secrets
import shutil
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import yaml

from e2e.cluster import gomodules
from tests.support.ports import free_ports

TOP = Path(__file__).parents[2]
SECONDS_TO_START = 60
Object = dict[str, Any]
T = TypeVar("T")

PATHS = {
    "AnalyticsApi": "/apis/analytics.llm-observatory.io/v1alpha1/namespaces/{}/analyticsapis",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "ClusterRole": "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    "CustomResourceDefinition": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "Event": "/api/v1/namespaces/{}/events",
    "HTTPRoute": "/apis/gateway.networking.k8s.io/v1/namespaces/{}/httproutes",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "Lease": "/apis/coordination.k8s.io/v1/namespaces/{}/leases",
    "Namespace": "/api/v1/namespaces",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Pod": "/api/v1/namespaces/{}/pods",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "PodMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/podmonitors",
    "PriorityClass": "/apis/scheduling.k8s.io/v1/priorityclasses",
    "PrometheusRule": "/apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "ResourceQuota": "/api/v1/namespaces/{}/resourcequotas",
    "Role": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
    "RoleBinding": "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/rolebindings",
    "RuntimeClass": "/apis/node.k8s.io/v1/runtimeclasses",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "ServiceMonitor": "/apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors",
    "ValidatingAdmissionPolicy": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
    "ValidatingAdmissionPolicyBinding": "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
}


class KubeError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@functools.cache
def _tls(ca: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(ca))


@dataclass(frozen=True, kw_only=True)
class KubeApi:
    """A client of dictionaries; the namespace is part of it."""

    server: str
    token: str
    ca: Path
    namespace: str = "default"

    def user(self, name: str) -> "KubeApi":
        """The same, as one of the users that the server was started with; they may do what RBAC grants them."""
        return replace(self, token=f"{self.token}-{name}")

    def get(self, kind: str, name: str) -> Object:
        return self.call("GET", kind, name)

    def find(self, kind: str, name: str) -> Object | None:
        try:
            return self.get(kind, name)
        except KubeError as error:
            if error.status != 404:
                raise
            return None

    def list(self, kind: str, selector: str = "") -> list[Object]:
        items: list[Object] = self.call("GET", kind, query=f"?labelSelector={selector}")["items"]
        return items

    def create(self, manifest: Object, *, dry_run: bool = False) -> Object:
        return self.call("POST", manifest["kind"], body=manifest, query="?dryRun=All" if dry_run else "")

    def merge(self, kind: str, name: str, patch: Object, *, subresource: str = "") -> Object:
        return self.call("PATCH", kind, name + subresource, body=patch, content_type="application/merge-patch+json")

    def apply(self, manifest: Object, *, manager: str) -> Object:
        name = manifest["metadata"]["name"]
        query = f"?fieldManager={manager}&force=true"
        return self.call(
            "PATCH", manifest["kind"], name + query, body=manifest, content_type="application/apply-patch+yaml"
        )

    def delete(self, kind: str, name: str = "") -> None:
        """Without a name: all that are in the namespace."""
        self.call("DELETE", kind, name, body={"propagationPolicy": "Background"})

    def call(
        self,
        method: str,
        kind: str,
        name: str = "",
        *,
        body: Object | None = None,
        query: str = "",
        content_type: str = "application/json",
    ) -> Object:
        path = PATHS[kind].format(self.namespace) + (f"/{name}" if name else "") + query
        return self.request(method, path, body=body, content_type=content_type)

    def request(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> Object:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type, "Accept": accept}
        request = urllib.request.Request(self.server + path, data=data, method=method, headers=headers)  # noqa: S310 - loopback
        try:
            with urllib.request.urlopen(request, timeout=30, context=_tls(self.ca)) as response:  # noqa: S310 - as above
                result: Object = json.loads(response.read())
                return result
        except urllib.error.HTTPError as error:
            with error:
                text = error.read().decode(errors="replace")
            message = json.loads(text).get("message", text) if text.startswith("{") else text
            raise KubeError(error.code, message) from error

    def install(self, manifest: Object) -> Object:
        """Creates an object of any of our kinds in the namespace that it names."""
        namespace = manifest["metadata"].get("namespace", self.namespace)
        return replace(self, namespace=namespace).create(manifest)

    def secret(self, name: str, **values: str) -> Object:
        data = {key.replace("_", "-"): base64.b64encode(value.encode()).decode() for key, value in values.items()}
        return self.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": data})

    def kubeconfig(self, file: Path) -> Path:
        """Writes a kubeconfig that a process under test uses."""
        cluster = {"server": self.server, "certificate-authority": str(self.ca)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": self.token}}],
        }
        file.write_text(yaml.safe_dump(document))
        return file


def eventually(look: Callable[[], T | None], *, what: str, seconds: float = 60) -> T:
    """What `look` gives once it gives something true; assertions and absent objects inside count as not yet."""
    deadline = time.monotonic() + seconds
    for pause in itertools.chain((0.02, 0.05, 0.1), itertools.repeat(0.2)):
        last: object = None
        try:
            found = look()
            if found:
                return found
        except (AssertionError, KubeError, KeyError) as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}; last: {last}")
        time.sleep(pause)
    raise AssertionError(what)


def assets() -> Path:
    """The directory of etcd and kube-apiserver."""
    if given := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(given)
    command = [sys.executable, "-m", "e2e.cluster", "tools"]
    answer = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    return Path(answer.strip().splitlines()[-1])


def helm(*arguments: str) -> str:
    """What helm prints."""
    found = shutil.which("helm") or gomodules.clients() / "helm"
    return subprocess.run([str(found), *arguments], cwd=TOP, capture_output=True, text=True, check=True).stdout


@contextmanager
def api_server(folder: Path, *, users: Sequence[str] = ()) -> Iterator[KubeApi]:
    """An administrator's client of a fresh API server; both processes end with the block. See `KubeApi.user`."""
    binaries, token = assets(), secrets.token_hex(16)
    etcd_client, etcd_peer, port = free_ports(3)
    etcd = f"http://127.0.0.1:{etcd_client}"
    peer = f"http://127.0.0.1:{etcd_peer}"
    tokens = folder / "tokens.csv"
    others = "".join(f"{token}-{user},{user},{user}\n" for user in users)
    tokens.write_text(f'{token},admin,admin,"system:masters"\n{others}')
    key = folder / "service-accounts.key"
    key.write_text(_signing_key())
    with ExitStack() as stack:
        _start(
            stack,
            folder / "etcd.log",
            str(binaries / "etcd"),
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={etcd}",
            f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls={peer}",
            "--unsafe-no-fsync",
        )
        server = _start(
            stack,
            folder / "kube-apiserver.log",
            str(binaries / "kube-apiserver"),
            f"--etcd-servers={etcd}",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={folder / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",  # nothing here makes the default account that pods want
        )
        api = KubeApi(server=f"https://127.0.0.1:{port}", token=token, ca=folder / "certificates" / "apiserver.crt")
        _wait_ready(api, server, folder / "kube-apiserver.log")
        yield api


def _signing_key() -> str:
    """A private key on P-256 in SEC 1's PEM: any 32 bytes are one, and so no openssl is needed."""
    p256 = bytes.fromhex("a00a06082a8648ce3d030107")
    der = bytes.fromhex("3031 020101 0420") + secrets.token_bytes(32) + p256
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.b64encode(der).decode()}\n-----END EC PRIVATE KEY-----\n"


def _start(stack: ExitStack, log: Path, *command: str) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, stdout=stack.enter_context(log.open("wb")), stderr=subprocess.STDOUT)
    stack.callback(_stop, process)
    return process


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)


def _wait_ready(api: KubeApi, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"kube-apiserver did not come up:\n{log.read_text()[-3000:]}")
        try:
            api.get("Namespace", "default")
        except (OSError, KubeError):
            time.sleep(0.2)
        else:
            return
