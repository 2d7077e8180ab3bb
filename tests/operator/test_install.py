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
def test_an_upgrade_keeps_the_deployment_what_it_selects_and_the_values(
    bare: tuple[KubeApi, Path], release: Release
) -> None:
    api, there = bare[0], (f"--kubeconfig={bare[1]}", "--namespace=default")
    values = {"crds": (), "operator": ("--set=replicas=1,logLevel=debug",)}
    for chart, given in values.items():
        helm("install", f"analytics-{chart}", str(tree(release) / "charts" / chart), *there, *given)
    before = api.get("Deployment", "analytics-operator")
    for chart in values:
        helm("upgrade", f"analytics-{chart}", f"charts/{chart}", *there, "--reset-then-reuse-values")
    after = api.get("Deployment", "analytics-operator")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["selector"] == before["spec"]["selector"]
    assert after["spec"]["replicas"] == 1
    assert "--log-level=debug" in after["spec"]["template"]["spec"]["containers"][0]["args"]
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


@pytest.mark.kube
def test_notes_name_what_to_do_next(bare: tuple[KubeApi, Path]) -> None:
    install = ("install", "mine", "charts/operator", f"--kubeconfig={bare[1]}", "--dry-run=server")
    notes = helm(*install, "--namespace=default").partition("NOTES:\n")[2]
    assert "The operator watches default." in notes
    assert "kubectl rollout status deployment/mine --namespace default" in notes
    assert "on the ports 443, 6443." in notes
    notes = helm(*install, "--set=networkPolicy.enabled=false,clusterWide=true").partition("NOTES:\n")[2]
    assert "every namespace" in notes
    assert "NetworkPolicy" not in notes
