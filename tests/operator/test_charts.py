"""The charts: what they render, what they grant, and which values they refuse."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_operator.api.ports import HTTP_PORT, METRICS_PORT
from analytics_operator.kube import objects
from analytics_operator.kube.objects import WATCHED, Kind
from e2e.cluster import versions
from tests.support import charts
from tests.support.charts import names, one, rendered
from tests.support.kube import TOP, KubeApi, helm

KUBE_VERSION = f"--kube-version={versions.KUBERNETES}"
KINDS = [each for each in vars(objects).values() if isinstance(each, Kind) and each is not objects.CERTIFICATE]
"""Certificates are only discovered."""


@pytest.mark.parametrize("chart", ["charts/crds", "charts/operator"])
def test_helm_finds_nothing_to_warn_of(chart: str) -> None:
    assert "1 chart(s) linted, 0 chart(s) failed" in helm("lint", "--strict", chart, KUBE_VERSION)


def test_the_default_install_grants_nothing_beyond_its_namespace() -> None:
    manifests = rendered()
    roles = [each for each in manifests if each["kind"] == "ClusterRole"]
    assert roles, "for view, edit and admin"
    assert all(any("aggregate-to" in label for label in role["metadata"]["labels"]) for role in roles)
    assert names(manifests, "ClusterRoleBinding") == []
    assert {each["metadata"]["namespace"] for each in manifests if each["kind"] == "Role"} == {"default"}


def test_without_aggregated_roles_nothing_is_outside_a_namespace() -> None:
    assert all("namespace" in each["metadata"] for each in rendered("aggregatedRoles=false"))


def test_each_watched_namespace_gets_a_role_and_no_other() -> None:
    manifests = rendered("watchNamespaces={one,two}")
    watched = [each["metadata"]["namespace"] for each in manifests if each["kind"] == "Role"]
    assert sorted(watched) == ["default", "one", "two"], "that of `default` is for the Lease"
    assert arguments("watchNamespaces={one,two}") == ["--namespace=one", "--namespace=two"]


def test_the_operator_is_told_what_to_watch_unless_it_is_its_own_namespace() -> None:
    assert arguments() == []
    assert arguments("clusterWide=true") == ["--all-namespaces"]


def arguments(*values: str) -> list[str]:
    found: list[str] = container(*values)["args"]
    return found[2:]


def container(*values: str) -> dict[str, Any]:
    found: dict[str, Any] = pod(*values)["spec"]["containers"][0]
    return found


def pod(*values: str) -> dict[str, Any]:
    template: dict[str, Any] = one(rendered(*values), "Deployment")["spec"]["template"]
    return template


def rules(kind: str = "Role", *values: str) -> list[dict[str, Any]]:
    name = "analytics-operator" if kind == "Role" else "default-analytics-operator"
    (role,) = [each for each in rendered(*values) if each["kind"] == kind and each["metadata"]["name"] == name]
    found: list[dict[str, Any]] = role["rules"]
    return found


def test_cluster_wide_grants_the_same_everywhere() -> None:
    assert rules("ClusterRole", "clusterWide=true") == rules()


def test_secrets_are_read_by_name_and_never_listed_or_changed() -> None:
    (rule,) = [each for each in rules() if "secrets" in each["resources"]]
    assert set(rule["verbs"]) == {"get", "create"}


def test_no_rule_has_a_star_or_deletes_collections_or_updates_children() -> None:
    for rule in rules():
        assert "*" not in str(rule)
        assert "deletecollection" not in rule["verbs"]
        assert "update" not in rule["verbs"] or rule["resources"] == ["analyticsapis/finalizers"]


@pytest.mark.parametrize("kind", WATCHED, ids=lambda kind: kind.plural)
def test_every_watched_kind_may_be_watched(kind: Kind) -> None:
    (rule,) = [each for each in rules() if kind.plural in each["resources"] and kind.group in each["apiGroups"]]
    assert {"get", "list", "watch"} <= set(rule["verbs"])


def test_what_is_granted_are_the_kinds_that_the_operator_knows() -> None:
    granted = {(rule["apiGroups"][0], each.partition("/")[0]) for rule in rules() for each in rule["resources"]}
    assert granted | {("coordination.k8s.io", "leases")} == {(kind.group, kind.plural) for kind in KINDS}


@pytest.mark.parametrize("file", ["_helpers.tpl", "rbac.yaml", "aggregated-roles.yaml"])
def test_every_rule_has_a_reason_above_it(file: str) -> None:
    lines = [line.strip() for line in (TOP / "charts/operator/templates" / file).read_text().splitlines()]
    grants = [number for number, line in enumerate(lines) if line.startswith("- apiGroups")]
    assert grants
    assert [lines[number] for number in grants if not lines[number - 1].startswith("#")] == []


@pytest.mark.parametrize(
    ("role", "verbs"),
    [
        ("view", {"get", "list", "watch"}),
        ("edit", {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}),
        ("admin", {"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}),
    ],
)
def test_the_aggregated_roles_give_what_kubernetes_gives_for_its_own_kinds(role: str, verbs: set[str]) -> None:
    label = f"rbac.authorization.k8s.io/aggregate-to-{role}"
    rules = [rule for each in rendered() if label in each["metadata"]["labels"] for rule in each["rules"]]
    found = {verb for rule in rules if "analyticsapis" in rule["resources"] for verb in rule["verbs"]}
    assert found == verbs
    assert not any("update" in rule["verbs"] for rule in rules if "analyticsapis/status" in rule["resources"])


def test_pods_are_placed_and_labelled_as_the_values_say() -> None:
    template = pod(*charts.PLACED)
    assert template["metadata"]["labels"]["team"] == "llm"
    assert template["metadata"]["annotations"]["example.com/owner"] == "llm"
    assert template["spec"]["priorityClassName"] == "system-cluster-critical"
    assert template["spec"]["nodeSelector"] == {"kubernetes.io/os": "linux"}
    assert template["spec"]["tolerations"] == [{"key": "dedicated", "operator": "Exists"}]
    assert "podAntiAffinity" in template["spec"]["affinity"]


def test_replicas_are_spread_over_nodes_and_zones_and_a_standby_starts_first() -> None:
    deployment = one(rendered(), "Deployment")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    spread = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert [each["topologyKey"] for each in spread] == ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    assert all(each["labelSelector"] == deployment["selector"] for each in spread)


def test_one_replica_has_no_budget_that_would_block_drains() -> None:
    assert names(rendered(), "PodDisruptionBudget")
    assert names(rendered("replicas=1"), "PodDisruptionBudget") == []


def test_the_network_policy_lets_through_dns_workers_the_api_server_and_prometheus_only() -> None:
    policy = one(rendered(), "NetworkPolicy")["spec"]
    assert policy["podSelector"] == one(rendered(), "Deployment")["spec"]["selector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    allowed = {(each["port"], each["protocol"]) for rule in policy["egress"] for each in rule["ports"]}
    assert allowed == {(53, "UDP"), (53, "TCP"), (8080, "TCP"), (9091, "TCP"), (443, "TCP"), (6443, "TCP")}
    (ingress,) = policy["ingress"]
    assert ingress == {"ports": [{"port": 8081, "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}


def test_nobody_reads_metrics_where_no_peer_is_named() -> None:
    policy = one(rendered("networkPolicy.metricsFrom=null"), "NetworkPolicy")["spec"]
    assert "ingress" not in policy, "a rule without peers would let everybody in"


def test_the_api_server_can_be_named_by_address() -> None:
    policy = one(rendered("networkPolicy.apiServer.cidrs={10.96.0.1/32}"), "NetworkPolicy")["spec"]
    assert policy["egress"][-1]["to"] == [{"ipBlock": {"cidr": "10.96.0.1/32"}}]


@pytest.mark.parametrize(
    ("values", "namespaces"),
    [((), []), (("watchNamespaces={a,b}",), ["a", "b"]), (("clusterWide=true",), None)],
)
def test_pods_are_reached_where_resources_are_watched(values: tuple[str, ...], namespaces: list[str] | None) -> None:
    rules = one(rendered(*values), "NetworkPolicy")["spec"]["egress"][1:3]
    components = {"api": HTTP_PORT, "worker": METRICS_PORT}
    for rule, (component, port) in zip(rules, components.items(), strict=True):
        (peer,) = rule["to"]
        assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == component
        assert [each["port"] for each in rule["ports"]] == [port]
        if namespaces is None:
            assert peer["namespaceSelector"] == {}
        elif namespaces:
            (expression,) = peer["namespaceSelector"]["matchExpressions"]
            assert expression["values"] == namespaces
        else:
            assert "namespaceSelector" not in peer, "the policy's own, in whatever namespace it is applied"


@pytest.mark.kube
def test_the_notes_say_where_the_ports_of_the_api_server_are(cluster: KubeApi, tmp_path: Path) -> None:
    cluster_of_its_own = f"--kubeconfig={cluster.kubeconfig(tmp_path / 'kubeconfig')}"
    chart = ("install", "another-release", "charts/operator", "--dry-run=client", cluster_of_its_own)
    notes = helm(*chart, "--set=networkPolicy.apiServer.ports={443,8443}")
    assert "ports 443, 8443" in notes
    assert "kubectl get service,endpoints kubernetes --namespace default" in notes


def test_the_network_policy_can_be_left_out() -> None:
    assert names(rendered("networkPolicy.enabled=false"), "NetworkPolicy") == []


@pytest.mark.parametrize(
    "wrong",
    [
        "image.tag=latest",
        "image.repository=",
        "image.digest=sha256:short",
        "replicas=-1",
        "logLevel=loud",
        "logFormat=xml",
        "leaderElection.leaseSeconds=5",
        "serviceAccount.create=false",
        "env[0].value=nameless",
        "volumes[0].name=tmp",
        "volumeMounts[0].name=a,volumeMounts[0].mountPath=/tmp",
        "probes.liveness.httpGet.path=/",
        "unknown=1",
        "resources.limit.cpu=1",
        "podLabels.app\\.kubernetes\\.io/name=other",
        "podAnnotations.kubectl\\.kubernetes\\.io/default-container=other",
        "networkPolicy.apiServer.ports=null",
        "networkPolicy.apiServer.ports={70000}",
        "networkPolicy.apiServer.cidrs={10.96.0.1}",
        "networkPolicy.metricsFrom[0].namespace=prometheus",
        "monitoring.serviceMonitor.interval=never",
        "monitoring.alerts=true",
        "clusterWide=true,watchNamespaces={one}",
    ],
)
def test_values_that_cannot_work_are_refused(wrong: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        rendered(wrong)
    assert "values don't meet the specifications of the schema" in refused.value.stderr


README = """# analytics-operator

