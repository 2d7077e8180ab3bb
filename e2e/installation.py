"""What a platform team would install: database and Redis for tests, the operator by its charts, credentials, images."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from e2e.cluster.kind import NAME
from e2e.kubectl import Kubectl

TOP = Path(__file__).parents[1]
TAG = "dev"
PASSWORD = "only-for-tests-and-demonstrations"
KIND = "analyticsapis.analytics.llm-observatory.io"
CREDENTIALS = "analytics-credentials"
LABEL = "app.kubernetes.io/managed-by=analytics-operator"
OURS = "analytics-e2e"
"""The label of the namespaces that are made here."""
SMALL = {"requests": {"cpu": "25m", "memory": "128Mi"}}
"""Two cores have room for the control plane, the demonstration and the tests at the same time."""


def cluster(namespace: str) -> Kubectl:
    """kubectl for the cluster that `make cluster` made or was given; no other context is ever touched."""
    command = [sys.executable, "-m", "e2e.cluster", "env", "--output", "json"]
    found = json.loads(subprocess.run(command, cwd=TOP, capture_output=True, check=True).stdout)
    return Kubectl(
        context=found["CLUSTER_CONTEXT"],
        kubeconfig=found["KUBECONFIG"],
        path=found["PATH"],
        image_prefix=found["IMAGE_PREFIX"],
        namespace=namespace,
    )


def make_namespace(kubectl: Kubectl) -> None:
    """A fresh namespace that admits restricted pods only; one of the same name from an earlier run goes first."""
    kubectl.helm("uninstall", "analytics-operator", "--ignore-not-found")  # takes its roles of the cluster along
    kubectl("delete", "namespace", kubectl.namespace, "--ignore-not-found", "--wait", seconds=180)
    labels = {"pod-security.kubernetes.io/enforce": "restricted", OURS: "true"}
    kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": kubectl.namespace, "labels": labels}})


def install_stores(kubectl: Kubectl) -> None:
    """PostgreSQL with TimescaleDB, and Redis, for tests and demonstrations only."""
    kubectl.apply(secret("postgres-credentials", password=PASSWORD))
    command = [sys.executable, "-m", "e2e.cluster", "manifests"]
    manifests = subprocess.run(command, cwd=TOP, capture_output=True, check=True).stdout
    kubectl.apply(*(manifest for manifest in yaml.safe_load_all(manifests) if manifest))
    kubectl("rollout", "status", "deployment", "postgres", "redis", "--timeout=120s", seconds=150)
    kubectl.apply(credentials())


def install_operator(kubectl: Kubectl, *, replicas: int = 1, values: tuple[str, ...] = ()) -> None:
    """The charts, as a user installs them; `values` are more of --set."""
    install_crds(kubectl)
    install_chart(kubectl, TOP, TAG, f"replicas={replicas}", *values)


def install_crds(kubectl: Kubectl) -> None:
    if "analytics-crds" in kubectl.helm("list", "--pending", "--short", "--namespace=default").split():
        kubectl.helm("uninstall", "analytics-crds", "--namespace=default")  # of a killed run; the CRDs themselves stay
    kubectl.helm("upgrade", "--install", "analytics-crds", str(TOP / "charts/crds"), "--namespace=default")


def install_chart(kubectl: Kubectl, top: Path, tag: str, *values: str) -> None:
    """The operator of the release whose files these are, installed or upgraded."""
    repository = f"image.repository={kubectl.image_prefix}analytics-operator"
    chart = ("analytics-operator", str(top / "charts/operator"))
    sets = ",".join((repository, f"image.tag={tag}", *values))
    kubectl.helm("upgrade", "--install", *chart, "--set", sets, "--wait")


def credentials(
    *, host: str = "postgres", name: str = CREDENTIALS, database: str = "llm_observatory"
) -> dict[str, Any]:
    url = f"postgres://llm_user:{PASSWORD}@{host}:5432/{database}"
    return secret(name, **{"database-url": url, "redis-url": "redis://redis:6379/0"})


def sql(kubectl: Kubectl, database: str, text: str) -> None:
    """Runs a statement in the namespace's PostgreSQL."""
    client = ("env", f"PGPASSWORD={PASSWORD}", "psql", "--host=127.0.0.1", "--username=llm_user", database)
    kubectl("exec", "deployment/postgres", "--", *client, "--set=ON_ERROR_STOP=1", f"--command={text}")


def secret(name: str, **values: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def analyticsapi(kubectl: Kubectl, name: str = "demo", **spec: Any) -> dict[str, Any]:
    """The first resource of the README, under another name or with other fields; a test's node has room for many."""
    example: dict[str, Any] = yaml.safe_load((TOP / "docs/examples/analyticsapi.yaml").read_text())
    example["metadata"]["name"] = name
    worker = {"resources": {"requests": {"cpu": "10m", "memory": "64Mi"}}}
    example["spec"] |= {"resources": SMALL, "worker": worker} | spec
    example["spec"]["image"]["repository"] = f"{kubectl.image_prefix}analytics-service"
    return example


def left_behind(kubectl: Kubectl) -> str:
    """What of ours is on the cluster now, and the commands that remove it."""
    found = kubectl.list("namespaces", selector=f"{OURS}=true")
    names = " ".join(each["metadata"]["name"] for each in found)
    delete = f"kubectl --kubeconfig {kubectl.kubeconfig} --context {kubectl.context} delete"
    everything = "make cluster-down" if kubectl.context == f"kind-{NAME}" else f"{delete} crd {KIND}"
    lines = [f"Left on the cluster {kubectl.context}: the CRD of AnalyticsApi and the namespaces {names or '(none)'}"]
    lines += [f"Remove the namespaces: {delete} namespace {names}"] if names else []
    return "\n".join([*lines, f"Remove the rest: {everything}"])
