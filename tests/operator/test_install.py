"""Helm against an API server of its own: upgrades in place, and leaves without taking anything along."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from release.page import Release
from tests.operator.cluster_actor import a_resource
from tests.support.kube import KubeApi, api_server, eventually, helm
from tests.support.releases import UPGRADABLE, tree


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubeApi, Path]]:
    """An API server that holds nothing of ours, and its kubeconfig."""
    folder = tmp_path_factory.mktemp("helm")
    with api_server(folder) as api:
        yield api, api.kubeconfig(folder / "kubeconfig")


@pytest.mark.kube
@pytest.mark.parametrize("release", UPGRADABLE, ids=lambda release: release.version)
def test_an_upgrade_keeps_the_deployment_and_what_it_selects(bare: tuple[KubeApi, Path], release: Release) -> None:
    api, there = bare[0], (f"--kubeconfig={bare[1]}", "--namespace=default")
    for chart in ("crds", "operator"):
        helm("install", f"analytics-{chart}", str(tree(release) / "charts" / chart), *there)
    before = api.get("Deployment", "analytics-operator")
    for chart in ("crds", "operator"):
        helm("upgrade", f"analytics-{chart}", f"charts/{chart}", *there)
    after = api.get("Deployment", "analytics-operator")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["selector"] == before["spec"]["selector"]
    for chart in ("operator", "crds"):
        helm("uninstall", f"analytics-{chart}", *there)


@pytest.mark.kube
def test_uninstalling_both_charts_leaves_the_crd_the_resources_and_their_children(bare: tuple[KubeApi, Path]) -> None:
    api, there = bare[0], (f"--kubeconfig={bare[1]}", "--namespace=default")
    helm("install", "analytics-crds", "charts/crds", *there)
    helm("install", "analytics-operator", "charts/operator", *there)
    eventually(lambda: api.list("AnalyticsApi") == [] and "served", what="the CRD is served")
    resource = api.create(a_resource())
    owner = {"apiVersion": resource["apiVersion"], "kind": "AnalyticsApi", "name": "demo", "controller": True}
    owner |= {"uid": resource["metadata"]["uid"], "blockOwnerDeletion": True}
    labels = {"app.kubernetes.io/managed-by": "analytics-operator", "app.kubernetes.io/instance": "demo"}
    metadata = {"name": "demo-child", "labels": labels, "ownerReferences": [owner]}
    child = api.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
    helm("uninstall", "analytics-operator", *there)
    helm("uninstall", "analytics-crds", *there)
    assert api.find("Deployment", "analytics-operator") is None
    assert api.get("AnalyticsApi", "demo")["metadata"] == resource["metadata"]
    assert api.get("ConfigMap", "demo-child")["metadata"] == child["metadata"]
