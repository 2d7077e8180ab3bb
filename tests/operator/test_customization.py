"""What users add reaches the pods that it is for, and replaces nothing of ours. Without a cluster."""

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
from analytics_operator.state.rollout import image_of
from tests.operator.test_golden import CASES, observed
from tests.operator.test_migration import NOW, RANDOM, SECRETS, resource
from tests.support.kube import Object

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


@pytest.mark.parametrize("name", ["api", "ingest", "worker"])
def test_the_image_of_each_deployment_is_that_of_our_container(name: str) -> None:
    containers = [{"name": "theirs", "image": "x:1"}, {"name": name, "image": "analytics-service:1"}]
    assert image_of({"spec": {"template": {"spec": {"containers": containers}}}}) == "analytics-service:1"