DO NOT EDIT: generated from values.yaml and values.schema.json by `make charts`.

Turns `AnalyticsApi` resources into complete analytics services for LLM traces. The CRD is a chart of its own: install
and upgrade `analytics-crds` first. [Install and day two](../../docs/operator/day-two.md),
[permissions](../../docs/operator/permissions.md), [GitOps](../../docs/operator/gitops.md).

```console
$ helm install analytics-crds charts/crds
$ helm install analytics-operator charts/operator --namespace analytics --create-namespace
```

| value | default | |
|---|---|---|
"""


def test_the_page_of_values_is_what_the_chart_has() -> None:
    values = yaml.safe_load((TOP / "charts/operator/values.yaml").read_text())
    rows = charts.described(charts.schema(), values)
    text = README + "".join(f"| `{name}` | `{json.dumps(value)}` | {what} |\n" for name, value, what in rows)
    file = TOP / "charts/operator/README.md"
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(text)
    assert file.read_text() == text, "run `make charts` and read the difference"


def test_every_value_has_a_default_and_a_description() -> None:
    values = yaml.safe_load((TOP / "charts/operator/values.yaml").read_text())
    names = {name for name, _, _ in charts.described(charts.schema(), values)}
    assert names == set(declared(charts.schema())) - {"global"}
    blocks = (TOP / "charts/operator/values.yaml").read_text().split("\n\n")
    assert all(block.startswith("#") for block in blocks), "each block of values begins with what it is for"


def declared(schema: dict[str, Any], top: str = "") -> Iterator[str]:
    """The dotted names that the schema knows; each has a description, and so has each object above it."""
    for name, value in schema["properties"].items():
        assert value["description"].endswith((".", ".)")), f"{top}{name}"
        if "properties" in value and name != "affinity":
            yield from declared(value, f"{top}{name}.")
        else:
            yield top + name


def test_values_of_users_reach_the_pods() -> None:
    spec = pod(*charts.EXTENDED)["spec"]
    (found,) = spec["containers"]
    assert found["args"] == ["run", "--log-level=info", "--log-format=text", "--lease-seconds=30"]
    assert found["env"] == [{"name": "KUBERNETES_SERVICE_HOST", "value": "api.internal"}]
    assert found["envFrom"] == [{"configMapRef": {"name": "settings"}}]
    assert {each["name"]: each["mountPath"] for each in found["volumeMounts"]} == {
        "tmp": "/tmp",  # noqa: S108 - the pod's own
        "authorities": "/authorities",
    }
    assert [each["name"] for each in spec["volumes"]] == ["tmp", "authorities"]
    assert found["livenessProbe"] == {
        "httpGet": {"path": "/healthz", "port": "http"},
        "periodSeconds": 10,
        "timeoutSeconds": 5,
        "failureThreshold": 5,
    }
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert [each["topologyKey"] for each in spec["topologySpreadConstraints"]] == ["rack"]


def test_the_roles_are_bound_to_the_account_of_the_pods() -> None:
    for values, account, created in (
        ((), "analytics-operator", ["analytics-operator"]),
        (("serviceAccount.name=mine",), "mine", ["mine"]),
        (("serviceAccount.name=theirs,serviceAccount.create=false",), "theirs", []),
        (("serviceAccount.name=mine,clusterWide=true",), "mine", ["mine"]),
    ):
        manifests = rendered(*values)
        assert names(manifests, "ServiceAccount") == created
        assert one(manifests, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == account
        subjects = [who["name"] for each in manifests for who in each.get("subjects", [])]
        assert subjects
        assert set(subjects) == {account}


def test_the_crd_survives_an_uninstall() -> None:
    (crd,) = yaml.safe_load_all(helm("template", "crds", "charts/crds", KUBE_VERSION))
    assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
