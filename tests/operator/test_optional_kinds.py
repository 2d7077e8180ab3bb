"""Kinds whose CRDs are others' to install: reported while they are not there, used when they come."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from analytics_operator.controller.kind_poller import KindPoller
from analytics_operator.errors import NotFound, Unavailable
from analytics_operator.kube.objects import HTTP_ROUTE, SERVICE_MONITOR, Kind
from tests.operator.cluster_actor import ClusterActor
from tests.operator.conftest import running, serving
from tests.operator.test_plugin import Plugin
from tests.support import crds
from tests.support.kube import KubeApi, eventually

SECONDS = 60
"""That a new kind may take to be used."""


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """An API server of its own, without any CRD but ours, and an operator of it."""
    folder = tmp_path_factory.mktemp("bare")
    with serving(folder) as api, running(api, folder, "--namespace=default"):
        yield api


class Discovery:
    """An API server that serves these groups; of the failing one it knows nothing at the moment."""

    def __init__(self, *served: Kind) -> None:
        self.served = served
        self.failing: Kind | None = None

    async def discover(self, kind: Kind, path: str) -> dict[str, Any]:
        if self.failing and path.endswith(self.failing.api_version):
            raise Unavailable("HTTP 503")
        resources = [{"name": each.plural} for each in self.served if path == f"/apis/{each.api_version}"]
        if not resources:
            raise NotFound(f"no {kind.api_version}")
        return {"resources": resources}


async def test_a_group_that_does_not_answer_is_taken_as_before() -> None:
    discovery = Discovery(HTTP_ROUTE, SERVICE_MONITOR)
    poller = KindPoller(discovery)
    assert await poller.poll()
    assert poller.served == {HTTP_ROUTE, SERVICE_MONITOR}, "the other kinds of the group are not served"
    discovery.failing, discovery.served = HTTP_ROUTE, ()
    assert await poller.poll()
    assert poller.served == {HTTP_ROUTE}
    assert not await poller.poll()
    discovery.failing = None
    assert await poller.poll()
    assert poller.served == frozenset()


@pytest.mark.kube
def test_a_kind_is_reported_until_it_is_installed_and_again_when_it_is_removed(bare: KubeApi, tmp_path: Path) -> None:
    actor = ClusterActor(bare)
    bare.secret("tls", **{"tls.crt": "x", "tls.key": "x"})
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
    actor.accept_route()
    actor.until("RoutesConfigured", "True", "Applied")
    actor.until("MonitoringConfigured", "True", "Applied")
    (tree,) = eventually(lambda: Plugin(bare, tmp_path).json("status", "demo"), what="the new kinds can be listed")
    assert {"HTTPRoute", "ServiceMonitor", "PrometheusRule"} <= {each["kind"] for each in tree["children"]}

    crds.remove(bare, *crds.gateway())
    eventually(
        lambda: actor.condition("RoutesConfigured")["reason"] == "KindNotInstalled", what="it is gone", seconds=SECONDS
    )
    actor.edit(cache={"defaultTtlSeconds": 7})
    actor.settle()
