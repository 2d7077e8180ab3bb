"""The tables that the status and its Events are made of, without a cluster."""

from dataclasses import replace
from typing import Any

import pytest

from analytics_operator.api.conditions import Condition, Type, merge
from analytics_operator.kube.objects import SERVICE, Ref
from analytics_operator.plan import plan
from analytics_operator.state.health import LastHealth, Reach
from analytics_operator.state.jobs import Result
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.status import CONDITIONS, events
from analytics_operator.status.derive import derive
from analytics_operator.status.events import EVENTS
from analytics_operator.status.facts import Applied, Facts
from tests.operator.cluster_actor import a_result
from tests.operator.test_migration import NOW, RANDOM, SECRETS, resource

DATABASE = {"urlSecretRef": {"name": "credentials", "key": "database-url"}}


def facts(**spec: Any) -> Facts:
    """Of a resource whose first migration is about to start."""
    observed = Observed(resource=resource(**spec), secrets=SECRETS)
    planned = plan(observed, now=NOW, random_text=RANDOM)
    return Facts(observed=observed, credentials=planned.credentials, gate=planned.gate, applied=Applied())


def shown(found: Facts) -> dict[str, tuple[str, str]]:
    return {each["type"]: (each["status"], each["reason"]) for each in derive(found, now=NOW)["conditions"]}


def test_every_type_has_one_condition_and_ready_comes_first() -> None:
    types = [each.type for each in CONDITIONS]
    assert sorted(types) == sorted(Type)
    assert types[0] is Type.READY


def test_every_event_is_of_a_condition_that_there_is() -> None:
    assert {row.condition for row in EVENTS} <= {each.type for each in CONDITIONS}


def test_conditions_that_say_nothing_of_the_resource_are_left_out() -> None:
    found = facts()
    assert not {"ScalingActive", "CRDOutdated"} & shown(found).keys()
    outdated = replace(found, observed=replace(found.observed, missing_fields=("spec.cors",)))
    assert shown(outdated)["CRDOutdated"] == ("True", "OlderThanOperator")
    assert shown(facts(autoscaling={}))["ScalingActive"] == ("False", "MetricsAwaited")


@pytest.mark.parametrize(
    ("listed", "fields"),
    [
        pytest.param((), "database.caSecretRef, redis.keyPrefix", id="neither"),
        pytest.param(("DATABASE_CA_FILE", "LOG_LEVEL"), "redis.keyPrefix", id="one"),
        pytest.param(("REDIS_PREFIX", "DATABASE_CA_FILE"), None, id="both"),
    ],
)
def test_fields_that_the_image_does_not_know_are_named_once_its_migration_is_done(
    listed: tuple[str, ...], fields: str | None
) -> None:
    url, authority = ({"name": "credentials", "key": key} for key in ("database-url", "ca.crt"))
    database = {"urlSecretRef": url, "caSecretRef": authority}
    waiting = facts(database=database, redis={"urlSecretRef": url | {"key": "redis-url"}, "keyPrefix": "a:"})
    assert "ImageOutdated" not in shown(waiting)
    done = derive(replace(waiting, gate=Gate(state=State.DONE, settings=listed)), now=NOW)
    found = [each for each in done["conditions"] if each["type"] == "ImageOutdated"]
    assert [(each["status"], each["reason"]) for each in found] == ([("True", "SettingsUnknown")] if fields else [])
    assert all(
        f"analytics-service:1.0.0 does not know {fields}: name a later image" in each["message"] for each in found
    )
    told = [(each.level, each.message) for each in events.between({}, done) if each.reason == "ImageOutdated"]
    assert told == [("Warning", each["message"]) for each in found]


REDIS = {"urlSecretRef": {"name": "credentials", "key": "redis-url"}}


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        pytest.param("True", ("Unknown", "PodsUnreachable"), id="pods serve"),
        pytest.param("False", ("True", "Reachable"), id="pods start, or crash: their own problem is shown"),
    ],
)
def test_only_pods_that_serve_can_be_out_of_reach(available: str, expected: tuple[str, str]) -> None:
    template = {"spec": {"containers": [{"name": "api", "image": "x"}]}}
    live = {
        "metadata": {"generation": 1},
        "spec": {"replicas": 1, "template": template},
        "status": {"conditions": [{"type": "Available", "status": available}]},
    }
    found = facts(redis=REDIS)
    silent = replace(found.observed, health=LastHealth(database=Reach.UNKNOWN, cache=Reach.UNKNOWN))
    assert shown(replace(found, observed=silent, applied=Applied(deployment=live)))["CacheAvailable"] == expected


