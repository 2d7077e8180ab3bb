"""Customized pods on a real API server: what is added is there, what is refused is named before anything moves."""

from typing import Any

import pytest
import yaml

from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_golden import CASES
from tests.support.kube import Object, eventually

pytestmark = pytest.mark.kube


def contains(live: Any, desired: Any, path: str = "") -> None:
    """Each field of `desired` is so in `live`, which has defaults too, and drops some of what is empty."""
    match desired:
        case dict():
            for name, value in desired.items():
                if value in ({}, []):
                    assert not live.get(name), f"{path}.{name}"
                else:
                    contains(live[name], value, f"{path}.{name}")
        case list():
            assert len(live) == len(desired), path
            for number, value in enumerate(desired):
                contains(live[number], value, f"{path}[{number}]")
        case _:
            assert live == desired, path


VERSIONS = {"PriorityClass": "scheduling.k8s.io/v1", "RuntimeClass": "node.k8s.io/v1"}
CLASSES: tuple[tuple[str, str, Object], ...] = (
    ("PriorityClass", "important", {"value": 7}),
    ("RuntimeClass", "gvisor", {"handler": "runsc"}),
)
SCOPE = {"namespace", "ownerReferences"}
"""Of a golden file: they are others here."""


def test_every_addition_is_in_the_objects_that_the_api_server_holds(world: ClusterActor) -> None:
    case = yaml.safe_load((CASES / "customized" / "input.yaml").read_text())
    for name, values in case["secrets"].items():
        world.api.secret(name, **{key.replace("-", "_"): value for key, value in values.items()})
    for kind, name, fields in CLASSES:
        world.api.create({"apiVersion": VERSIONS[kind], "kind": kind, "metadata": {"name": name}} | fields)
    world.declare(**case["spec"])
    job = world.migrate(settings=["APP_HOST=::", "INGEST_MAX_BODY_BYTES"])
    pods = job["spec"]["template"]["spec"]
    (container,) = pods["containers"]
    assert (pods["serviceAccountName"], pods["priorityClassName"]) == ("schema-owner", "important")
    assert (pods["nodeSelector"], [each["name"] for each in pods["volumes"]]) == (
        {"kubernetes.io/arch": "amd64"},
        ["tmp"],
    )
    assert [(each["name"], each.get("restartPolicy")) for each in pods["initContainers"]] == [
        ("proxy", "Always"),
        ("wait", None),
    ]
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    assert [each["name"] for each in container["envFrom"] for each in each.values() if isinstance(each, dict)] == [
        "extra",
        "extra",
    ]
    world.settle()
    for manifest in yaml.safe_load_all((CASES / "customized" / "manifests.yaml").read_text()):
        if "kind" in manifest:
            metadata = {name: value for name, value in manifest["metadata"].items() if name not in SCOPE}
            live = world.api.get(manifest["kind"], metadata["name"])
            contains(live, manifest | {"metadata": metadata})
    assert world.resource()["status"]["endpoints"]["metrics"].startswith("http://demo-metrics.")


def test_what_is_given_back_is_as_it_was(world: ClusterActor) -> None:
    world.ready(pod={"nodeSelector": {"a": "b"}, "securityContext": {}}, service={"type": "NodePort"})
    world.edit(pod=None, service=None)
    world.settle()

    def ours() -> bool:
        pods = world.api.get("Deployment", "demo")["spec"]["template"]["spec"]
        service = world.api.get("Service", "demo")["spec"]
        assert "nodeSelector" not in pods
        assert pods["securityContext"]["runAsUser"] == 10001
        assert (service["type"], [port["name"] for port in service["ports"]]) == ("ClusterIP", ["http", "metrics"])
        return world.api.find("Service", "demo-metrics") is None

    eventually(ours, what="nothing is customized any more")


WRONG: Object = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}


def test_what_the_api_server_refuses_is_said_in_its_words_before_anything_moves(world: ClusterActor) -> None:
    world.credentials()
    world.declare(pod={"affinity": WRONG})
    stalled = world.until("Stalled", "True", "Invalid")
    assert stalled["message"].startswith("Deployment demo: ")
    assert "nodeSelectorTerms: Required value" in stalled["message"]
    assert "proposed" not in stalled["message"]
    assert world.condition("Migrated")["reason"] == "PodsRefused"
    assert world.jobs() == []
    world.edit(pod={"affinity": None})
    world.migrate()
    world.settle()


def test_pods_too_large_to_be_remembered_are_refused_before_anything_moves(world: ClusterActor) -> None:
    """The Deployment's annotation holds a copy of its template."""
    variables = [{"name": f"V{number}", "value": "x" * 2048} for number in range(64)]
    world.credentials()
    world.declare(pod={"env": variables, "annotations": {f"a{number}": "x" * 4096 for number in range(32)}})
    assert "metadata.annotations: Too long" in world.until("Stalled", "True", "Invalid")["message"]
    assert world.condition("Migrated")["reason"] == "PodsRefused"
    assert world.jobs() == []


