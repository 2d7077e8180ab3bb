"""What users add reaches the pods that it is for, replaces nothing of ours, and is judged before anything moves."""

from typing import Any

import pytest
import yaml

from analytics_operator.api.pod import Pod
from analytics_operator.api.v1alpha1 import Spec
from analytics_operator.kube.objects import CONFIG_MAP, SECRET, Ref, Want
from analytics_operator.manifests.pod_customization import customized
from analytics_operator.plan import plan
from analytics_operator.state.migration import State
from analytics_operator.state.observed import Observed
from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_golden import CASES, observed
from tests.operator.test_migration import NOW, RANDOM, SECRETS, resource
from tests.support.kube import Object, eventually

TEMPLATE: Object = {
    "metadata": {"labels": {"app": "ours"}},
    "spec": {
        "containers": [{"name": "api", "env": [], "volumeMounts": []}],
        "volumes": [{"name": "tmp"}],
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
    },
}


def added(pod: Object) -> Object:
    return customized(TEMPLATE, Pod.model_validate(pod), selector={"app": "ours"})


def test_an_empty_section_changes_nothing() -> None:
    assert added({}) == TEMPLATE


def test_labels_of_ours_stand_where_a_user_gives_others() -> None:
    """The CRD refuses ours; a CRD of an older operator does not know them all."""
    assert added({"labels": {"app": "theirs", "team": "a"}})["metadata"]["labels"] == {"app": "ours", "team": "a"}


def test_a_sidecar_is_an_init_container_that_goes_on_and_stands_before_those_that_end() -> None:
    spec = added({"initContainers": [{"name": "wait", "image": "w"}], "sidecars": [{"name": "proxy", "image": "p"}]})
    assert spec["spec"]["initContainers"] == [
        {"name": "proxy", "image": "p", "restartPolicy": "Always"},
        {"name": "wait", "image": "w"},
    ]
    assert [each["name"] for each in spec["spec"]["containers"]] == ["api"]


def test_ids_are_left_to_the_platform_and_the_rest_of_the_security_context_is_not() -> None:
    fixed = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert added({"securityContext": {}})["spec"]["securityContext"] == fixed
    assert added({"securityContext": {"fsGroup": 7}})["spec"]["securityContext"] == fixed | {"fsGroup": 7}


@pytest.mark.parametrize(
    ("general", "own", "selector", "variables"),
    [
        pytest.param(None, None, None, None, id="neither"),
        pytest.param({"nodeSelector": {"a": "b"}}, None, {"a": "b"}, None, id="of all pods"),
        pytest.param(None, {"nodeSelector": {"a": "b"}}, {"a": "b"}, None, id="of its own"),
        pytest.param({"nodeSelector": {"a": "b"}}, {"nodeSelector": {"c": "d"}}, {"c": "d"}, None, id="its own counts"),
        pytest.param(
            {"nodeSelector": {"a": "b"}}, {"nodeSelector": {}}, {}, None, id="its own counts where it is empty"
        ),
        pytest.param(
            {"nodeSelector": {"a": "b"}, "env": [{"name": "A", "value": "1"}]},
            {"nodeSelector": {}},
            {},
            ["A"],
            id="by field",
        ),
    ],
)
def test_a_section_of_its_own_replaces_single_fields(
    general: Object | None, own: Object | None, selector: Any, variables: Any
) -> None:
    given = {"pod": general, "worker": {"pod": own}}
    spec = Spec.model_validate(resource().spec.model_dump(by_alias=True) | given)
    found = spec.pod_of(spec.worker.pod)
    assert found.node_selector == selector
    assert (found.env and [each.name for each in found.env]) == variables


@pytest.mark.parametrize(
    ("source", "ref", "message"),
    [
        pytest.param(
            {"configMapRef": {"name": "extra"}},
            Ref(CONFIG_MAP, "extra"),
            "its key DATABASE_POOL_SIZE",
            id="a ConfigMap",
        ),
        pytest.param(
            {"secretRef": {"name": "extra"}}, Ref(SECRET, "extra"), "its key DATABASE_POOL_SIZE", id="a Secret"
        ),
        pytest.param(
            {"prefix": "INGEST_", "secretRef": {"name": "other"}},
            Ref(SECRET, "other"),
            "its key QUEUE_ROWS would set INGEST_QUEUE_ROWS",
            id="by its prefix",
        ),
        pytest.param({"prefix": "X_", "configMapRef": {"name": "extra"}}, None, "", id="not with a prefix"),
        pytest.param({"secretRef": {"name": "absent"}}, None, "", id="not while it is absent"),
    ],
)
def test_an_object_that_would_set_a_setting_is_named_and_nothing_starts(
    source: Object, ref: Ref | None, message: str
) -> None:
    keys = {
        Ref(CONFIG_MAP, "extra"): frozenset({"A", "DATABASE_POOL_SIZE"}),
        Ref(SECRET, "extra"): frozenset({"DATABASE_POOL_SIZE"}),
        Ref(SECRET, "other"): frozenset({"QUEUE_ROWS"}),
    }
    seen = Observed(resource=resource(worker={"pod": {"envFrom": [source]}}), secrets=SECRETS, variable_keys=keys)
    found = plan(seen, now=NOW, random_text=RANDOM)
    assert (found.refusal and found.refusal.ref) == ref
    assert found.gate.state is (State.REFUSED if ref else State.START)
    if found.refusal:
        assert message in found.refusal.message
        assert "spec.worker.pod.envFrom" in found.refusal.message


ADDED_TO = ("env", "envFrom", "volumeMounts")
"""Lists of our container that users add to."""


def test_nothing_of_ours_is_replaced() -> None:
    case = yaml.safe_load((CASES / "customized" / "input.yaml").read_text())
    sections = ("pod", "worker", "migrations")
    bare = case | {"spec": {name: value for name, value in case["spec"].items() if name not in sections}}
    bare["spec"]["ingest"] = {"replicas": 2}
    for (name, ours), (_, theirs) in zip(templates(bare), templates(case), strict=True):
        (before,), (after,) = ours["spec"]["containers"], theirs["spec"]["containers"]
        assert {key: value for key, value in after.items() if key not in ADDED_TO} == {
            key: value for key, value in before.items() if key not in ADDED_TO
        }, name
        assert after["env"][: len(before["env"])] == before["env"]
        assert after["envFrom"][-1:] == before["envFrom"], "of two variables the last one counts"
        assert ours["metadata"]["labels"].items() <= theirs["metadata"]["labels"].items()
        assert ours["metadata"]["annotations"].items() <= theirs["metadata"]["annotations"].items()


def templates(case: Object) -> list[tuple[str, Object]]:
    decisions = plan(observed(case), now=NOW, random_text=RANDOM).decisions
    manifests = [each.manifest for each in decisions if isinstance(each, Want)]
    found = [(each["metadata"]["name"], each["spec"]["template"]) for each in manifests if each["kind"] == "Deployment"]
    assert len(found) == 3
    return found


def test_only_customized_pods_are_asked_for() -> None:
    for spec, count in (({}, 0), ({"migrations": {"pod": {}}}, 2), ({"pod": {}}, 2)):
        seen = Observed(resource=resource(**spec), secrets=SECRETS)
        assert len(plan(seen, now=NOW, random_text=RANDOM).proposed) == count


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


@pytest.mark.kube
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


@pytest.mark.kube
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


@pytest.mark.kube
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


@pytest.mark.kube
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


@pytest.mark.kube
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


@pytest.mark.kube
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


@pytest.mark.kube
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


@pytest.mark.kube
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
