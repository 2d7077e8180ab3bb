"""What holds for every resource."""

import re
from base64 import b64decode
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_operator.api.conditions import Condition, Type, cut, merge
from analytics_operator.api.v1alpha1 import NAME_LENGTH, NAME_PATTERN, AnalyticsApi
from analytics_operator.errors import (
    AdmissionRefused,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    QuotaExceeded,
    Unavailable,
)
from analytics_operator.kube import labels, names
from analytics_operator.kube.api_errors import error
from analytics_operator.kube.objects import DEPLOYMENT, Ref, Want
from analytics_operator.manifests import build
from analytics_operator.manifests.scope import Scope
from analytics_operator.plan import RETRY_SECONDS, plan
from analytics_operator.state import digests
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed
from analytics_operator.state.secrets import examine
from tests.operator.cluster_actor import a_resource
from tests.operator.test_migration import NOW, RANDOM, SECRETS

resource_names = st.from_regex(NAME_PATTERN, fullmatch=True).filter(lambda name: len(name) <= NAME_LENGTH)
LABEL = re.compile(r"[a-z0-9A-Z]([-._a-zA-Z0-9]{0,61}[a-z0-9A-Z])?")


def wanted(name: str, *, state: State = State.DONE, **spec: Any) -> list[Want]:
    metadata = {"name": name, "namespace": "llm", "uid": "1", "generation": 1}
    resource = AnalyticsApi.model_validate(a_resource(**spec) | {"metadata": metadata})
    credentials = examine(resource, SECRETS | {f"{name}-jwt": SECRETS["demo-jwt"]})
    gate = Gate(state=state, digest="0123abcd", attempt=99999)
    scope = Scope(resource=resource, credentials=credentials, gate=gate, released=None, replicas=resource.spec.replicas)
    return [each for each in build(scope) if isinstance(each, Want)]


@given(resource_names)
def test_every_name_and_label_is_one_that_kubernetes_takes(name: str) -> None:
    for state in (State.DONE, State.START):
        for child in wanted(name, state=state):
            metadata = child.manifest["metadata"]
            assert len(metadata["name"]) <= 63
            assert metadata["name"] == child.ref.name
            assert all(LABEL.fullmatch(value) for value in metadata["labels"].values())


def test_the_longest_names_fit() -> None:
    name = "a" * NAME_LENGTH
    assert len(names.migrate_job(name, "0123abcd", 99999)) <= 63
    assert len(names.config_map(name, "0123abcd")) <= 63


@given(st.integers(0, 100), st.integers(1, 86400), st.sampled_from(["debug", "info", "warning", "error"]))
def test_the_selector_ignores_every_field_but_the_name(replicas: int, ttl: int, level: str) -> None:
    def selector(**spec: Any) -> Any:
        (deployment,) = [each for each in wanted("demo", **spec) if each.ref == Ref(DEPLOYMENT, "demo")]
        return deployment.manifest["spec"]["selector"]

    changed = {"replicas": replicas, "cache": {"defaultTtlSeconds": ttl}, "logging": {"level": level}}
    assert selector(**changed) == selector()


@given(st.integers(1, 86400))
def test_building_twice_gives_the_same(ttl: int) -> None:
    assert wanted("demo", cache={"defaultTtlSeconds": ttl}) == wanted("demo", cache={"defaultTtlSeconds": ttl})


