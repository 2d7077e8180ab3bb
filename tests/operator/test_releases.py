"""Upgrades of the operator: today's code takes over the resources of each release in docs/releases.md."""

from pathlib import Path

import pytest
import yaml

from analytics_operator.api.crd import definition
from analytics_operator.api.v1alpha1 import Spec
from release.page import Release
from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import running, serving
from tests.support.kube import KubeApi, Object, eventually
from tests.support.releases import UPGRADABLE, packages_of, tree

pytestmark = pytest.mark.kube

CRD = "analyticsapis.analytics.llm-observatory.io"
CHILDREN = ("ConfigMap", "Deployment", "Job", "Secret", "Service", "ServiceAccount", "PodDisruptionBudget")


def read(release: Release, path: str) -> Object:
    found: Object = yaml.safe_load((tree(release) / path).read_text())
    return found


def children(api: KubeApi) -> dict[tuple[str, str], tuple[str, Object]]:
    """By kind and name, what must outlive an upgrade: the object itself, and its pods or its values."""
    return {
        (kind, each["metadata"]["name"]): (
            each["metadata"]["uid"],
            each.get("data") or each.get("spec", {}).get("template") or {},
        )
        for kind in CHILDREN
        for each in api.list(kind, "app.kubernetes.io/managed-by=analytics-operator")
    }


@pytest.mark.parametrize("release", UPGRADABLE, ids=lambda release: release.version)
def test_an_upgraded_operator_keeps_every_child_and_restarts_no_pod(release: Release, tmp_path: Path) -> None:
    with serving(tmp_path, crd=read(release, "crds/analyticsapis.yaml")) as api:
        actor = ClusterActor(api)
        api.secret("analytics-credentials", database_url="postgres://u:p@db/x", redis_url="redis://redis:6379/0")
        with running(api, tmp_path, "--namespace=default", **packages_of(release)):
            api.create(read(release, "docs/examples/analyticsapi.yaml"))
            actor.migrate()
            actor.settle()
        before = children(api)
        api.merge("CustomResourceDefinition", CRD, {"spec": definition()["spec"]})
        with running(api, tmp_path, "--namespace=default"):
            actor.edit(replicas=3)
            eventually(
                lambda: actor.api.get("Deployment", "demo")["spec"]["replicas"] == 3, what="today's operator acts"
            )
            actor.settle()
        after = children(api)
        for child, (uid, content) in before.items():
            assert after[child][0] == uid
            assert {key: after[child][1][key] for key in content} == content, "the released copy says more than before"


def upgraded() -> Object:
    """Today's CRD, with a log level more: whether it is accepted tells which schema the API server serves."""
    crd: Object = definition()
    spec = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["logging"]["properties"]["level"]["enum"].append("upgraded")
    return crd


@pytest.mark.parametrize("release", UPGRADABLE, ids=lambda release: release.version)
def test_a_stored_resource_with_every_field_set_stays_valid_and_as_it_was(release: Release, tmp_path: Path) -> None:
    resource = read(release, "docs/examples/analyticsapi.yaml")
    resource["spec"] = read(release, "tests/operator/cases/everything-set/input.yaml")["spec"]
    with serving(tmp_path, crd=read(release, "crds/analyticsapis.yaml")) as api:
        stored = api.create(resource)["spec"]
        api.merge("CustomResourceDefinition", CRD, {"spec": upgraded()["spec"]})
        eventually(lambda: relogged(api, "upgraded"), what="today's schema is served")
        relogged(api, stored["logging"]["level"])
        assert api.get("AnalyticsApi", "demo")["spec"] == stored
        Spec.model_validate(stored)


def relogged(api: KubeApi, level: str) -> Object:
    """The resource, written once more with that log level; raises when the schema refuses any field of it."""
    return api.merge("AnalyticsApi", "demo", {"spec": {"logging": {"level": level}}})