def with_limit(limit: int | None, **spec: Any) -> Facts:
    """Whose migration found that limit of connections."""
    result = Result.model_validate_json(a_result(connection_limit=limit))
    return replace(facts(**spec), gate=Gate(state=State.DONE, result=result))


@pytest.mark.parametrize(
    ("spec", "limit", "status", "words"),
    [
        pytest.param(
            {"redis": REDIS, "autoscaling": {}},
            100,
            "False",
            "pods may open 223 connections (20 in each of 11 replicas during a roll-out, 3 beside them), and the "
            "database allows 100: set database.connectionBudget to 100 or less, or have it allow more",
            id="the defaults, with ten replicas at most",
        ),
        pytest.param({"redis": REDIS, "autoscaling": {}}, 223, "True", "223 connections", id="as many as are allowed"),
        pytest.param({"redis": REDIS, "autoscaling": {}}, 222, "False", "allows 222", id="one too few"),
        pytest.param(
            {"redis": REDIS, "autoscaling": {}}, 24, "False", "lower the replicas, or", id="no pool is so small"
        ),
        pytest.param(
            {"redis": REDIS, "replicas": 4, "worker": {"replicas": 2}}, 104, "True", "104 connec", id="replicas"
        ),
        pytest.param(
            {"database": DATABASE | {"connectionBudget": 40}},
            30,
            "False",
            "allows 30: set database.connectionBudget to 30",
            id="a budget",
        ),
        pytest.param({"redis": REDIS, "autoscaling": {}}, None, None, "", id="a limit that is not known"),
    ],
)
def test_connections_that_the_database_does_not_allow_are_warned_of_and_keep_nothing_from_being_ready(
    spec: dict[str, Any], limit: int | None, status: str | None, words: str
) -> None:
    done = derive(with_limit(limit, **spec), now=NOW)
    found = [each for each in done["conditions"] if each["type"] == "ConnectionBudget"]
    assert [each["status"] for each in found] == ([status] if status else [])
    assert all(words in each["message"] for each in found)
    told = [each.message for each in events.between({}, done) if each.reason == "ConnectionBudgetExceeded"]
    assert told == [each["message"] for each in found if status == "False"]
    assert shown(with_limit(limit, **spec))["Ready"] == shown(with_limit(1000, **spec))["Ready"]


def test_a_limit_of_connections_outlives_the_job_that_found_it_and_a_migration_that_does_not_say_it() -> None:
    status = derive(with_limit(100), now=NOW)
    assert status["schema"]["connectionLimit"] == 100
    for result in (None, Result.model_validate_json(a_result())):
        later = with_limit(100, redis=REDIS, autoscaling={})
        observed = replace(later.observed, previous_status=status)
        later = replace(later, observed=observed, gate=Gate(state=State.DONE, result=result))
        assert shown(later)["ConnectionBudget"] == ("False", "ExceedsLimit")


def test_the_first_cause_is_what_ready_and_stalled_say() -> None:
    found = facts()
    assert [shown(found)[each] for each in ("Ready", "Stalled")] == [("False", "Migrating"), ("False", "NotStalled")]
    refused = Refusal(ref=Ref(SERVICE, "demo"), reason="QuotaExceeded", message="no room")
    stalled = shown(replace(found, applied=Applied(refusals=(refused,))))
    assert [stalled[each] for each in ("Ready", "Stalled")] == [("False", "QuotaExceeded"), ("True", "QuotaExceeded")]


def test_a_status_may_be_unknown() -> None:
    (found,) = merge([], [Condition(Type.DATA_FRESH, None, "NotReported", "nobody knows")], generation=1, now=NOW)
    assert found["status"] == "Unknown"


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        pytest.param(None, ("False", "Migrating"), "MigrationStarted", id="a start"),
        pytest.param(("False", "Migrating"), ("True", "Applied"), "MigrationSucceeded", id="a success"),
        pytest.param(("True", "Applied"), ("True", "Migrated"), None, id="other words for a success"),
        pytest.param(("False", "Migrating"), ("False", "HistoryEdited"), "MigrationFailed", id="a failure"),
        pytest.param(("False", "Migrating"), ("False", "Suspended"), None, id="a wait"),
        pytest.param(("False", "Migrating"), ("False", "Migrating"), None, id="nothing new"),
    ],
)
def test_a_transition_is_told_by_the_first_row_that_matches(
    before: tuple[str, str] | None, after: tuple[str, str], reason: str | None
) -> None:
    def status(condition: tuple[str, str] | None) -> dict[str, Any]:
        named = zip(("status", "reason"), condition or (), strict=False)
        return {"conditions": [{"type": "Migrated", "message": "m", **dict(named)}] if condition else []}

    found = [each.reason for each in events.between(status(before), status(after))]
    assert found == ([reason] if reason else [])