@given(st.integers(0, 10**6), st.sampled_from(["True", "False", None]))
def test_a_deployment_is_touched_now_and_then_while_its_pods_are_refused(seconds: int, refused: str | None) -> None:
    (plain,) = [each for each in wanted("demo") if each.ref == Ref(DEPLOYMENT, "demo")]
    failure = [{"type": "ReplicaFailure", "status": refused, "message": "exceeded quota"}] if refused else []

    def touched(later: int) -> str | None:
        live = plain.manifest | {"status": {"conditions": failure}}
        metadata = {"name": "demo", "namespace": "llm", "uid": "1", "generation": 1}
        resource = AnalyticsApi.model_validate(a_resource() | {"metadata": metadata})
        seen = Observed(resource=resource, secrets=SECRETS, deployment=live)
        decisions = plan(seen, now=NOW + timedelta(seconds=later), random_text=RANDOM).decisions
        (planned,) = [each for each in decisions if isinstance(each, Want) and each.ref == Ref(DEPLOYMENT, "demo")]
        found: str | None = planned.manifest["metadata"]["annotations"].get(labels.RETRIED_AT)
        return found

    every = RETRY_SECONDS
    now, soon, later = touched(seconds), touched(seconds // every * every), touched(seconds + every)
    if refused == "True":
        assert now == soon != later
    else:
        assert now == soon == later is None


@pytest.mark.parametrize(
    ("spec", "there", "generated"),
    [
        pytest.param({}, False, True, id="missing"),
        pytest.param({}, True, False, id="there"),
        pytest.param({"suspend": True}, False, False, id="suspended"),
        pytest.param({"auth": {"jwtSecretRef": {"name": "a", "key": "b"}}}, False, False, id="given"),
    ],
)
def test_the_plan_holds_the_secret_to_generate_and_its_digests(
    spec: dict[str, Any], *, there: bool, generated: bool
) -> None:
    metadata = {"name": "demo", "namespace": "llm", "uid": "1", "generation": 1}
    resource = AnalyticsApi.model_validate(a_resource(**spec) | {"metadata": metadata})
    secrets = {name: data for name, data in SECRETS.items() if there or name != "demo-jwt"}
    found = plan(Observed(resource=resource, secrets=secrets), now=NOW, random_text=RANDOM)
    if not generated:
        assert found.generated is None
        return
    assert found.generated is not None
    assert b64decode(found.generated.manifest["data"]["jwt-secret"]) == RANDOM.encode()
    assert found.credentials == examine(resource, SECRETS | {"demo-jwt": {"jwt-secret": RANDOM.encode()}})
    assert RANDOM not in repr(found)


@given(st.binary(min_size=32), st.binary(), st.binary())
def test_keyed_digests_tell_values_and_keys_apart(key: bytes, one: bytes, other: bytes) -> None:
    assert (digests.keyed(key, one) == digests.keyed(key, other)) == (one == other)
    assert digests.keyed(key, one, other) != digests.keyed(key, one + other)


@given(st.text())
def test_messages_fit_the_schema_on_one_line(text: str) -> None:
    assert len(cut(text)) <= 1024
    assert "\n" not in cut(text)


@given(st.booleans(), st.booleans())
def test_a_transition_time_moves_exactly_with_the_status(before: bool, after: bool) -> None:  # noqa: FBT001 - drawn
    old = merge([], [Condition(Type.READY, before, "A", "a")], generation=1, now=NOW)
    old[0]["lastTransitionTime"] = "2000-01-01T00:00:00Z"
    (new,) = merge(old, [Condition(Type.READY, after, "B", "b")], generation=2, now=NOW)
    assert (new["lastTransitionTime"] == "2000-01-01T00:00:00Z") == (before == after)
    assert new["observedGeneration"] == 2


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        pytest.param(403, 'services "a" is forbidden: User "x" cannot create', Forbidden, id="rbac"),
        pytest.param(403, 'pods "a" is forbidden: exceeded quota: q', QuotaExceeded, id="quota"),
        pytest.param(
            403, 'pods "a" is forbidden: violates PodSecurity "restricted"', AdmissionRefused, id="pod security"
        ),
        pytest.param(400, 'admission webhook "w" denied the request: no', AdmissionRefused, id="webhook"),
        pytest.param(404, "not found", NotFound, id="absent"),
        pytest.param(409, "conflict", Conflict, id="conflict"),
        pytest.param(429, "slow down", Unavailable, id="too many"),
        pytest.param(500, "etcd", Unavailable, id="broken"),
        pytest.param(
            500,
            "failed to create typed patch object (a/b; apps/v1, Kind=Job): .spec.x: field not declared in schema",
            Invalid,
            id="a field that the kind has not",
        ),
    ],
)
def test_answers_are_told_apart(status: int, message: str, kind: type[ApiError]) -> None:
    found = error(status, f'{{"message": "{message.replace(chr(34), "")}"}}'.encode(), retry_after="7")
    assert type(found) is kind
    assert found.retry_after == 7


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        pytest.param("7", 7, id="seconds"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", 0, id="a date that is over"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 -0000", 0, id="a date of nowhere"),
        pytest.param("soon", None, id="neither"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_the_time_to_come_again_is_read_in_both_of_its_forms(said: str | None, seconds: float | None) -> None:
    assert error(429, b"{}", retry_after=said).retry_after == seconds
