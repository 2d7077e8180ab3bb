"""spec.ingest: which pods take the rows that clients send, and that there are some at every moment of a change."""

from dataclasses import replace
from typing import Any

import pytest

from analytics_operator.kube import labels
from analytics_operator.kube.objects import DEPLOYMENT, POD_DISRUPTION_BUDGET, SERVICE, Absent, Hold, Kind, Ref, Want
from analytics_operator.plan import Plan, plan
from analytics_operator.state import migration
from analytics_operator.state.image import Setting
from analytics_operator.state.ingest import api_takes_rows, every_api_pod_takes_rows
from analytics_operator.state.migration import State
from analytics_operator.state.observed import Observed, Released
from analytics_operator.state.replicas import connections, pool_size
from analytics_operator.state.secrets import examine
from analytics_operator.status import events
from analytics_operator.status.derive import derive
from analytics_operator.status.facts import Applied, Facts
from tests.operator.cluster_actor import ClusterActor, a_result, image_of
from tests.operator.test_migration import NOW, RANDOM, SECRETS, a_job, a_pod, resource
from tests.support.kube import Object, eventually

REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}
KNOWN = (Setting.INGEST.value,)
CREDENTIALS = SECRETS | {"credentials": SECRETS["credentials"] | {"redis-url": b"redis://redis:6379/0"}}
PODS: Object = {"containers": [{"name": "api", "image": "analytics-service:1.0.0"}]}
TAKING: Object = {"metadata": {"labels": labels.TAKES_ROWS}, "spec": PODS}
ANSWERING: Object = {"metadata": {"labels": {}}, "spec": PODS}
OWN_PODS = {"redis": REDIS, "ingest": {"replicas": 2}}


def live(template: Object, *, count: int = 2, ready: int = 2, generation: int = 1) -> Object:
    """A Deployment whose pods are all of that template, and so many of them ready."""
    available = {"type": "Available", "status": "True" if ready == count else "False"}
    counts = {"replicas": count, "updatedReplicas": count, "readyReplicas": ready, "availableReplicas": ready}
    return {
        "metadata": {"generation": generation, "annotations": {}},
        "spec": {"replicas": count, "template": template},
        "status": counts | {"observedGeneration": 1, "conditions": [available]},
    }


def released(deployment: Object, template: Object) -> Object:
    """The Deployment, as the operator has applied it with that template."""
    text = Released(template=template, digest="0123abcd", settings=KNOWN).text
    annotations = {
        labels.RELEASED_TEMPLATE: text,
        labels.MIGRATION_HASH: "0123abcd",
        labels.IMAGE_SETTINGS: " ".join(KNOWN),
    }
    return {**deployment, "metadata": {**deployment["metadata"], "annotations": annotations}}


def observed(*, settings: tuple[str, ...] = KNOWN, spec: Object, **seen: Any) -> Observed:
    """Whose database is migrated, by an image that knows these settings."""
    of = resource(**spec)
    job = a_job(migration.digest_of(of, examine(of, CREDENTIALS).database_digest or ""), ended="Complete")
    return Observed(
        resource=of, secrets=CREDENTIALS, jobs=(job,), pods=(a_pod(job, a_result(settings=list(settings))),), **seen
    )


def planned(of: Observed) -> Plan:
    return plan(of, now=NOW, random_text=RANDOM)


def decision(of: Plan, kind: Kind, name: str) -> str | Object:
    """The manifest; `hold` or `absent` where there is none."""
    (found,) = [each for each in of.decisions if each.ref == Ref(kind, name)]
    match found:
        case Want(_, manifest):
            return manifest
        case Hold():
            return "hold"
        case _:
            assert isinstance(found, Absent)
            return "absent"


def pods(of: Plan, name: str) -> tuple[list[str], str | None, bool] | str:
    """Of a Deployment: the arguments, the size of bodies, and whether clients are sent to them."""
    manifest = decision(of, DEPLOYMENT, name)
    if isinstance(manifest, str):
        return manifest
    template = manifest["spec"]["template"]
    (container,) = template["spec"]["containers"]
    size = next((each["value"] for each in container["env"] if each["name"] == Setting.INGEST), None)
    return container["args"], size, labels.TAKES_ROWS.items() <= template["metadata"]["labels"].items()


