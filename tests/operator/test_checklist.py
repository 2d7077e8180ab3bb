"""status.checklist: what is observed is met or open as the conditions are, and what cannot be is never ticked by us."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analytics_operator.api.conditions import Condition, Reason, Type
from analytics_operator.kube.labels import CHECKLIST
from analytics_operator.kube.objects import INGRESS, NETWORK_POLICY, POD_MONITOR, Ref
from analytics_operator.plan import plan
from analytics_operator.state.health import ALL_REACHED, LastHealth, Reach
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.state.policies import environment
from analytics_operator.state.worker import FreshnessReport, LastReport, PolicyReport, WorkerReport
from analytics_operator.status.checklist import ITEMS, checklist, page
from analytics_operator.status.derive import derive
from analytics_operator.status.facts import Applied, Facts
from tests.operator.cluster_actor import ClusterActor
from tests.operator.recorded_states import _deployment as a_deployment
from tests.operator.test_migration import NOW, RANDOM, SECRETS, resource
from tests.operator.test_plugin import Plugin
from tests.support.kube import TOP, Object, eventually

PAGE = TOP / "docs/operator/checklist.md"
GUIDE = [
    "TLS/SSL certificates configured",
    "Environment variables set",
    "Database migrations applied",
    "Continuous aggregates created",
    "Retention and compression policies set",
    "Monitoring configured (Prometheus + Grafana)",
    "Logging aggregation configured",
    "Health checks passing",
    "Horizontal pod autoscaler configured",
    "Network policies applied",
    "Secrets encrypted at rest",
    "Backup strategy implemented",
    "Load testing completed",
    "Runbooks documented",
]
NEVER_OBSERVED = {"logging", "encryption-at-rest", "backup", "load-test", "runbooks"}
DECLARED_WITHOUT_A_SECTION = {"tls", "monitoring", "autoscaling", "network-policies"}

HERE: list[Object] = [{"podSelector": {}}]
SPEC: Object = {
    "redis": {"urlSecretRef": {"name": "credentials", "key": "redis-url"}},
    "ingress": {"host": "a.example", "tls": {"secretName": "certificate"}},
    "autoscaling": {},
    "networkPolicy": {
        "ingressFrom": HERE,
        "monitoringFrom": HERE,
        "database": {"to": HERE},
        "redis": {"to": HERE},
    },
    "monitoring": {"podMonitor": {}, "dashboard": {}},
}
ALL_SECRETS = SECRETS | {"credentials": SECRETS["credentials"] | {"redis-url": b"redis://redis"}}


def reported(*, fresh: bool = True, policies: str = "Applied") -> LastReport:
    return LastReport(
        report=WorkerReport(
            role="leader",
            policies=PolicyReport(reason=policies, message="m"),
            fresh=FreshnessReport(fresh=fresh, reason="Fresh" if fresh else "RollupsLag", message="m"),
        ),
        settings=tuple(environment(resource(**SPEC)).items()),
    )


def production(*, scaling: str = "True", refusals: tuple[Refusal, ...] = (), **observed: Any) -> Facts:
    """Of a resource of which all is as the guide asks that the operator observes; `observed` replaces parts of it."""
    declared = resource(**{**SPEC, **observed.pop("spec", {})})
    whole: dict[str, Any] = {
        "secrets": ALL_SECRETS,
        "secret_versions": {"certificate": "1"},
        "served_kinds": frozenset({POD_MONITOR}),
        "worker": reported(),
    }
    seen = Observed(resource=declared, **{**whole, **observed})
    planned = plan(seen, now=NOW, random_text=RANDOM)
    condition = {"type": "ScalingActive", "status": scaling, "reason": "ValidMetricFound", "message": "m"}
    applied = Applied(
        deployment=a_deployment(updated=2),
        autoscaler={"status": {"conditions": [condition]}},
        refusals=refusals,
    )
    gate = Gate(state=State.DONE, settings=())
    return Facts(observed=seen, credentials=planned.credentials, gate=gate, applied=applied)


def items(facts: Facts) -> dict[str, tuple[str, str]]:
    return {each["item"]: (each["state"], each["message"]) for each in derive(facts, now=NOW)["checklist"]}


def states(facts: Facts) -> dict[str, str]:
    return {item: state for item, (state, _) in items(facts).items()}


def annotated(facts: Facts, **declared: str) -> Facts:
    annotations = {f"{CHECKLIST}/{item.replace('_', '-')}": text for item, text in declared.items()}
    of = facts.observed.resource
    metadata = of.metadata.model_copy(update={"annotations": annotations})
    return replace(facts, observed=replace(facts.observed, resource=of.model_copy(update={"metadata": metadata})))


MET = {item.name: "Open" if item.name in NEVER_OBSERVED else "Met" for item in ITEMS}


def test_it_has_the_fourteen_items_of_the_guide_in_their_order() -> None:
    assert [item.title for item in ITEMS] == GUIDE


def test_what_is_observed_is_met_and_the_rest_is_open_until_somebody_declares_it() -> None:
    assert states(production()) == MET


@pytest.mark.parametrize(
    ("change", "item", "state", "words"),
    [
        pytest.param({"secret_versions": {"certificate": None}}, "tls", "Open", "Secret certificate", id="no Secret"),
        pytest.param(
            {"refusals": (Refusal(ref=Ref(INGRESS, "demo"), reason="Invalid", message="no"),)},
            "tls",
            "Open",
            "Ingress demo: no",
            id="a refused Ingress",
        ),
        pytest.param({"spec": {"ingress": None}}, "tls", "Open", f"annotation {CHECKLIST}/tls", id="no Ingress"),
        pytest.param({"spec": {"redis": None}}, "environment", "Open", "REDIS_URL is not set", id="no Redis"),
        pytest.param(
            {"spec": {"redis": SPEC["redis"] | {"keyPrefix": "a:"}}},
            "environment",
            "Open",
            "ImageOutdated is True (SettingsUnknown)",
            id="an image that does not know a field",
        ),
        pytest.param(
            {"worker": reported(policies="DestructiveChange")},
            "policies",
            "Open",
            "PoliciesApplied is False (DestructiveChange)",
            id="a policy that waits",
        ),
        pytest.param(
            {"spec": {"monitoring": {"podMonitor": {}}}}, "monitoring", "Open", "annotation", id="no dashboard"
        ),
        pytest.param(
            {"served_kinds": frozenset()}, "monitoring", "Open", "MonitoringConfigured is False (KindNot", id="no CRD"
        ),
        pytest.param(
            {"health": LastHealth(database=Reach.UNREACHED, cache=Reach.REACHED)},
            "health",
            "Open",
            "Available is False (DatabaseUnreachable)",
            id="no database",
        ),
        pytest.param(
            {"health": replace(ALL_REACHED, cache=Reach.UNKNOWN)},
            "health",
            "Unknown",
            "CacheAvailable is Unknown (PodsUnreachable)",
            id="pods that nobody can ask",
        ),
        pytest.param({"scaling": "False"}, "autoscaling", "Open", "ScalingActive is False", id="no metrics"),
        pytest.param({"spec": {"autoscaling": None}}, "autoscaling", "Open", "annotation", id="no autoscaler"),
        pytest.param(
            {"refusals": (Refusal(ref=Ref(NETWORK_POLICY, "demo"), reason="Invalid", message="no"),)},
            "network-policies",
            "Open",
            "NetworkPolicy demo: no",
            id="a refused policy",
        ),
        pytest.param(
            {"spec": {"networkPolicy": {"mode": "Disabled"}}}, "network-policies", "Open", "annotation", id="disabled"
        ),
    ],
)
def test_what_is_not_as_it_should_be_opens_its_item_alone(
    change: dict[str, Any], item: str, state: str, words: str
) -> None:
    found = items(production(**change))
    assert {name: each for name, (each, _) in found.items()} == MET | {item: state}
    assert words in found[item][1]


def test_late_data_open_the_item_of_rollups() -> None:
    assert states(production(worker=reported(fresh=False))) == MET | {"aggregates": "Open"}


def test_a_failed_migration_opens_what_depends_on_it() -> None:
    waiting = replace(production(), gate=Gate(state=State.BACKOFF, digest="0", job="j"))
    assert states(waiting) == MET | {"migrations": "Open", "aggregates": "Open"}


def test_nothing_is_known_of_children_of_a_suspended_resource() -> None:
    before = derive(production(), now=NOW)
    found = states(production(spec={"suspend": True}, previous_status=before))
    assert found == MET | dict.fromkeys(("tls", "monitoring", "network-policies"), "Unknown")


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.name)
def test_a_declaration_counts_where_nothing_is_observed(item: Any) -> None:
    name = item.name.replace("-", "_")
    bare = production(spec=dict.fromkeys(("ingress", "autoscaling", "networkPolicy", "monitoring")))
    before, after = items(bare)[item.name], items(annotated(bare, **{name: " by us,\n2026-11-20 "}))[item.name]
    if item.name in NEVER_OBSERVED | DECLARED_WITHOUT_A_SECTION:
        assert (before[0], after) == ("Open", ("Declared", "by us, 2026-11-20"))
        assert item.annotation in before[1]
    else:
        assert before == after
    assert items(annotated(bare, **{name: " "}))[item.name] == before, "an empty one declares nothing"


def test_a_declaration_does_not_hide_what_is_observed() -> None:
    found = states(annotated(production(secret_versions={}), tls="yes", network_policies="yes", health="yes"))
    assert found == MET | {"tls": "Open"}


def test_it_is_bounded() -> None:
    long = annotated(production(), **{item.name.replace("-", "_"): "x" * 100_000 for item in ITEMS})
    assert sum(len(message) for _, message in items(long).values()) <= 256 * len(ITEMS)


def test_figures_of_a_condition_do_not_move_it() -> None:
    def with_message(message: str) -> Any:
        conditions = [
            Condition(each, True, Reason.APPLIED, message) for each in Type if each is not Type.IMAGE_OUTDATED
        ]
        return checklist(production(), conditions)

    assert with_message("rollups are 3 s late") == with_message("rollups are 4 s late")


def test_the_page_is_what_the_code_says() -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "run `make docs`"


def declare(world: ClusterActor, **declared: str | None) -> None:
    annotations = {f"{CHECKLIST}/{item}": text for item, text in declared.items()}
    world.api.merge("AnalyticsApi", "demo", {"metadata": {"annotations": annotations}})


def state_of(world: ClusterActor, item: str) -> str:
    return next(str(each["state"]) for each in world.resource()["status"]["checklist"] if each["item"] == item)


@pytest.mark.kube
def test_a_declaration_is_shown_at_once_and_goes_with_its_annotation(world: ClusterActor, tmp_path: Path) -> None:
    world.ready()
    assert state_of(world, "runbooks") == "Open"
    declare(world, runbooks="https://wiki.example.com/analytics")
    eventually(lambda: state_of(world, "runbooks") == "Declared", what="declared")
    plugin = Plugin(world.api, tmp_path)
    lines = [line.split() for line in plugin.ok("status", "demo").splitlines()]
    assert ["CHECKLIST", "STATE", "MESSAGE"] in lines
    assert ["runbooks", "Declared", "https://wiki.example.com/analytics"] in lines
    (top,) = plugin.json("status", "demo")
    assert top["checklist"] == world.resource()["status"]["checklist"]
    declare(world, runbooks=None)
    eventually(lambda: state_of(world, "runbooks") == "Open", what="open again")


@pytest.mark.kube
def test_another_reconcile_writes_nothing(world: ClusterActor) -> None:
    world.ready()
    world.pause(2)
    count = 'analytics_operator_reconcile_seconds_count{outcome="success"}'
    before, reconciles = world.resource()["metadata"]["managedFields"], world.metric(count)
    world.api.merge("AnalyticsApi", "demo", {"metadata": {"annotations": {"touched": "yes"}}})
    eventually(lambda: world.metric(count) > reconciles, what="another reconcile")
    world.pause(2)
    ours = [each for each in world.resource()["metadata"]["managedFields"] if each["manager"] == "analytics-operator"]
    assert ours == [each for each in before if each["manager"] == "analytics-operator"]


@pytest.mark.kube
def test_a_certificate_that_comes_later_is_noticed(world: ClusterActor) -> None:
    world.ready(ingress={"host": "a.example", "tls": {"secretName": "certificate"}})
    missing = world.until("RoutesConfigured", "False", "SecretMissing")["message"]
    assert "Secret certificate of ingress.tls does not exist" in missing
    assert state_of(world, "tls") == "Open"
    world.api.secret("certificate", **{"tls.crt": "x", "tls.key": "x"})
    world.until("RoutesConfigured", "True", "Applied")
    assert state_of(world, "tls") == "Met"
