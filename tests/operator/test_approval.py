"""The mode Manual: a dry run finds out what would change, and nothing does before its hash is approved."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analytics_operator.kube import labels
from analytics_operator.state import approval, migration
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed
from analytics_operator.state.secrets import examine
from analytics_operator.status.derive import RESYNC, WHILE_NOT_READY, requeue_after
from analytics_operator.status.facts import Applied, Facts
from analytics_operator.status.migration import migrated
from tests.operator.cluster_actor import ClusterActor, a_result
from tests.operator.test_migration import NOW, SECRETS, a_job, a_pod, digest, made, resource
from tests.support.kube import Object, eventually

MANUAL: Object = {"migrations": {"mode": "Manual"}}
PENDING = a_result(version=3, target=5, pending=["0004_a", "0005_b"], message="would apply 2 migrations")
NOTHING = a_result(reason="UpToDate", version=5, target=5, message="schema 5 is there already")
NEXT = {"repository": "analytics-service", "tag": "2.0.0"}


def gate(*runs: tuple[Object, str | None], approved: str | None = None, spec: Object = MANUAL) -> Gate:
    """After these dry runs, each with the message that its pod left."""
    of = resource(**spec)
    annotations = {labels.APPROVED_MIGRATION: approved} if approved else {}
    seen = Observed(
        resource=of.model_copy(update={"metadata": of.metadata.model_copy(update={"annotations": annotations})}),
        secrets=SECRETS,
        dry_runs=tuple(job for job, _ in runs),
        pods=tuple(a_pod(job, message) for job, message in runs if message),
    )
    start = migration.decide(seen, examine(of, SECRETS), now=NOW)
    return approval.decide(seen, start, now=NOW)


def a_run(**fields: Any) -> Object:
    return a_job(fields.pop("digest", digest(resource(**MANUAL))), **fields)


def test_a_dry_run_comes_first_and_in_the_mode_automatic_none() -> None:
    assert gate().state is State.DRY_RUN
    assert gate(spec={}).state is State.START
    assert gate(spec={"migrations": {"mode": "Automatic"}}).state is State.START


@pytest.mark.parametrize(
    ("ended", "ago", "message", "state"),
    [
        pytest.param(None, 0, None, State.DRY_RUNNING, id="it runs"),
        pytest.param("Complete", 60, PENDING, State.PENDING_APPROVAL, id="it found something"),
        pytest.param("Complete", 60, NOTHING, State.START, id="it found nothing to do"),
        pytest.param("Complete", 60, None, State.DRY_RUN, id="its result is gone"),
        pytest.param("Complete", 1, "nonsense", State.BACKOFF, id="it left no result, just now"),
        pytest.param(
            "Failed", 1, a_result(outcome="failed", reason="DatabaseUnreachable"), State.BACKOFF, id="it failed"
        ),
        pytest.param("Failed", 60, a_result(outcome="failed", reason="DatabaseUnreachable"), State.DRY_RUN, id="again"),
    ],
)
def test_the_state_follows_the_last_dry_run(ended: str | None, ago: int, message: str | None, state: State) -> None:
    run = made(a_run(ended=ended, ago=ago), ago=ago)
    assert gate((run, message)).state is state


def test_a_plan_whose_pod_is_gone_is_made_again_and_nothing_has_failed() -> None:
    found = gate((a_run(ended="Complete"), None))
    assert (found.state, found.result) == (State.DRY_RUN, None)
    verdict = migrated(Observed(resource=resource(**MANUAL)), found)
    assert (verdict.status, verdict.reason) == (False, "Planning")


def test_a_dry_run_that_left_no_result_is_no_success() -> None:
    found = gate((a_run(ended="Complete", ago=1), None))
    verdict = migrated(Observed(resource=resource(**MANUAL)), found)
    assert (verdict.status, verdict.reason) == (False, "NoResult")
    assert "left no result of its dry run" in verdict.message


def hash_of(message: str, **run: Any) -> str:
    job = a_run(ended="Complete", **run)
    seen = Observed(resource=resource(**MANUAL), dry_runs=(job,), pods=(a_pod(job, message),))
    found = approval.plan_of(seen, Gate(state=State.START, digest=job["metadata"]["labels"][labels.MIGRATION_HASH]))
    assert found is not None
    return found.hash


def test_exactly_its_plan_is_approved() -> None:
    run = a_run(ended="Complete")
    assert gate((run, PENDING), approved=hash_of(PENDING)).state is State.START
    assert gate((run, PENDING), approved="00000000").state is State.PENDING_APPROVAL
    other = a_result(version=3, target=6, pending=["0004_a", "0005_b", "0006_c"])
    assert gate((run, other), approved=hash_of(PENDING)).state is State.PENDING_APPROVAL
    assert hash_of(PENDING, digest="ffffffff") != hash_of(PENDING), "of another image or database"


def test_a_dry_run_of_an_earlier_spec_is_waited_for_and_counts_for_nothing() -> None:
    assert gate((made(a_run(digest="ffffffff"), ago=1), None)).state is State.SUPERSEDED
    found = gate((a_run(digest="ffffffff", ended="Complete", at=4), PENDING), approved=hash_of(PENDING))
    assert (found.state, found.attempt, found.sequence) == (State.DRY_RUN, 1, 5)


def test_finished_dry_runs_go_but_for_the_last_until_the_database_is_migrated() -> None:
    runs = (a_run(ended="Complete", at=1), a_run(ended="Complete", attempt=2, at=2), a_run(digest="ff", ended="Failed"))
    seen = Observed(resource=resource(**MANUAL), dry_runs=runs)
    waiting = Gate(state=State.PENDING_APPROVAL, digest=digest(resource(**MANUAL)))
    first, second, other = (job["metadata"]["name"] for job in runs)
    assert list(approval.superfluous(seen, waiting)) == [first, other]
    assert list(approval.superfluous(seen, replace(waiting, state=State.DONE))) == [first, second, other]


def test_the_clock_alone_brings_the_next_dry_run() -> None:
    found = gate((a_run(ended="Failed", ago=1), a_result(outcome="failed", reason="DatabaseUnreachable")))
    assert found.retry_at == NOW + timedelta(seconds=29)


def annotate(world: ClusterActor, value: str) -> None:
    world.api.merge("AnalyticsApi", "demo", {"metadata": {"annotations": {labels.APPROVED_MIGRATION: value}}})


@pytest.mark.kube
def test_a_plan_waits_in_status_until_an_annotation_approves_it(world: ClusterActor) -> None:
    world.credentials()
    world.declare(**MANUAL)
    run = world.live_job()
    assert run["spec"]["template"]["spec"]["containers"][0]["args"][-1] == "--dry-run"
    world.end(run, message=PENDING, succeeded=True)
    waiting = world.until("Migrated", "False", "AwaitingApproval")
    plan = world.resource()["status"]["migrationPlan"]
    assert plan == {"hash": plan["hash"], "version": 3, "target": 5, "pending": ["0004_a", "0005_b"]}
    assert world.condition("Stalled")["status"] == "False"
    namespace = world.api.namespace
    command = (
        f"kubectl annotate --overwrite -n {namespace} analyticsapi demo {labels.APPROVED_MIGRATION}={plan['hash']}"
    )
    assert waiting["message"].endswith(command)
    eventually(lambda: world.events("MigrationAwaitsApproval"), what="an Event")
    annotate(world, "00000000")
    world.pause(2)
    assert world.deployment() is None
    assert [job["metadata"]["name"] for job in world.jobs()] == [run["metadata"]["name"]]
    annotate(world, plan["hash"])
    job = world.migrate(version=5, target=5)
    assert "--dry-run" not in job["spec"]["template"]["spec"]["containers"][0]["args"]
    world.settle()
    assert "migrationPlan" not in world.resource()["status"]
    assert [each["metadata"]["name"] for each in world.jobs()] == [job["metadata"]["name"]]


@pytest.mark.kube
def test_an_image_without_migrations_needs_no_approval_and_an_old_approval_is_of_no_use(world: ClusterActor) -> None:
    world.ready()
    world.edit(image=NEXT, **MANUAL)
    world.end(world.live_job(), message=NOTHING, succeeded=True)
    eventually(lambda: "--dry-run" not in str(world.live_job()["spec"]), what="the migration itself")
    world.migrate(reason="UpToDate")
    world.settle()
    world.edit(image=NEXT | {"tag": "3.0.0"})
    world.end(world.live_job(), message=PENDING, succeeded=True)
    world.until("Migrated", "False", "AwaitingApproval")
    assert world.condition("Available")["status"] == "True", "the released pods go on"


def test_a_plan_that_waits_costs_no_more_looks_than_what_is_ready() -> None:
    """Its annotation is an event."""
    ready = {"type": "Ready", "status": "False", "reason": "AwaitingApproval"}
    of = Facts(
        observed=Observed(resource=resource(**MANUAL), secrets=SECRETS),
        credentials=examine(resource(**MANUAL), SECRETS),
        gate=Gate(state=State.PENDING_APPROVAL),
        applied=Applied(),
    )
    assert requeue_after(of, {"conditions": [ready]}, now=NOW) == RESYNC
    assert requeue_after(of, {"conditions": [ready | {"reason": "Planning"}]}, now=NOW) == WHILE_NOT_READY
