"""The tables that the status and its Events are made of, without a cluster."""

from dataclasses import replace
from typing import Any

import pytest

from analytics_operator.api.conditions import Condition, Type, merge
from analytics_operator.kube.objects import DEPLOYMENT, SERVICE, Ref
from analytics_operator.plan import plan
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed
from analytics_operator.status import CONDITIONS, events
from analytics_operator.status.derive import derive
from analytics_operator.status.events import EVENTS
from analytics_operator.status.facts import Applied, Facts, Refusal
from tests.operator.test_migration import NOW, RANDOM, SECRETS, resource


def facts(**spec: Any) -> Facts:
    """Of a resource whose first migration is about to start."""
    observed = Observed(resource=resource(**spec), secrets=SECRETS)
    planned = plan(observed, now=NOW, random_text=RANDOM)
    desired = planned.desired(Ref(DEPLOYMENT, "demo"))
    return Facts(
        observed=observed, credentials=planned.credentials, gate=planned.gate, desired=desired, applied=Applied()
    )


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