SERVES = (["serve"], "16777216", True)
ONLY_API = (["serve", "--only", "api"], None, False)
ONLY_INGEST = (["serve", "--only", "ingest"], "16777216", True)


@pytest.mark.parametrize(
    ("spec", "settings", "api", "ingest"),
    [
        pytest.param({}, KNOWN, SERVES, "hold", id="nothing is said: the API"),
        pytest.param({"ingest": {}}, KNOWN, SERVES, "hold", id="nothing but that"),
        pytest.param({"ingest": {"maxBodyBytes": 2048}}, KNOWN, (["serve"], "2048", True), "hold", id="smaller bodies"),
        pytest.param({"ingest": {"enabled": False}}, KNOWN, ONLY_API, "absent", id="nobody"),
        pytest.param(OWN_PODS, KNOWN, ONLY_API, ONLY_INGEST, id="pods that do nothing else"),
        pytest.param(
            {"redis": REDIS, "ingest": {"enabled": False, "replicas": 2}},
            KNOWN,
            ONLY_API,
            "absent",
            id="nobody for now",
        ),
        pytest.param(OWN_PODS, (), (["serve"], None, False), "absent", id="an image that takes none"),
    ],
)
def test_who_takes_rows_at_first(spec: Object, settings: tuple[str, ...], api: Any, ingest: Any) -> None:
    found = planned(observed(spec=spec, settings=settings))
    assert (pods(found, "demo"), pods(found, "demo-ingest")) == (api, ingest)
    service = decision(found, SERVICE, "demo-ingest")
    some = any(each[2] for each in (api, ingest) if isinstance(each, tuple))
    assert (service == "hold") is not some, "the address is there for as long as somebody answers"


@pytest.mark.parametrize(("count", "there"), [(1, False), (2, True)])
def test_drains_take_one_of_several_pods(count: int, *, there: bool) -> None:
    found = planned(observed(spec={"redis": REDIS, "ingest": {"replicas": count}}))
    budget = decision(found, POD_DISRUPTION_BUDGET, "demo-ingest")
    assert (budget != "absent") is there


@pytest.mark.parametrize(
    ("spec", "api", "ingest", "takes"),
    [
        pytest.param({}, ANSWERING, live(TAKING), True, id="no others are wanted"),
        pytest.param(OWN_PODS, None, None, False, id="the first release"),
        pytest.param(OWN_PODS, TAKING, None, True, id="others are still to be made"),
        pytest.param(OWN_PODS, TAKING, live(TAKING, ready=1), True, id="others are not all ready"),
        pytest.param(OWN_PODS, TAKING, live(TAKING), False, id="others are ready"),
        pytest.param(OWN_PODS, ANSWERING, live(TAKING, ready=0), False, id="others were, and fail now"),
        pytest.param(OWN_PODS, ANSWERING, None, False, id="others were deleted, and are made again"),
    ],
)
def test_the_api_takes_rows_until_others_can(spec: Object, api: Any, ingest: Any, *, takes: bool) -> None:
    of = Observed(resource=resource(**spec), ingest=ingest, deployment=api and released(live(api), api))
    assert api_takes_rows(of) is takes


@pytest.mark.parametrize(
    ("deployment", "all_of_them"),
    [
        pytest.param(None, False, id="there is none"),
        pytest.param(live(ANSWERING), False, id="the last release"),
        pytest.param(live(TAKING, ready=1), False, id="one is not ready"),
        pytest.param(live(TAKING, generation=2), False, id="nobody has begun to replace them"),
        pytest.param(live(TAKING), True, id="all are there"),
    ],
)
def test_pods_that_only_take_rows_stay_until_the_api_has_taken_over(deployment: Any, *, all_of_them: bool) -> None:
    of = observed(spec={}, deployment=deployment and released(deployment, deployment["spec"]["template"]))
    assert every_api_pod_takes_rows(of) is all_of_them
    assert pods(planned(of), "demo-ingest") == ("absent" if all_of_them else "hold")


