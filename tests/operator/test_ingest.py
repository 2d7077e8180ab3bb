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
from tests.operator.cluster_actor import a_result
from tests.operator.test_migration import NOW, RANDOM, SECRETS, a_job, a_pod, resource
from tests.support.kube import Object

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
        pytest.param({}, KNOWN, SERVES, "hold", id="by default: the API"),
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


def test_rules_of_content_are_given_to_an_image_that_knows_them() -> None:
    content = {"mode": "drop", "services": [{"name": "a", "mode": "truncate", "characters": 7}, {"name": "b"}]}

    def env(*settings: str) -> dict[str, str]:
        manifest = decision(
            planned(observed(spec={"ingest": {"content": content}}, settings=settings)), DEPLOYMENT, "demo"
        )
        assert isinstance(manifest, dict)
        (container,) = manifest["spec"]["template"]["spec"]["containers"]
        return {each["name"]: each["value"] for each in container["env"] if each["name"].startswith("INGEST_C")}

    assert env(*KNOWN) == {}
    known = env(*KNOWN, Setting.CONTENT)
    assert known == {"INGEST_CONTENT": "drop", "INGEST_CONTENT_SERVICES": "a=truncate 7,b=keep"}


def test_their_connections_are_of_the_budget() -> None:
    database = {"urlSecretRef": {"name": "credentials", "key": "database-url"}, "connectionBudget": 60}
    alone, beside = (
        resource(replicas=3, database=database, redis=REDIS, ingest=each) for each in ({}, {"replicas": 2})
    )
    assert (pool_size(alone, 0), pool_size(beside, 0)) == (14, 11)
    assert connections(beside, 11, 0) == 4 * 11 + 3 * 4 + 3 <= 60
    off = resource(replicas=3, database=database, redis=REDIS, ingest={"replicas": 2, "enabled": False})
    assert pool_size(off, 0) == 14


def test_without_a_result_of_its_migration_an_image_is_given_nothing_new() -> None:
    of = replace(observed(spec=OWN_PODS), pods=())
    assert planned(of).gate.open
    assert pods(planned(of), "demo") == (["serve"], None, False)
