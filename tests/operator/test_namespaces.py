"""A watched namespace that is gone: one line, a metric that names it, and back to work when it is there again."""

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import OPERATOR, Operator, running, serving
from tests.support.kube import KubeApi, KubeError, Object, eventually, helm

pytestmark = pytest.mark.kube


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server with the namespaces `here` and `gone`, which no other operator watches."""
    with serving(tmp_path_factory.mktemp("kube"), users=[OPERATOR]) as api:
        yield api


def rights() -> list[Object]:
    chart = helm(
        *["template", "analytics-operator", "charts/operator", "-n", "default", "--kube-version", "1.34.4"],
        "--set=watchNamespaces={here,gone}",
    )
    return [each for each in yaml.safe_load_all(chart) if each and "rbac" in each["apiVersion"]]


def create(api: KubeApi, namespace: str) -> ClusterActor:
    """With the rights of the chart in it."""
    api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    for manifest in rights():
        if manifest["metadata"].get("namespace") == namespace and not manifest["kind"].startswith("Cluster"):
            api.install(manifest)
    return ClusterActor(replace(api, namespace=namespace))


def refused(operator: Operator) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    marked = [each for each in lines if each.startswith("analytics_operator_watch_refused{") and each.endswith(" 1.0")]
    return {each.partition('watched_namespace="')[2].partition('"')[0] for each in marked}


def is_forbidden(api: KubeApi) -> bool:
    try:
        api.get("AnalyticsApi", "late")
    except KubeError as error:
        return error.status == 403
    return False


def log(operator: Operator, *words: str) -> list[Object]:
    found = [json.loads(line) for line in operator.log.read_text().splitlines() if line.startswith("{")]
    return [each for each in found if any(word in each["event"] for word in words)]


def test_a_namespace_that_is_gone_disturbs_no_other_and_is_picked_up_when_it_is_back(
    server: KubeApi, tmp_path: Path
) -> None:
    here = create(server, "here")
    for manifest in rights():
        if manifest["metadata"].get("namespace") == "default":
            server.install(manifest)
    arguments = ("--namespace=here", "--namespace=gone", "--lease-namespace=default")
    with running(server.user(OPERATOR), tmp_path, *arguments) as operator:
        here.ready()
        eventually(lambda: refused(operator) == {"gone"}, what="a metric that names it")
        here.pause(20)
        assert [each["namespace"] for each in log(operator, "watch response changed")] == ["gone"]
        assert log(operator, "Request attempt") == []
        gone = create(server, "gone")
        gone.ready("late")
        eventually(lambda: refused(operator) == set(), what="no watch is refused")
        # its Role goes first, as when a namespace is deleted; then an event of what is left
        for kind in ("RoleBinding", "Role"):
            gone.api.delete(kind)
        operators = replace(server.user(OPERATOR), namespace="gone")
        eventually(lambda: is_forbidden(operators), what="the operator has no rights there")
        gone.pause(3)  # a reconcile that had begun ends
        before = len(log(operator, "reconcile failed"))
        gone.api.delete("Service", "late")
        gone.edit("late", cache={"defaultTtlSeconds": 5})
        gone.api.delete("AnalyticsApi", "late")
        gone.pause(5)
        assert len(log(operator, "reconcile failed")) == before, "the key is forgotten"
        here.edit(cache={"defaultTtlSeconds": 5})
        here.settle()