@pytest.mark.parametrize("where", ["annotation", "ConfigMap", None])
def test_while_the_database_is_migrated_their_template_is_the_released_one(where: str | None) -> None:
    template = {**TAKING, "spec": {"containers": [{"name": "ingest", "image": "analytics-service:0.9.0"}]}}
    of = observed(spec=OWN_PODS | {"ingest": {"replicas": 3}})
    text = Released(template=template, digest="").text
    copy = {"metadata": {"name": "demo-released"}, "data": {"released-ingest-template": text}}
    ingest = live(template)
    ingest["metadata"]["annotations"][labels.RELEASED_TEMPLATE] = text
    migrating = replace(
        of,
        jobs=(),
        deployment=released(live(ANSWERING), ANSWERING),
        ingest=ingest if where == "annotation" else None,
        config_maps=(copy,) if where == "ConfigMap" else (),
    )
    found = planned(migrating)
    assert found.gate.state is State.START
    manifest = decision(found, DEPLOYMENT, "demo-ingest")
    if where is None:
        assert manifest == "hold"
    else:
        assert isinstance(manifest, dict)
        assert (manifest["spec"]["template"], manifest["spec"]["replicas"]) == (template, 3)


def test_pods_that_a_quota_refused_are_tried_again_soon() -> None:
    refused = live(TAKING, ready=0)
    refused["status"]["conditions"].append({"type": "ReplicaFailure", "status": "True", "message": "exceeded quota"})
    manifests = [
        decision(planned(observed(spec=OWN_PODS, ingest=each)), DEPLOYMENT, "demo-ingest")
        for each in (live(TAKING), refused)
    ]
    retried = [labels.RETRIED_AT in each["metadata"]["annotations"] for each in manifests if isinstance(each, dict)]
    assert retried == [False, True]


def test_the_size_of_bodies_restarts_only_pods_that_take_rows() -> None:
    def templates(size: int) -> dict[str, Object]:
        found = planned(observed(spec={"redis": REDIS, "ingest": {"replicas": 2, "maxBodyBytes": size}}))
        manifests = {name: decision(found, DEPLOYMENT, name) for name in ("demo", "demo-ingest", "demo-worker")}
        return {name: each["spec"]["template"] for name, each in manifests.items() if isinstance(each, dict)}

    before, after = templates(2048), templates(4096)
    assert [name for name, template in before.items() if template != after[name]] == ["demo-ingest"]


def test_their_connections_are_of_the_budget() -> None:
    database = {"urlSecretRef": {"name": "credentials", "key": "database-url"}, "connectionBudget": 60}
    alone, beside = (
        resource(replicas=3, database=database, redis=REDIS, ingest=each) for each in ({}, {"replicas": 2})
    )
    assert (pool_size(alone, 0), pool_size(beside, 0)) == (14, 11)
    assert connections(beside, 11, 0) == 4 * 11 + 3 * 4 + 3 <= 60
    off = resource(replicas=3, database=database, redis=REDIS, ingest={"replicas": 2, "enabled": False})
    assert pool_size(off, 0) == 14


def facts(own_pods: Object | None, /, *, settings: tuple[str, ...] = KNOWN, **spec: Any) -> Facts:
    """Of a resource whose API is rolled out."""
    of = observed(spec=spec or OWN_PODS, settings=settings)
    found = planned(of)
    applied = Applied(deployment=live(ANSWERING), ingest=own_pods)
    return Facts(observed=of, credentials=found.credentials, gate=found.gate, desired=None, applied=applied)


def conditions(of: Facts) -> dict[str, tuple[str, str, str]]:
    return {
        each["type"]: (each["status"], each["reason"], each["message"])
        for each in derive(of, now=NOW)["conditions"]
        if each["type"] in {"Ready", "IngestAvailable", "ImageOutdated"}
    }


def test_a_resource_is_ready_when_its_pods_that_only_take_rows_are() -> None:
    missing = conditions(facts(None))
    assert missing["IngestAvailable"][:2] == missing["Ready"][:2] == ("False", "NotDeployed")
    one = conditions(facts(live(TAKING, ready=1)))
    assert one["IngestAvailable"] == ("False", "MinimumReplicasUnavailable", "1 of 2 replicas take rows")
    assert one["Ready"][:2] == ("False", "RollingOut")
    assert "2 of 2 replicas that only take rows are up to date, 1 are ready" in one["Ready"][2]
    both = conditions(facts(live(TAKING)))
    assert both["IngestAvailable"] == ("True", "MinimumReplicasAvailable", "2 of 2 replicas take rows")
    assert both["Ready"][:2] == ("True", "AsDeclared")
    before = facts(live(TAKING))
    before = replace(before, applied=replace(before.applied, deployment=live(TAKING)))
    assert conditions(before)["Ready"][:2] == ("False", "RollingOut"), "the API's pods are still to be replaced"


