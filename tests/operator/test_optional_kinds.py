"""Kinds whose CRDs are others' to install: reported while they are not there, used when they come."""

from collections.abc import Iterator
from functools import partial

import pytest

from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import running, serving
from tests.support import crds
from tests.support.kube import KubeApi, eventually

pytestmark = pytest.mark.kube

SECONDS = 60
"""That a new kind may take to be used."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server of its own, without any CRD but ours, and an operator of it."""
    folder = tmp_path_factory.mktemp("bare")
    with serving(folder) as api, running(api, folder, "--namespace=default"):
        yield api


def test_a_kind_is_reported_until_it_is_installed_and_again_when_it_is_removed(bare: KubeApi) -> None:
    actor = ClusterActor(bare)
    actor.ready(
        ingress={"host": "a.example", "tls": {"secretName": "tls", "clusterIssuer": "letsencrypt"}},
        gateway={"parentRefs": [{"name": "public"}]},
        monitoring={"serviceMonitor": {}, "prometheusRule": {}},
    )
    routes = actor.until("RoutesConfigured", "False", "KindNotInstalled")["message"]
    assert "HTTPRoute is not installed: install the Gateway API's CRDs" in routes
    assert "cert-manager is not installed" in routes
    monitoring = actor.until("MonitoringConfigured", "False", "KindNotInstalled")["message"]
    assert "ServiceMonitor is not installed: install the Prometheus Operator's CRDs" in monitoring
    assert "PrometheusRule is not installed" in monitoring
    assert actor.condition("Ready")["status"] == "True", "pods serve without them"
    assert bare.find("Ingress", "demo"), "what the API server knows is there"
    assert {each["reason"] for each in bare.list("Event")} >= {"RoutesNotConfigured", "MonitoringNotConfigured"}

    crds.install(bare, *crds.gateway(), *crds.monitoring(), crds.CERTIFICATES)
    for kind in ("HTTPRoute", "ServiceMonitor", "PrometheusRule"):
        eventually(partial(bare.find, kind, "demo"), what=f"a {kind}", seconds=SECONDS)
    actor.until("RoutesConfigured", "True", "Applied")
    actor.until("MonitoringConfigured", "True", "Applied")

    crds.remove(bare, *crds.gateway())
    eventually(
        lambda: actor.condition("RoutesConfigured")["reason"] == "KindNotInstalled", what="it is gone", seconds=SECONDS
    )
    actor.edit(cache={"defaultTtlSeconds": 7})
    actor.settle()
