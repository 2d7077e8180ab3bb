"""What users add to pods, Service, budget and autoscaler, as the API server judges it when it is applied."""

from typing import Any

import pytest
import yaml

from analytics_operator.api import fields_page
from analytics_operator.api.v1alpha1 import Spec
from tests.operator.cluster_actor import ClusterActor
from tests.support.kube import TOP, KubeError, Object

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
SCALED: Object = {"redis": REDIS, "replicas": 3}
PUBLISHED = {"type": "LoadBalancer", "loadBalancerClass": "example.com/internal"}


def test_the_page_of_fields_is_that_of_the_models() -> None:
    assert (TOP / "docs/operator/fields.md").read_text() == fields_page.page(), "run `make crds`"


@pytest.mark.kube
@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"pod": {}}, id="nothing"),
        pytest.param({"pod": {"labels": {"team": "a", "app.kubernetes.io/version": "1"}}}, id="labels"),
        pytest.param({"pod": {"annotations": {"vault.hashicorp.com/agent-inject": "true"}}}, id="annotations"),
        pytest.param({"pod": {"tolerations": [{"operator": "Exists"}]}}, id="every taint"),
        pytest.param({"pod": {"tolerations": [{"key": "a", "value": "b"}]}}, id="a taint with a value"),
        pytest.param(
            {"pod": {"tolerations": [{"key": "a", "effect": "NoExecute", "tolerationSeconds": 60}]}},
            id="a taint for a time",
        ),
        pytest.param(
            {
                "pod": {
                    "topologySpreadConstraints": [
                        {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "minDomains": 3}
                    ]
                }
            },
            id="three zones",
        ),
        pytest.param({"pod": {"securityContext": {}}}, id="ids of the platform"),
        pytest.param({"pod": {"env": [{"name": "HTTPS_PROXY", "value": ""}]}}, id="an empty variable"),
        pytest.param(
            {"pod": {"env": [{"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]}},
            id="a variable of the pod",
        ),
        pytest.param({"pod": {"envFrom": [{"secretRef": {"name": "extra"}}]}}, id="variables of a Secret"),
        pytest.param({"pod": {"volumeMounts": [{"name": "v", "mountPath": "/apps"}]}}, id="a path like ours"),
        pytest.param({"pod": {"volumeMounts": [{"name": "v", "mountPath": "/data/.well/"}]}}, id="a hidden folder"),
        pytest.param({"pod": {"sidecars": [{"name": "proxy", "image": "p:1"}]}}, id="a sidecar"),
        pytest.param({"pod": {"terminationGracePeriodSeconds": 35}}, id="the shortest end"),
        pytest.param({"redis": REDIS, "ingest": {"replicas": 1, "pod": {}}}, id="pods that only take rows"),
        pytest.param({"service": PUBLISHED}, id="a load balancer of a class"),
        pytest.param({"podDisruptionBudget": {"minAvailable": 1}}, id="a budget that one replica does not have"),
        pytest.param(SCALED | {"podDisruptionBudget": {"minAvailable": 2}}, id="one goes"),
        pytest.param(SCALED | {"podDisruptionBudget": {"minAvailable": "66%"}}, id="66 % of three"),
        pytest.param(SCALED | {"podDisruptionBudget": {"maxUnavailable": "50%"}}, id="half may go"),
        pytest.param(
            SCALED | {"autoscaling": {"minReplicas": 4}, "podDisruptionBudget": {"minAvailable": 3}},
            id="one of the autoscaler's least goes",
        ),
        pytest.param(SCALED | {"autoscaling": {"memoryUtilization": "Ignored"}}, id="CPU alone"),
        pytest.param(
            SCALED
            | {
                "autoscaling": {
                    "cpuUtilization": "Ignored",
                    "memoryUtilization": "Ignored",
                    "metrics": [{"type": "External", "external": {}}],
                }
            },
            id="a metric alone",
        ),
        pytest.param({"migrations": {"mode": "Manual", "resources": {}}}, id="approved migrations"),
        pytest.param({"serviceAccount": {"annotations": {"iam.gke.io/gcp-service-account": "a@b"}}}, id="an account"),
    ],
)
def test_the_api_server_accepts(actor: ClusterActor, spec: Object) -> None:
    Spec.model_validate(actor.declare(**spec)["spec"])


SETTING = "set by its field of spec alone"


@pytest.mark.kube
@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"pod": {"labels": {"app.kubernetes.io/name": "x"}}}, "remove app.kubernetes.io/name", id="label"),
        pytest.param({"pod": {"labels": {"pod-template-hash": "x"}}}, "pod-template-hash", id="Kubernetes' label"),
        pytest.param(
            {"pod": {"labels": {"analytics.llm-observatory.io/takes-rows": "true"}}}, "cannot replace", id="our prefix"
        ),
        pytest.param({"pod": {"labels": {"a": "b c"}}}, "should match", id="no value of a label"),
        pytest.param({"pod": {"labels": {str(n): "x" for n in range(33)}}}, "at most 32", id="33 labels"),
        pytest.param(
            {"pod": {"annotations": {"analytics.llm-observatory.io/secrets-hash": "x"}}},
            "annotations cannot replace",
            id="annotation",
        ),
        pytest.param({"pod": {"annotations": {"a": "x" * 4097}}}, "may not be more than 4096", id="a long text"),
        pytest.param(
            {"service": {"labels": {"app.kubernetes.io/instance": "x"}}}, "cannot replace", id="the Service's"
        ),
        pytest.param(
            {"pod": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}}, "has no value", id="Exists"
        ),
        pytest.param({"pod": {"tolerations": [{"effect": "NoSchedule"}]}}, "operator is Exists", id="no key"),
        pytest.param(
            {"pod": {"tolerations": [{"key": "a", "tolerationSeconds": 1}]}}, "NoExecute alone", id="seconds of nothing"
        ),
        pytest.param(
            {"pod": {"topologySpreadConstraints": [{"topologyKey": "zone", "minDomains": 2}]}},
            "DoNotSchedule alone",
            id="domains of nothing",
        ),
        pytest.param({"pod": {"securityContext": {"runAsUser": 0}}}, "equal to 1", id="root"),
        *(
            pytest.param({section: {"pod": {"env": [{"name": "DATABASE_URL", "value": "x"}]}}}, SETTING, id=section)
            for section in ("worker", "migrations")
        ),
        pytest.param({"pod": {"env": [{"name": "INGEST_QUEUE_ROWS", "value": "1"}]}}, SETTING, id="a setting"),
        pytest.param({"pod": {"env": [{"name": "A"}]}}, "one of value and valueFrom", id="a variable of nothing"),
        pytest.param(
            {"pod": {"env": [{"name": "A", "valueFrom": {}}]}}, "configMapKeyRef, secretKeyRef", id="from nothing"
        ),
        pytest.param(
            {"pod": {"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}}, "Duplicate value", id="twice"
        ),
        pytest.param({"pod": {"envFrom": [{"prefix": "A"}]}}, "configMapRef and secretRef", id="variables of nothing"),
        *(
            pytest.param(
                {"pod": {"volumeMounts": [{"name": "v", "mountPath": path}]}}, "choose a path outside", id=f"at {path}"
            )
            for path in ("/", "/app", "/app/bin", "/etc/analytics/prices", "/tmp")  # noqa: S108 - ours
        ),
        *(
            pytest.param({"pod": {"volumeMounts": [{"name": "v", "mountPath": path}]}}, "without //", id=f"at {path}")
            for path in ("//app", "/data/../app", "/./tmp", "/data/..")
        ),
        pytest.param({"pod": {"volumes": [{"name": "tmp", "emptyDir": {}}]}}, "choose another name", id="our volume"),
        pytest.param(
            {"pod": {"sidecars": [{"name": "api", "image": "theirs:1"}]}}, "choose another name", id="our container"
        ),
        pytest.param(
            {"pod": {"initContainers": [{"name": "migrate", "image": "theirs:1"}]}}, "choose another name", id="before"
        ),
        pytest.param({"pod": {"sidecars": [{"name": "proxy"}]}}, "image: Required value", id="no image"),
        pytest.param({"pod": {"terminationGracePeriodSeconds": 34}}, "equal to 35", id="a short end"),
        pytest.param({"ingest": {"pod": {}}}, "ingest.pod is of pods that only take rows", id="no such pods"),
        pytest.param({"service": {"loadBalancerClass": "a"}}, "of the type LoadBalancer alone", id="no load balancer"),
        pytest.param({"service": {"type": "ExternalName"}}, "supported values", id="a name"),
        pytest.param({"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": 1}}, "set one of", id="two budgets"),
        pytest.param({"podDisruptionBudget": {"maxUnavailable": 0}}, "equal to 1", id="none may go"),
        pytest.param({"podDisruptionBudget": {"minAvailable": "100%"}}, "should match", id="all stay"),
        pytest.param(SCALED | {"podDisruptionBudget": {"minAvailable": 3}}, "no node can be drained", id="three stay"),
        pytest.param(
            SCALED | {"podDisruptionBudget": {"minAvailable": "67%"}}, "no node can be drained", id="67 % of three"
        ),
        pytest.param(
            SCALED | {"autoscaling": {"minReplicas": 2}, "podDisruptionBudget": {"minAvailable": 2}},
            "no node can be drained",
            id="the autoscaler's least stay",
        ),
        pytest.param(
            SCALED | {"autoscaling": {"cpuUtilization": "Ignored", "memoryUtilization": "Ignored"}},
            "autoscaling follows nothing",
            id="no metric",
        ),
        pytest.param(SCALED | {"autoscaling": {"cpuUtilization": "Never"}}, "should match", id="another word"),
        pytest.param(
            SCALED | {"autoscaling": {"metrics": [{"type": "Resource"}]}}, "supported values", id="a field of its own"
        ),
        pytest.param({"migrations": {"mode": "Never"}}, "supported values", id="no mode"),
        pytest.param(
            {"migrations": {"resources": {"requests": {"cpu": 2}}}}, "at most resources.limits.cpu", id="the Job's CPU"
        ),
    ],
)
def test_the_api_server_refuses(actor: ClusterActor, spec: Object, message: str) -> None:
    with pytest.raises(KubeError, match=message) as refused:
        actor.declare(**spec)
    assert refused.value.status == 422


@pytest.mark.kube
def test_maps_and_what_is_opaque_are_stored_as_they_were_given(actor: ClusterActor) -> None:
    given = yaml.safe_load((TOP / "tests/operator/cases/customized/input.yaml").read_text())["spec"]
    stored = actor.declare(**given)["spec"]
    assert stored["pod"] == given["pod"]
    assert stored["worker"]["pod"] == given["worker"]["pod"]
    assert stored["serviceAccount"] == given["serviceAccount"]
    assert stored["autoscaling"]["metrics"] == given["autoscaling"]["metrics"]


@pytest.mark.kube
def test_the_class_of_a_load_balancer_changes_by_way_of_another_type(actor: ClusterActor) -> None:
    actor.declare(service=PUBLISHED)
    changes: tuple[dict[str, Any], ...] = ({"loadBalancerClass": "example.com/other"}, {"loadBalancerClass": None})
    for change in changes:
        with pytest.raises(KubeError, match="set type: ClusterIP first"):
            actor.edit(service=change)
    actor.edit(service={"type": "ClusterIP", "loadBalancerClass": None})
    actor.edit(service={"type": "LoadBalancer", "loadBalancerClass": "example.com/other"})