def test_refused_pods_do_not_touch_those_that_serve(world: ClusterActor) -> None:
    world.ready()
    before = world.api.get("Deployment", "demo")["spec"]["template"]
    world.edit(worker={"pod": {"affinity": WRONG}}, logging={"level": "debug"})
    stalled = world.until("Stalled", "True", "Invalid")
    assert stalled["message"].startswith("Deployment demo-worker: ")
    assert world.condition("Migrated")["status"] == "True"
    assert world.api.get("Deployment", "demo")["spec"]["template"] == before
    world.edit(worker={"pod": None})
    world.settle()


@pytest.mark.parametrize(
    ("spec", "child", "cure"),
    [
        pytest.param({"pod": {"affinity": {"nodeAfinity": {}}}}, "Deployment demo", {"pod": None}, id="affinity"),
        pytest.param(
            {"migrations": {"pod": {"sidecars": [{"name": "p", "image": "p:1", "arg": ["x"]}]}}},
            "Job demo-migrate-",
            {"migrations": {"pod": None}},
            id="a sidecar of the migration",
        ),
        pytest.param(
            {
                "redis": {"urlSecretRef": {"name": "credentials", "key": "redis-url"}},
                "autoscaling": {"metrics": [{"type": "External", "externl": {"metric": {"name": "x"}}}]},
            },
            "HorizontalPodAutoscaler demo",
            {"autoscaling": None},
            id="a metric",
        ),
    ],
)
def test_a_field_that_kubernetes_does_not_know_is_named(
    world: ClusterActor, spec: Object, child: str, cure: Object
) -> None:
    world.credentials(redis_url="redis://redis:6379/0")
    world.declare(**spec)
    stalled = world.until("Stalled", "True", "Invalid")
    assert stalled["message"].startswith(child)
    assert any(typo in stalled["message"] for typo in ("nodeAfinity", "arg", "externl"))
    world.edit(**cure)
    world.migrate()
    world.settle()


def test_a_job_that_no_node_takes_is_replaced_when_its_pods_are_customized_otherwise(world: ClusterActor) -> None:
    world.credentials()
    world.declare(migrations={"pod": {"nodeSelector": {"pool": "typo"}}})
    stuck = world.live_job()
    world.pod_of(stuck, container={"waiting": {"reason": "ContainerCreating"}})
    message = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector"
    pending = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    world.api.merge("Pod", world.pod_name(stuck), {"status": {"conditions": [pending]}}, subresource="/status")
    world.edit(cors={"origins": ["https://a.example"]})  # a look; the next one would come within ten seconds
    assert message in world.until("Ready", "False", "Unschedulable")["message"]
    assert world.live_job()["metadata"]["uid"] == stuck["metadata"]["uid"], "nothing but its pods can cure it"
    world.edit(migrations={"pod": {"nodeSelector": {"pool": "llm"}}})

    def replaced() -> bool:
        job = world.live_job()
        pods = job["spec"]["template"]["spec"]
        return job["metadata"]["uid"] != stuck["metadata"]["uid"] and bool(pods["nodeSelector"] == {"pool": "llm"})

    eventually(replaced, what="another Job")
    world.api.delete("Pod", world.pod_name(stuck))
    world.migrate()
    world.settle()


def test_a_setting_in_a_config_map_is_named_until_it_is_removed(world: ClusterActor) -> None:
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}}
    world.api.create(config_map | {"data": {"PROXY": "http://proxy", "JWT_SECRET": "mine"}})
    world.credentials()
    world.declare(pod={"envFrom": [{"configMapRef": {"name": "extra"}}]})
    stalled = world.until("Stalled", "True", "ProtectedVariable")
    assert stalled["message"].startswith("ConfigMap extra: spec.pod.envFrom: its key JWT_SECRET would set JWT_SECRET")
    world.api.merge("ConfigMap", "extra", {"data": {"JWT_SECRET": None}})
    world.migrate()
    world.settle()


def test_a_quota_with_limits_of_cpu_takes_every_pod(actor: ClusterActor) -> None:
    """A LimitRange or a quota refuses pods without a limit: of ours each has one."""
    hard = {"limits.cpu": "20", "limits.memory": "20Gi", "requests.cpu": "20", "requests.memory": "20Gi"}
    head = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "all"}}
    actor.api.create(head | {"spec": {"hard": hard}})
    status = {"hard": hard, "used": dict.fromkeys(hard, "0")}  # as the controller of quotas does, which is not here
    actor.api.merge("ResourceQuota", "all", {"status": status}, subresource="/status")
    pods = [
        (manifest["kind"], manifest["metadata"]["name"], manifest["spec"]["template"])
        for case in ("everything-set", "first-install", "planned")
        for manifest in yaml.safe_load_all((CASES / case / "manifests.yaml").read_text())
        if manifest.get("kind") in {"Deployment", "Job"}
    ]
    assert len(pods) == 5
    for kind, name, template in pods:
        pod = template | {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{kind.lower()}-{name}"}}
        actor.api.create(pod, dry_run=True)
