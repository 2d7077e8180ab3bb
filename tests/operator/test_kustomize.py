"""The kustomize base: the chart as it is rendered, built by kubectl and taken by the API server."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("file", "values", "kinds"),
    [
        pytest.param("operator.yaml", ("aggregatedRoles=false",), None, id="operator"),
        pytest.param("roles/roles.yaml", (), {"ClusterRole"}, id="roles of users"),
    ],
)
def test_the_base_is_what_the_chart_renders(file: str, values: tuple[str, ...], kinds: set[str] | None) -> None:
    documents = charts.text(*values, namespace="analytics").split("---\n")
    found = [each for each in documents if each and kinds in {None, frozenset([yaml.safe_load(each)["kind"]])}]
    text = "# DO NOT EDIT: rendered from charts/operator by `make kustomize`.\n"
    text += "".join(line for each in found for line in ["---\n", *each.splitlines(keepends=True)] if not helms(line))
    if os.environ.get("UPDATE_GOLDEN"):
        (BASE / file).write_text(text)
    assert (BASE / file).read_text() == text, "run `make kustomize` and read the difference"


def helms(line: str) -> bool:
    return any(own in line for own in HELMS_OWN)


def overlay(folder: Path, namespace: str) -> list[Object]:
    """Of a user, who names the base and sets the namespace."""
    folder.mkdir()
    base = os.path.relpath(BASE, folder.resolve())
    (folder / "kustomization.yaml").write_text(f"namespace: {namespace}\nresources: [{base}]\n")
    return built(folder)


@pytest.mark.kube
def test_two_overlays_side_by_side_share_nothing(cluster: KubeApi, tmp_path: Path) -> None:
    found = {name: overlay(tmp_path / name, name) for name in ("team-a", "team-b")}
    for name, manifests in found.items():
        cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        assert {each["metadata"].get("namespace") for each in manifests} == {name}, "nothing is of the whole cluster"
        subjects = [who for each in manifests for who in each.get("subjects", [])]
        assert {who["namespace"] for who in subjects} == {name}
        assert "analytics" not in {word for each in strings(manifests) for word in re.split(r"[/,=\s]", each)}
        for manifest in manifests:
            apply(replace(cluster, namespace=name), manifest)
    assert [each["kind"] for each in found["team-a"]] == [each["kind"] for each in found["team-b"]]


def apply(api: KubeApi, manifest: Object) -> None:
    group, plural = manifest["apiVersion"], f"{manifest['kind'].lower()}s".replace("policys", "policies")
    root = "/api/v1" if group == "v1" else f"/apis/{group}"
    path = f"{root}/namespaces/{api.namespace}/{plural}/{manifest['metadata']['name']}"
    query = "?fieldManager=kustomize&force=false&fieldValidation=Strict"
    api.request("PATCH", path + query, body=manifest, content_type="application/apply-patch+yaml")


def strings(value: Any) -> Iterator[str]:
    match value:
        case dict():
            yield from (text for each in value.values() for text in strings(each))
        case list():
            yield from (text for each in value for text in strings(each))
        case str():
            yield value
        case _:
            pass


@pytest.mark.kube
def test_the_roles_of_users_are_a_base_of_their_own(cluster: KubeApi) -> None:
    manifests = built(BASE / "roles")
    assert {each["kind"] for each in manifests} == {"ClusterRole"}
    for manifest in manifests:
        cluster.create(manifest, dry_run=True)


def test_the_crd_is_a_base_of_its_own() -> None:
    assert [each["kind"] for each in built(TOP / "crds")] == ["CustomResourceDefinition"]
    assert "CustomResourceDefinition" not in {each["kind"] for each in built(BASE)}
