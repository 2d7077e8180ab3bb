"""Ingress, HTTPRoute, NetworkPolicies, monitors, rules and dashboard on a real API server, with the CRDs of others."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import CONFIG_MAP, INGRESS, NETWORK_POLICY, OPTIONAL, Want
from analytics_operator.plan import plan
from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_golden import CASES, NOW, observed
from tests.support import crds
from tests.support.kube import TOP, KubeApi, KubeError, Object, eventually

pytestmark = pytest.mark.kube

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
HERE: list[Object] = [{"podSelector": {}}]
EVERYBODY: list[Object] = [{"namespaceSelector": {}}]
POLICY: Object = {
    "ingressFrom": EVERYBODY,
    "monitoringFrom": EVERYBODY,
    "database": {"to": HERE},
    "redis": {"to": HERE},
}
INGRESS_OF_ANY: Object = {"host": "a.example"}
GATEWAY: Object = {"parentRefs": [{"name": "public"}]}
SECTIONS: Object = {
    "redis": REDIS,
    "ingress": INGRESS_OF_ANY,
    "gateway": GATEWAY,
    "networkPolicy": POLICY,
    "monitoring": {"podMonitor": {}, "prometheusRule": {}, "dashboard": {}},
}
CHILDREN = (
    ("Ingress", "demo"),
    ("HTTPRoute", "demo"),
    ("NetworkPolicy", "demo"),
    ("NetworkPolicy", "demo-ingest"),
    ("NetworkPolicy", "demo-worker"),
    ("NetworkPolicy", "demo-migrate"),
    ("PodMonitor", "demo"),
    ("PrometheusRule", "demo"),
    ("ConfigMap", names.dashboard("demo")),
)


@pytest.fixture(scope="module", autouse=True)
def installed(cluster: KubeApi) -> None:
    """The operator of the session finds the kinds within seconds."""
    crds.install(cluster, *crds.gateway(), *crds.monitoring())


def present(api: KubeApi) -> set[tuple[str, str]]:
    return {child for child in CHILDREN if api.find(*child)}


def versions(api: KubeApi) -> dict[str, str]:
    """resourceVersions of all that belongs to the resource."""
    kinds = {kind for kind, _ in CHILDREN} | {"ServiceAccount", "Service", "Deployment"}
    found = {kind: api.list(kind, labels.children_of("demo")) for kind in sorted(kinds)}
    return {
        f"{kind} {each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for kind, objects in found.items()
        for each in objects
    }


def declared(world: ClusterActor) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.ready(**SECTIONS)
    eventually(lambda: present(world.api) == set(CHILDREN), what="every child", seconds=60)
    world.until("RoutesConfigured", "Unknown", "GatewayAwaited")
    world.accept_route()
    world.until("RoutesConfigured", "True", "Applied")
    world.until("MonitoringConfigured", "True", "Applied")


def test_sections_become_objects_and_what_is_removed_goes(world: ClusterActor) -> None:
    declared(world)
    world.edit(ingress=None)
    eventually(lambda: world.api.find("Ingress", "demo") is None, what="no Ingress")
    assert world.api.find("HTTPRoute", "demo"), "the user moved from one to the other"
    world.edit(gateway=None, networkPolicy={"mode": "Disabled"}, monitoring={"podMonitor": None, "dashboard": None})
    eventually(lambda: present(world.api) == {("PrometheusRule", "demo")}, what="the rest is gone")
    world.edit(networkPolicy=None, monitoring=None)
    eventually(lambda: present(world.api) == set(), what="all is gone")
    world.settle()
    assert world.condition("RoutesConfigured")["status"] is None
    assert world.condition("MonitoringConfigured")["status"] is None


def test_an_edit_reaches_the_objects(world: ClusterActor) -> None:
    declared(world)
    world.edit(ingress={"host": "b.example", "annotations": {"a.example/b": "c"}}, gateway={"hostnames": ["b.example"]})

    def arrived() -> bool:
        ingress, route = world.api.get("Ingress", "demo"), world.api.get("HTTPRoute", "demo")
        assert ingress["metadata"]["annotations"] == {"a.example/b": "c"}
        assert route["spec"]["hostnames"] == ["b.example"]
        return bool(ingress["spec"]["rules"][0]["host"] == "b.example")

    eventually(arrived, what="the edit")


def test_another_pass_writes_nothing(world: ClusterActor) -> None:
    declared(world)
    world.settle()
    world.pause(2)
    before, passes = versions(world.api), 'analytics_operator_reconcile_seconds_count{outcome="success"}'
    count = world.metric(passes)
    world.api.merge("AnalyticsApi", "demo", {"metadata": {"annotations": {"touched": "yes"}}})
    eventually(lambda: world.metric(passes) > count, what="another pass")
    world.pause(2)
    assert versions(world.api) == before


def examples() -> Iterator[Object]:
    """The specs that the pages give to copy."""
    for page in ("networking", "monitoring"):
        text = (TOP / f"docs/operator/{page}.md").read_text()
        blocks = [yaml.safe_load(each.partition("```")[0]) for each in text.split("```yaml\n")[1:]]
        yield from (each["spec"] for each in blocks if each.keys() == {"spec"})


@pytest.mark.parametrize("spec", [pytest.param(each, id="+".join(each)) for each in examples()])
def test_the_api_server_accepts_what_the_pages_give_to_copy(actor: ClusterActor, spec: Object) -> None:
    stored = actor.declare(**spec)["spec"]
    assert spec.keys() <= stored.keys()


@pytest.mark.parametrize("case", ["routed-and-isolated", "monitored"])
def test_the_api_server_knows_every_field_that_is_written(api: KubeApi, case: str) -> None:
    """By its strict validation, which refuses fields that a schema has not."""
    kinds = {INGRESS, NETWORK_POLICY, CONFIG_MAP, *OPTIONAL}
    seen = observed(yaml.safe_load((CASES / case / "input.yaml").read_text()))
    written = [each for each in plan(seen, now=NOW, random_text="0" * 64).decisions if isinstance(each, Want)]
    chosen = [each for each in written if each.ref.kind in kinds]
    assert {each.ref.kind for each in chosen} > {CONFIG_MAP}
    for each in chosen:
        metadata = each.manifest["metadata"] | {"namespace": api.namespace}
        path = f"{each.ref.kind.path(api.namespace)}?dryRun=All&fieldValidation=Strict"
        api.request("POST", path, body=each.manifest | {"metadata": metadata})


LABELS = {"team": "llm"}
ISSUED = {"secretName": "tls", "clusterIssuer": "letsencrypt"}


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(SECTIONS, id="all sections"),
        pytest.param({"ingress": INGRESS_OF_ANY | {"host": "*.a.example", "tls": ISSUED}}, id="a wildcard with TLS"),
        pytest.param(
            {"ingress": INGRESS_OF_ANY | {"rateLimitPerSecond": 5, "annotations": {"a.example/b": "c"}}}, id="a limit"
        ),
        pytest.param(
            {"gateway": GATEWAY | {"timeouts": {"requestSeconds": 5, "backendRequestSeconds": 5}}}, id="times"
        ),
        pytest.param({"gateway": GATEWAY | {"timeouts": {"backendRequestSeconds": 5}}}, id="one time"),
        pytest.param({"networkPolicy": {"mode": "Disabled"}}, id="no policy"),
        pytest.param({"networkPolicy": {"database": {"to": HERE}}}, id="nobody comes in"),
        pytest.param(
            {"networkPolicy": {"database": {"to": [{"ipBlock": {"cidr": "2001:db8::/32"}}], "ports": [5432, 6432]}}},
            id="addresses",
        ),
        pytest.param(
            {
                "networkPolicy": {
                    "database": {
                        "to": [{"namespaceSelector": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}}]
                    }
                }
            },
            id="an expression",
        ),
        pytest.param({"monitoring": {"serviceMonitor": {"labels": LABELS, "intervalSeconds": 5}}}, id="a monitor"),
        pytest.param(
            {
                "monitoring": {
                    "podMonitor": {
                        "relabelings": [
                            {"sourceLabels": ["a"], "action": "keep", "regex": "b"},
                            {"sourceLabels": ["a"], "action": "hashmod", "modulus": 2, "targetLabel": "c"},
                            {"action": "labeldrop", "regex": "d"},
                            {"action": "dropequal", "sourceLabels": ["a"], "targetLabel": "b"},
                        ]
                    }
                }
            },
            id="relabelings",
        ),
        pytest.param({"monitoring": {"dashboard": {}}}, id="a dashboard"),
        pytest.param(
            {
                "exports": {"s3": {"bucket": "exports"}},
                "networkPolicy": {"database": {"to": HERE}, "exports": {"to": HERE, "ports": [9000]}},
            },
            id="a way to the storage of exports",
        ),
        pytest.param(
            {
                "service": {"type": "LoadBalancer"},
                "networkPolicy": {"database": {"to": HERE}, "ingressFrom": EVERYBODY},
            },
            id="a load balancer that clients reach",
        ),
    ],
)
def test_the_api_server_accepts(actor: ClusterActor, spec: dict[str, Any]) -> None:
    actor.declare(**spec)


def relabeled(**rule: Any) -> Object:
    return {"monitoring": {"serviceMonitor": {"metricRelabelings": [rule]}}}


def to(**peer: Any) -> Object:
    return {"networkPolicy": {"database": {"to": [peer]}}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"ingress": {}}, "host: Required value", id="no host"),
        pytest.param({"ingress": {"host": "https://a.example"}}, "should match", id="a URL"),
        pytest.param({"ingress": INGRESS_OF_ANY | {"paths": ["api"]}}, "should match", id="no path"),
        pytest.param({"ingress": INGRESS_OF_ANY | {"paths": []}}, "at least 1 items", id="no paths"),
        pytest.param(
            {"ingress": INGRESS_OF_ANY | {"annotations": {"kubernetes.io/ingress.class": "a"}}},
            "set ingress.className",
            id="a class as an annotation",
        ),
        pytest.param(
            {"ingress": INGRESS_OF_ANY | {"tls": ISSUED, "annotations": {"cert-manager.io/issuer": "a"}}},
            "an issuer beside ingress.tls.clusterIssuer",
            id="two issuers",
        ),
        pytest.param(
            {
                "ingress": INGRESS_OF_ANY
                | {"rateLimitPerSecond": 5, "annotations": {"haproxy.org/rate-limit-requests": "7"}}
            },
            "limits requests beside ingress.rateLimitPerSecond",
            id="two limits",
        ),
        pytest.param(
            {
                "ingress": INGRESS_OF_ANY
                | {"rateLimitPerSecond": 5, "annotations": {"haproxy.org/rate-limit-period": "10s"}}
            },
            "limits requests beside ingress.rateLimitPerSecond",
            id="a limit, and its time",
        ),
        pytest.param({"gateway": {"parentRefs": []}}, "at least 1 items", id="no Gateway"),
        pytest.param(
            {"gateway": GATEWAY | {"timeouts": {"requestSeconds": 4, "backendRequestSeconds": 5}}},
            "at most requestSeconds",
            id="an attempt longer than the request",
        ),
        pytest.param({"networkPolicy": {}}, "networkPolicy.database.to", id="no way to the database"),
        pytest.param(
            {"redis": REDIS, "networkPolicy": {"database": {"to": HERE}}}, "networkPolicy.redis.to", id="nor to Redis"
        ),
        pytest.param(
            {"networkPolicy": {"database": {"to": HERE}, "redis": {"to": HERE}}},
            "networkPolicy.redis is of no connection",
            id="a way to no Redis",
        ),
        pytest.param(
            {"exports": {"s3": {"bucket": "exports"}}, "networkPolicy": {"database": {"to": HERE}}},
            "networkPolicy.exports.to",
            id="no way to the storage of exports",
        ),
        pytest.param(
            {"networkPolicy": {"database": {"to": HERE}, "exports": {"to": HERE}}},
            "networkPolicy.exports is of no connection",
            id="a way to no storage",
        ),
        pytest.param(
            {"ingress": INGRESS_OF_ANY, "networkPolicy": {"database": {"to": HERE}}},
            "networkPolicy.ingressFrom",
            id="an Ingress that is denied",
        ),
        pytest.param(
            {"gateway": GATEWAY, "networkPolicy": {"database": {"to": HERE}}},
            "networkPolicy.ingressFrom",
            id="an HTTPRoute that is denied",
        ),
        pytest.param(
            {"service": {"type": "LoadBalancer"}, "networkPolicy": {"database": {"to": HERE}}},
            "networkPolicy.ingressFrom",
            id="a load balancer that is denied",
        ),
        pytest.param(
            {"monitoring": {"podMonitor": {}}, "networkPolicy": {"database": {"to": HERE}}},
            "networkPolicy.monitoringFrom",
            id="scrapes that are denied",
        ),
        pytest.param(
            {"networkPolicy": {"database": {"to": HERE}, "ingressFrom": []}}, "at least 1 items", id="an empty list"
        ),
        pytest.param(to(), "either ipBlock", id="a peer that is nothing"),
        pytest.param(to(podSelector={}, ipBlock={"cidr": "10.0.0.0/8"}), "either ipBlock", id="a peer that is two"),
        pytest.param(to(ipBlock={"cidr": "10.0.0.0"}), "should match", id="no block"),
        pytest.param(
            to(podSelector={"matchExpressions": [{"key": "a", "operator": "In"}]}), "In and NotIn need", id="no values"
        ),
        pytest.param(
            to(podSelector={"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}),
            "In and NotIn need",
            id="values of Exists",
        ),
        pytest.param(
            {"monitoring": {"podMonitor": {}, "serviceMonitor": {}}}, "scrape the same pods", id="two monitors"
        ),
        pytest.param(relabeled(sourceLabels=["a"]), "name it in targetLabel", id="a rule that writes nowhere"),
        pytest.param(
            relabeled(sourceLabels=["a"], action="hashmod", targetLabel="b"), "which needs it", id="no modulus"
        ),
        pytest.param(relabeled(modulus=2, targetLabel="b"), "which needs it", id="a modulus of nothing"),
        pytest.param(
            relabeled(action="labeldrop", sourceLabels=["a"], regex="b"), "by regex alone", id="labels of a label"
        ),
        pytest.param(
            relabeled(action="keepequal", sourceLabels=["a"], targetLabel="b", regex="c"),
            "take nothing else",
            id="labels that are compared, and a regex",
        ),
        pytest.param(
            {"monitoring": {"dashboard": {"labels": {"app.kubernetes.io/name": "mine"}}}}, "cannot", id="our label"
        ),
    ],
)
def test_the_api_server_refuses(actor: ClusterActor, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(KubeError, match=message) as refused:
        actor.declare(**spec)
    assert refused.value.status == 422
