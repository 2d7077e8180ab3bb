"""PricesLoaded: the books of spec.prices as the worker reports them, and the Events and pods of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from analytics_operator.api.conditions import Type
from analytics_operator.state.image import Setting
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.worker import NOT_POLLED, LastReport, WorkerReport
from analytics_operator.status import events
from analytics_operator.status.derive import derive
from analytics_operator.status.facts import Facts
from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_migration import NOW
from tests.operator.test_status import facts
from tests.operator.test_worker_poller import a_pod, answering, leading
from tests.support.kube import Object, eventually

BOOKS = {"configMapRef": {"name": "price-books"}}
FOLDER = "/etc/analytics/prices/price-books"
LOADED = {"reason": "Loaded", "message": "book acme 0123456789ab"}
INVALID = {"reason": "BookInvalid", "message": f"PRICE_BOOKS: {FOLDER}/acme.yaml: line 3: prices.0: has no price"}
MISSING = {"reason": "BooksMissing", "message": f"PRICE_BOOKS: {FOLDER}: there is no file"}


def a_report(prices: dict[str, str] | None, *, folder: str | None = FOLDER) -> LastReport:
    settings = ((Setting.PRICE_BOOKS.value, folder),) if folder else ()
    return LastReport(report=WorkerReport.model_validate(leading(prices=prices)), settings=settings)


def status_of(
    worker: LastReport,
    *,
    known: tuple[str, ...] = ("PRICE_BOOKS",),
    previous: Object | None = None,
    **spec: Any,
) -> dict[str, Any]:
    found: Facts = facts(prices=BOOKS, **spec)
    observed = replace(found.observed, worker=worker, previous_status=previous or {})
    return derive(replace(found, observed=observed, gate=Gate(state=State.DONE, settings=known)), now=NOW)


def condition(status: dict[str, Any]) -> tuple[str, str, str]:
    (found,) = (each for each in status["conditions"] if each["type"] == "PricesLoaded")
    return found["status"], found["reason"], found["message"]


@pytest.mark.parametrize(
    ("worker", "status", "reason", "words"),
    [
        pytest.param(a_report(LOADED), "True", "Loaded", "acme 0123456789ab", id="loaded"),
        pytest.param(a_report(INVALID), "False", "BookInvalid", "acme.yaml: line 3: prices.0", id="a bad book"),
        pytest.param(a_report(MISSING), "False", "ConfigMapMissing", "ConfigMap price-books is not there", id="none"),
        pytest.param(
            a_report(LOADED, folder="/etc/analytics/prices/before"),
            "Unknown",
            "RollingOut",
            "does not read ConfigMap price-books yet",
            id="a worker of another ConfigMap",
        ),
        pytest.param(a_report(None, folder=None), "Unknown", "RollingOut", "price-books yet", id="an earlier worker"),
        pytest.param(
            LastReport(problem="no worker runs"), "Unknown", "WorkerUnavailable", "no worker runs", id="no worker"
        ),
        pytest.param(NOT_POLLED, "Unknown", "WorkerUnavailable", "not asked yet", id="an operator that begins"),
    ],
)
def test_the_condition_is_what_the_worker_reports(worker: LastReport, status: str, reason: str, words: str) -> None:
    found = condition(status_of(worker))
    assert found[:2] == (status, reason)
    assert words in found[2]


def test_an_image_that_knows_no_books_is_named() -> None:
    found = status_of(a_report(None, folder=None), known=())
    assert condition(found) == ("Unknown", "SettingsUnknown", "analytics-service:1.0.0 reads no price books")
    (outdated,) = (each for each in found["conditions"] if each["type"] == "ImageOutdated")
    assert "does not know prices.configMapRef" in outdated["message"]


def test_without_books_there_is_no_condition() -> None:
    found = derive(facts(), now=NOW)
    assert Type.PRICES_LOADED not in {each["type"] for each in found["conditions"]}


@pytest.mark.parametrize("prices", [LOADED, INVALID, None], ids=["True", "False", "Unknown"])
def test_an_operator_that_has_not_asked_yet_leaves_it_as_it_was(prices: dict[str, str] | None) -> None:
    before = status_of(a_report(prices))
    assert condition(status_of(NOT_POLLED, previous=before)) == condition(before)


def test_a_bad_book_keeps_nothing_from_being_ready() -> None:
    def ready(prices: dict[str, str]) -> tuple[str, str]:
        (found,) = (each for each in status_of(a_report(prices))["conditions"] if each["type"] == "Ready")
        return found["status"], found["reason"]

    assert ready(INVALID) == ready(LOADED)


@pytest.mark.parametrize(
    ("before", "after", "warned"),
    [
        pytest.param(None, a_report(INVALID), True, id="bad from the start"),
        pytest.param(a_report(LOADED), a_report(INVALID), True, id="a bad edit"),
        pytest.param(a_report(LOADED), a_report(MISSING), True, id="a ConfigMap that goes"),
        pytest.param(a_report(INVALID), a_report(LOADED), False, id="a correction"),
        pytest.param(a_report(LOADED), LastReport(problem="no worker runs"), False, id="silence"),
        pytest.param(None, a_report(None, folder=None), False, id="a worker to come"),
    ],
)
def test_books_that_cannot_be_read_are_a_warning(before: LastReport | None, after: LastReport, *, warned: bool) -> None:
    previous = status_of(before) if before else {}
    found = [each for each in events.between(previous, status_of(after)) if each.reason == "PricesNotLoaded"]
    assert [each.level for each in found] == ["Warning"] * warned


def test_another_mistake_in_a_book_is_a_change_of_the_report() -> None:
    other = INVALID | {"message": INVALID["message"].replace("line 3", "line 7")}
    keys = {a_report(each).comparison_key for each in (LOADED, INVALID, other)}
    assert len(keys) == 3


@pytest.mark.kube
def test_pods_get_the_books_of_a_config_map_once_their_image_knows_them(world: ClusterActor) -> None:
    world.credentials()
    world.declare(prices=BOOKS)
    world.migrate(settings=["LOG_LEVEL"])
    world.settle()
    assert [mounted(world, name) for name in ("demo", "demo-worker")] == [None, None]
    world.until("ImageOutdated", "True", "SettingsUnknown")

    world.edit(image={"repository": "analytics-service", "tag": "2.0.0"})
    world.migrate(settings=["PRICE_BOOKS"])
    world.settle()
    volume = {"name": "price-books", "optional": True, "defaultMode": 0o444}
    assert [mounted(world, name) for name in ("demo", "demo-worker")] == [volume, volume]
    eventually(lambda: world.condition("ImageOutdated")["status"] is None, what="nothing is outdated")
    world.until("PricesLoaded", "Unknown", "WorkerUnavailable")


@pytest.mark.kube
def test_the_condition_follows_the_books_that_the_worker_reads(world: ClusterActor) -> None:
    world.credentials()
    world.declare(prices=BOOKS)
    world.migrate(settings=["PRICE_BOOKS"])
    world.settle()
    says = leading(prices=MISSING)
    with answering(lambda: (200, json.dumps(says).encode())) as port:
        template = world.api.get("Deployment", "demo-worker")["spec"]["template"]
        pod = a_pod("demo-worker-1", port)
        pod["metadata"]["labels"] = template["metadata"]["labels"]
        pod["spec"]["containers"][0]["env"] = template["spec"]["containers"][0]["env"]
        status = pod.pop("status")
        world.api.create({"apiVersion": "v1", "kind": "Pod", **pod})
        world.api.merge("Pod", "demo-worker-1", {"status": status}, subresource="/status")
        world.api.merge("Deployment", "demo-worker", {"status": {"replicas": 1}}, subresource="/status")
        eventually(lambda: world.condition("PricesLoaded")["reason"] == "ConfigMapMissing", what="none", seconds=90)
        says = leading(prices=INVALID)
        eventually(lambda: world.condition("PricesLoaded")["reason"] == "BookInvalid", what="a mistake", seconds=90)
        assert "acme.yaml: line 3: prices.0" in world.condition("PricesLoaded")["message"]
        says = leading(prices=LOADED)
        eventually(lambda: world.condition("PricesLoaded")["status"] == "True", what="a correction", seconds=90)
        assert world.condition("Ready")["status"] == "True"
    eventually(lambda: len(world.events("PricesNotLoaded")) == 2, what="two Events")
    assert {each["type"] for each in world.events("PricesNotLoaded")} == {"Warning"}


def mounted(world: ClusterActor, deployment: str) -> Object | None:
    """The ConfigMap that is mounted where PRICE_BOOKS says; None where neither is there."""
    spec = world.api.get("Deployment", deployment)["spec"]["template"]["spec"]
    (container,) = spec["containers"]
    folders = [each["value"] for each in container["env"] if each["name"] == "PRICE_BOOKS"]
    mounts = [each for each in container["volumeMounts"] if each["name"] == "prices"]
    assert [each["mountPath"] for each in mounts] == folders
    assert all(each["readOnly"] and "subPath" not in each for each in mounts)
    volumes = [each["configMap"] for each in spec["volumes"] if each["name"] == "prices"]
    assert len(volumes) == len(mounts)
    return volumes[0] if volumes else None
