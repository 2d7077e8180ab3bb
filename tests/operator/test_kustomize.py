"""The kustomize base: the chart as it is rendered, built by kubectl and taken by the API server."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from e2e.cluster import gomodules
from tests.support import charts
from tests.support.kube import TOP, KubeApi, Object

BASE = TOP / "charts/kustomize"
HELMS_OWN = ("helm.sh/chart:", "app.kubernetes.io/managed-by: Helm")


def built(folder: Path) -> list[Object]:
    kubectl = shutil.which("kubectl", path=f"{gomodules.clients()}{os.pathsep}{os.environ['PATH']}")
    assert kubectl
    done = subprocess.run([kubectl, "kustomize", str(folder)], capture_output=True, text=True, check=True)
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def test_the_base_is_what_the_chart_renders() -> None:
    lines = charts.text(namespace="analytics").splitlines(keepends=True)
    text = "# DO NOT EDIT: rendered from charts/operator by `make kustomize`.\n"
    text += "".join(line for line in lines if not any(own in line for own in HELMS_OWN))
    file = BASE / "operator.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text, "run `make kustomize` and read the difference"


@pytest.mark.kube
def test_an_overlay_moves_all_of_it_and_the_api_server_takes_it(api: KubeApi, tmp_path: Path) -> None:
    for file in BASE.iterdir():
        shutil.copy(file, tmp_path)
    settings = tmp_path / "kustomization.yaml"
    settings.write_text(settings.read_text().replace("namespace: analytics", f"namespace: {api.namespace}"))
    manifests = built(tmp_path)
    assert {each["metadata"].get("namespace", api.namespace) for each in manifests} == {api.namespace}
    subjects = [who for each in manifests for who in each.get("subjects", [])]
    assert {who["namespace"] for who in subjects} == {api.namespace}
    paths = {"networking.k8s.io/v1": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies"}
    for manifest in manifests:
        if path := paths.get(manifest["apiVersion"]):
            api.request("POST", f"{path.format(api.namespace)}?dryRun=All&fieldValidation=Strict", body=manifest)
        else:
            api.create(manifest, dry_run=True)


def test_the_crd_is_a_base_of_its_own() -> None:
    assert [each["kind"] for each in built(TOP / "crds")] == ["CustomResourceDefinition"]
    assert "CustomResourceDefinition" not in {each["kind"] for each in built(BASE)}