@pytest.mark.parametrize(
    ("spec", "settings", "shown", "endpoint"),
    [
        pytest.param(OWN_PODS, KNOWN, True, "http://demo-ingest.llm.svc", id="pods of their own"),
        pytest.param({"replicas": 1}, KNOWN, False, "http://demo-ingest.llm.svc", id="the API's pods"),
        pytest.param({"ingest": {"enabled": False}}, KNOWN, False, None, id="nobody"),
        pytest.param(OWN_PODS, (), False, None, id="an image that takes none"),
    ],
)
def test_the_status_says_where_rows_go(
    spec: Any, settings: tuple[str, ...], endpoint: str | None, *, shown: bool
) -> None:
    found = facts(None, settings=settings, **spec)
    assert ("IngestAvailable" in conditions(found)) is shown
    assert derive(found, now=NOW)["endpoints"].get("ingest") == endpoint


@pytest.mark.parametrize(
    ("ingest", "outdated"),
    [({}, True), ({"replicas": 2}, True), ({"enabled": False}, False), (None, False)],
)
def test_an_image_that_takes_no_rows_is_named_where_the_resource_asks_for_it(ingest: Any, *, outdated: bool) -> None:
    found = conditions(facts(None, settings=(), redis=REDIS, ingest=ingest))
    assert ("ImageOutdated" in found) is outdated
    assert not outdated or "does not know ingest: name a later image" in found["ImageOutdated"][2]
    assert found["Ready"][:2] == ("True", "AsDeclared")


@pytest.mark.parametrize(
    ("before", "after", "reasons"),
    [
        pytest.param(None, live(TAKING), ["IngestAvailable"], id="from the start"),
        pytest.param(None, live(TAKING, ready=0), [], id="not yet"),
        pytest.param(live(TAKING, ready=0), live(TAKING), ["IngestAvailable"], id="ready"),
        pytest.param(live(TAKING), live(TAKING, ready=1), ["IngestUnavailable"], id="one fails"),
        pytest.param(live(TAKING, ready=1), live(TAKING, ready=0), [], id="and the other too"),
    ],
)
def test_people_are_told_when_rows_are_not_taken(before: Any, after: Any, reasons: list[str]) -> None:
    previous = derive(facts(before), now=NOW) if before else {}
    found = [each for each in events.between(previous, derive(facts(after), now=NOW)) if "Ingest" in each.reason]
    assert [each.reason for each in found] == reasons


def test_changes_that_wait_while_suspended_are_reported_of_these_pods_too() -> None:
    of = facts(live(TAKING), redis=REDIS, ingest={"replicas": 3}, suspend=True)
    desired = decision(planned(of.observed), DEPLOYMENT, "demo-ingest")
    assert isinstance(desired, dict)
    assert conditions(replace(of, desired_ingest=desired))["Ready"][:2] == ("False", "Suspended")


def test_without_a_result_of_its_migration_an_image_is_given_nothing_new() -> None:
    of = replace(observed(spec=OWN_PODS), pods=())
    assert planned(of).gate.open
    assert pods(planned(of), "demo") == (["serve"], None, False)


def taking(world: ClusterActor, **spec: Any) -> None:
    """A Ready resource whose image takes rows."""
    world.credentials(redis_url="redis://redis:6379/0")
    world.declare(redis=REDIS, **spec)
    world.migrate(settings=list(KNOWN))
    world.settle()


def takes_rows(world: ClusterActor, name: str) -> bool:
    """Whether clients are sent to the pods that the Deployment makes."""
    selector = world.api.get("Service", "demo-ingest")["spec"]["selector"]
    labelled = world.api.get("Deployment", name)["spec"]["template"]["metadata"]["labels"]
    return bool(selector.items() <= labelled.items())


