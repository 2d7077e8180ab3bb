"""What the status and its Events say of pods that only take rows."""

from dataclasses import replace
from typing import Any

import pytest

from analytics_operator.kube.objects import DEPLOYMENT, Ref
from analytics_operator.state.image import Setting
from analytics_operator.status import events
from analytics_operator.status.derive import derive
from analytics_operator.status.facts import Applied, Facts
from tests.operator.test_ingest import ANSWERING, KNOWN, OWN_PODS, REDIS, TAKING, live, observed, planned
from tests.operator.test_migration import NOW
from tests.support.kube import Object


def facts(own_pods: Object | None, /, *, settings: tuple[str, ...] = KNOWN, **spec: Any) -> Facts:
    """Of a resource whose API is rolled out."""
    of = observed(spec=spec or OWN_PODS, settings=settings)
    found = planned(of)
    applied = Applied(deployment=live(ANSWERING), ingest=own_pods)
    return Facts(observed=of, credentials=found.credentials, gate=found.gate, applied=applied)


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


def test_an_image_that_knows_no_rules_of_content_is_named_with_the_field() -> None:
    spec: Any = {"replicas": 1, "ingest": {"content": {"mode": "drop"}}}
    outdated = conditions(facts(None, settings=KNOWN, **spec))["ImageOutdated"]
    assert outdated[:2] == ("True", "SettingsUnknown")
    assert "does not know ingest.content: name a later image" in outdated[2]
    assert "ImageOutdated" not in conditions(facts(None, settings=(*KNOWN, Setting.CONTENT), **spec))


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
    waiting = replace(of, applied=replace(of.applied, waiting=(Ref(DEPLOYMENT, "demo-ingest"),)))
    status, reason, message = conditions(waiting)["Ready"]
    assert (status, reason) == ("False", "Suspended")
    assert message == "Deployment demo-ingest would change: nothing is written until suspend is false"
