"""Helm against an API server of its own: upgrades in place, and leaves without taking anything along."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.operator.cluster_actor import a_resource
from tests.support.kube import TOP, KubeApi, api_server, eventually, helm

PREVIOUS = TOP / "tests/operator/chart-0.1.0.yaml"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[KubeApi, Path]]:
    """An API server that holds nothing of ours, and its kubeconfig."""
    folder = tmp_path_factory.mktemp("helm")
    with api_server(folder) as api:
        yield api, api.kubeconfig(folder / "kubeconfig")


@pytest.mark.kube
def test_an_upgrade_keeps_the_deployment_and_what_it_selects(bare: tuple[KubeApi, Path], tmp_path: Path) -> None:
    api, kubeconfig = replace(bare[0], namespace="previous"), f"--kubeconfig={bare[1]}"
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/all.yaml").write_text(PREVIOUS.read_text())
    chart = {"apiVersion": "v2", "name": "analytics-operator", "version": "0.1.0"}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart))
    there = ("analytics-operator", "--namespace=previous", kubeconfig)
    helm("install", *there, str(tmp_path), "--create-namespace")
    before = api.get("Deployment", "analytics-operator")
    helm("upgrade", *there, "charts/operator")
    after = api.get("Deployment", "analytics-operator")
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert after["spec"]["selector"] == before["spec"]["selector"]
    assert len(after["spec"]["template"]["spec"]["topologySpreadConstraints"]) == 2
    assert api.find("ClusterRole", "previous-analytics-operator-admin") is None, "part of edit now"


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