@pytest.mark.kube
def test_rows_are_taken_at_every_moment_while_that_moves_to_pods_of_its_own_and_back(world: ClusterActor) -> None:
    taking(world)
    assert takes_rows(world, "demo")
    assert world.deployment("demo-ingest") is None
    assert world.resource()["status"]["endpoints"]["ingest"] == f"http://demo-ingest.{world.api.namespace}.svc"

    world.edit(ingest={"replicas": 2})
    made = eventually(lambda: world.deployment("demo-ingest"), what="pods that only take rows")
    assert made["spec"]["replicas"] == 2
    eventually(lambda: world.api.find("PodDisruptionBudget", "demo-ingest"), what="their budget")
    world.until("IngestAvailable", "False")
    assert takes_rows(world, "demo"), "nobody else does yet"
    world.roll_out("demo-ingest")
    eventually(lambda: not takes_rows(world, "demo"), what="the API hands over")
    assert takes_rows(world, "demo-ingest")
    assert world.api.get("Deployment", "demo")["spec"]["template"]["spec"]["containers"][0]["args"][1:] == [
        "--only",
        "api",
    ]
    world.settle()
    world.until("IngestAvailable", "True", "MinimumReplicasAvailable")
    eventually(lambda: world.events("IngestAvailable"), what="an Event")

    world.edit(ingest={"replicas": None})
    eventually(lambda: takes_rows(world, "demo"), what="the API takes over again")
    assert world.deployment("demo-ingest"), "its pods are not there yet"
    world.roll_out("demo")
    eventually(lambda: world.deployment("demo-ingest") is None, what="no pods that only take rows")
    eventually(lambda: world.api.find("PodDisruptionBudget", "demo-ingest") is None, what="no budget")
    world.settle()
    assert world.condition("IngestAvailable")["status"] is None


@pytest.mark.kube
def test_an_unfinished_migration_holds_the_template_and_nothing_else(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 1})
    world.edit(image={"repository": "analytics-service", "tag": "2.0.0"}, ingest={"replicas": 2})
    world.live_job()
    eventually(lambda: world.api.get("Deployment", "demo-ingest")["spec"]["replicas"] == 2, what="two replicas")
    before = world.api.get("Deployment", "demo-ingest")
    assert image_of(before) == "analytics-service:1.0.0"
    world.api.delete("Deployment", "demo-ingest")
    back = eventually(lambda: world.deployment("demo-ingest"), what="it comes back while the migration runs")
    assert back["spec"] == before["spec"]
    world.migrate(settings=list(KNOWN))
    world.settle()
    assert image_of(world.api.get("Deployment", "demo-ingest")) == "analytics-service:2.0.0"


@pytest.mark.kube
def test_suspended_nothing_is_written_to_them(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 1})
    before = world.api.get("Deployment", "demo-ingest")["metadata"]["resourceVersion"]
    world.edit(suspend=True, ingest={"replicas": 2})
    world.until("Ready", "False", "Suspended")
    assert world.api.get("Deployment", "demo-ingest")["metadata"]["resourceVersion"] == before
    world.edit(suspend=False)
    world.settle()
    assert world.api.get("Deployment", "demo-ingest")["spec"]["replicas"] == 2


@pytest.mark.kube
def test_switched_off_nobody_takes_rows(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 1})
    world.edit(ingest={"enabled": False})
    eventually(lambda: world.deployment("demo-ingest") is None, what="no pods that only take rows")
    world.settle()
    assert not takes_rows(world, "demo")
    assert "ingest" not in world.resource()["status"]["endpoints"]


@pytest.mark.kube
def test_they_are_not_written_while_nothing_changes(world: ClusterActor) -> None:
    taking(world, ingest={"replicas": 2})
    kinds = ("Deployment", "Service", "PodDisruptionBudget")

    def versions() -> list[str]:
        found = [world.api.get(kind, "demo-ingest")["metadata"]["resourceVersion"] for kind in kinds]
        return [*found, world.resource()["metadata"]["resourceVersion"]]

    def look_again() -> bool:
        """Whether a forced look changed nothing."""
        applies, before = world.metric("analytics_operator_apply_unchanged_total"), versions()
        poke = {"metadata": {"annotations": {"poked": before[0]}}}
        world.api.merge("ConfigMap", "demo-released", poke)
        eventually(lambda: world.metric("analytics_operator_apply_unchanged_total") >= applies + 5, what="a look")
        return versions() == before

    assert eventually(look_again, what="a look that changes nothing")
