"""The decisions of the gate, without a cluster."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics_operator.api.v1alpha1 import GROUP, AnalyticsApi
from analytics_operator.state import migration
from analytics_operator.state.migration import Gate, State, decide
from analytics_operator.state.observed import Observed
from analytics_operator.state.pods import problem
from analytics_operator.state.secrets import examine
from analytics_operator.status.migration import migrated
from tests.operator.cluster_actor import DSN, a_resource, a_result

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
RANDOM = "f" * 64
"""The value of the JWT Secret where one is generated."""
SECRETS = {"credentials": {"database-url": DSN.encode()}, "demo-jwt": {"jwt-secret": b"0" * 32}}


def resource(**spec: Any) -> AnalyticsApi:
    metadata = {"name": "demo", "namespace": "llm", "uid": "1", "generation": 1}
    return AnalyticsApi.model_validate(a_resource(**spec) | {"metadata": metadata})


def digest(of: AnalyticsApi) -> str:
    return migration.digest_of(of, examine(of, SECRETS).database_digest or "")


def a_job(digest: str, *, attempt: int = 1, ended: str | None = None, ago: int = 60, at: int = 0) -> dict[str, Any]:
    """A Job that ended so many seconds ago, or runs; `at` orders Jobs by their creation."""
    group = "analytics.llm-observatory.io"
    labels = {f"{group}/migration-hash": digest, f"{group}/attempt": str(attempt), f"{group}/sequence": str(at)}
    stamp = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    conditions = [{"type": ended, "status": "True", "lastTransitionTime": stamp, "reason": "Why", "message": "so"}]
    return {
        "metadata": {"name": f"j-{digest}-{attempt}", "uid": f"uid-{at}", "labels": labels},
        "status": {"conditions": conditions if ended else []},
    }


def made(job: dict[str, Any], *, ago: int) -> dict[str, Any]:
    """The Job, created so many seconds ago."""
    job["metadata"]["creationTimestamp"] = (NOW - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return job


def after(failures: int, job: dict[str, Any]) -> dict[str, Any]:
    """The Job, as the operator labels one before which so many failed."""
    job["metadata"]["labels"]["analytics.llm-observatory.io/failures"] = str(failures)
    return job


def a_pod(job: dict[str, Any], message: str) -> dict[str, Any]:
    of = job["metadata"]
    labels = {"batch.kubernetes.io/job-name": of["name"], "batch.kubernetes.io/controller-uid": of["uid"]}
    terminated = {"message": message, "exitCode": 1, "reason": "Error"}
    return {
        "metadata": {"name": "p", "labels": labels},
        "status": {"containerStatuses": [{"name": "migrate", "image": "x", "state": {"terminated": terminated}}]},
    }


def gate(wanted: AnalyticsApi, *jobs: dict[str, Any], pods: tuple[dict[str, Any], ...] = (), **secrets: Any) -> Gate:
    seen = Observed(resource=wanted, secrets=SECRETS | secrets, jobs=jobs, pods=pods)
    return decide(seen, examine(wanted, SECRETS | secrets), now=NOW)


def test_an_init_container_that_kept_the_migration_from_starting_is_named() -> None:
    job = a_job(digest(resource()), ended="Failed")
    pod = a_pod(job, "")
    pod["status"] = {
        "initContainerStatuses": [
            {"name": "first", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
            {"name": "second", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}},
        ],
        "containerStatuses": [{"name": "migrate", "image": "x", "state": {"waiting": {"reason": "PodInitializing"}}}],
    }
    result = gate(resource(), job, pods=(pod,)).result
    assert result is not None
    assert (result.reason, result.message.partition("; ")[2]) == (
        "NoResult",
        "init container second of Pod p: its container ended with Error, exit code 3",
    )


def test_nothing_starts_while_a_secret_is_missing() -> None:
    assert gate(resource(), credentials=None).state is State.BLOCKED


def test_the_first_attempt_starts_at_once() -> None:
    found = gate(resource())
    assert (found.state, found.attempt) == (State.START, 1)


def test_a_success_for_another_digest_does_not_open_the_gate() -> None:
    assert gate(resource(), a_job("other", ended="Complete")).state is State.START


def test_the_newest_success_decides() -> None:
    ours = digest(resource())
    earlier = a_job(ours, ended="Complete", at=1)
    found = gate(resource(), earlier, a_job("other", ended="Complete", at=2))
    assert (found.state, found.attempt, found.sequence) == (State.START, 2, 3)


@pytest.mark.parametrize(
    ("attempt", "ago", "state"),
    [
        pytest.param(1, 4, State.BACKOFF, id="five seconds after the first"),
        pytest.param(1, 5, State.START, id="then the second"),
        pytest.param(2, 9, State.BACKOFF, id="ten after the second"),
        pytest.param(3, 19, State.EXHAUSTED, id="the limit"),
        pytest.param(3, 20, State.START, id="and again, for it may have passed"),
    ],
)
def test_a_passing_failure_is_tried_again_with_backoff(attempt: int, ago: int, state: State) -> None:
    job = a_job(digest(resource()), attempt=attempt, ended="Failed", ago=ago)
    message = a_result(outcome="failed", reason="DatabaseUnreachable", message="refused")
    found = gate(resource(), job, pods=(a_pod(job, message),))
    assert found.state is state
    assert found.result is not None
    assert found.result.reason == "DatabaseUnreachable"


def test_a_lasting_failure_ends_at_the_limit() -> None:
    job = a_job(digest(resource()), attempt=3, ended="Failed", ago=3600)
    found = gate(resource(), job, pods=(a_pod(job, a_result(outcome="failed", reason="HistoryEdited")),))
    assert (found.state, found.retry_at) == (State.EXHAUSTED, None)


def test_a_higher_limit_lets_it_go_on() -> None:
    wanted = resource(migrations={"backoffLimit": 4})
    job = a_job(digest(wanted), attempt=3, ended="Failed", ago=3600)
    assert (
        gate(wanted, job, pods=(a_pod(job, a_result(outcome="failed", reason="HistoryEdited")),)).state is State.START
    )


PASSWORD = "correct-horse"
RAW = "invalid literal for int() with base 10: 'correct-ho'"
"""The last line of a traceback: no pattern of a URL finds the beginning of the password in it."""


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(f"Traceback\nOSError: cannot reach {DSN}\n", id="a traceback with the URL"),
        pytest.param(f"Traceback\nValueError: {RAW}\n", id="a traceback with the beginning of the password"),
        pytest.param(json.dumps({"event": "cannot connect", "url": DSN}), id="a line of a log"),
        pytest.param(json.dumps(DSN), id="a text as JSON"),
        pytest.param(a_result(outcome=DSN), id="another outcome"),
        pytest.param(a_result(outcome="failed", reason=f"No {PASSWORD}"), id="a reason that is no reason"),
        pytest.param(a_result(outcome="failed", message=f"{DSN} " * 100), id="longer than any result"),
        pytest.param(f"{a_result(outcome='failed')}\n{RAW}", id="a result, and more"),
    ],
)
def test_a_message_that_is_no_result_is_not_shown_but_how_to_read_it(message: str) -> None:
    job = a_job(digest(resource()), ended="Failed", ago=1)
    seen = Observed(resource=resource(), secrets=SECRETS, jobs=(job,), pods=(a_pod(job, message),))
    found = decide(seen, examine(resource(), SECRETS), now=NOW)
    assert found.result is not None
    assert found.result.reason == "MigrationFailed"
    assert found.result.message == (
        "Pod p left no result of migrate; its container ended with Error, exit code 1; it left a message, which may "
        "hold secrets and is not repeated here: read it with `kubectl describe pod p`"
    )
    said = str(migrated(seen, found)) + str(found)
    assert not any(part in said for part in (PASSWORD, "correct", "db:5432"))


def test_a_result_is_shown_word_by_word_also_where_it_holds_an_example_of_a_url() -> None:
    cure = "DATABASE_URL: percent-encode the password: # is %23, as in postgres://user:pass%23word@host:5432/database"
    job = a_job(digest(resource()), ended="Failed", ago=1)
    message = a_result(outcome="failed", reason="InvalidSettings", message=cure)
    seen = Observed(resource=resource(), secrets=SECRETS, jobs=(job,), pods=(a_pod(job, message),))
    found = migrated(seen, decide(seen, examine(resource(), SECRETS), now=NOW))
    assert found.reason == "InvalidSettings"
    assert found.message.startswith(cure)


@pytest.mark.parametrize(
    ("last", "end"),
    [
        pytest.param(
            {"reason": "Error", "exitCode": 2, "message": f"analytics-service: {RAW}"},
            "its container ended with Error, exit code 2; it left a message, which may hold secrets and is not "
            "repeated here: read it with `kubectl describe pod p`",
            id="a message",
        ),
        pytest.param(
            {"reason": "OOMKilled", "exitCode": 137, "message": "\n"},
            "its container ended with OOMKilled, exit code 137",
            id="none",
        ),
    ],
)
def test_a_failing_pod_says_how_it_ended_and_how_to_read_its_message(last: dict[str, Any], end: str) -> None:
    state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}}
    status = {"name": "api", "image": "x", "state": state, "lastState": {"terminated": last}}
    found = problem([{"metadata": {"name": "p"}, "status": {"containerStatuses": [status]}}])
    assert found is not None
    assert found.message == f"Pod p is in CrashLoopBackOff: {end}"


def test_a_sidecar_that_does_not_start_is_named_too() -> None:
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}
    ours = {"name": "api", "image": "x", "state": {"waiting": {"reason": "PodInitializing"}}}
    status = {
        "initContainerStatuses": [{"name": "proxy", "image": "p:typo", "state": state}],
        "containerStatuses": [ours],
    }
    found = problem([{"metadata": {"name": "p"}, "status": status}])
    assert found is not None
    assert found.message == "Pod p cannot pull p:typo (ImagePullBackOff): not found"


def test_a_pod_of_an_earlier_job_of_the_same_name_is_not_believed() -> None:
    ours = digest(resource())
    earlier = a_job(ours, ended="Failed", at=1)
    pod = a_pod(earlier, a_result(outcome="failed", reason="HistoryEdited"))
    found = gate(resource(), a_job(ours, ended="Failed", ago=1, at=2), pods=(pod,))
    assert found.result is not None
    assert found.result.reason == "NoResult"


def test_a_job_without_a_pod_says_how_it_ended() -> None:
    found = gate(resource(), a_job(digest(resource()), ended="Failed", ago=1))
    assert found.result is not None
    assert found.result.reason == "NoResult"
    assert "Why: so" in found.result.message


def test_failures_from_before_a_success_do_not_count() -> None:
    ours = digest(resource())
    failure = a_job(ours, attempt=3, ended="Failed", ago=3600, at=1)
    found = gate(resource(), failure, a_job("other", ended="Complete", at=2), pods=(a_pod(failure, "HistoryEdited"),))
    assert (found.state, found.attempt, found.result) == (State.START, 4, None)


def test_failures_since_a_success_count_from_one_whatever_number_their_attempt_has() -> None:
    ours = digest(resource())
    success = a_job("other", ended="Complete", at=2)
    failure = after(0, a_job(ours, attempt=4, ended="Failed", ago=3600, at=3))
    found = gate(
        resource(), success, failure, pods=(a_pod(failure, a_result(outcome="failed", reason="HistoryEdited")),)
    )
    assert (found.state, found.attempt, found.failures) == (State.START, 5, 1)


def test_the_limit_counts_failures_whose_jobs_are_gone() -> None:
    failure = after(2, a_job(digest(resource()), attempt=6, ended="Failed", ago=3600))
    found = gate(resource(), failure, pods=(a_pod(failure, a_result(outcome="failed", reason="HistoryEdited")),))
    assert (found.state, found.attempt, found.failures) == (State.EXHAUSTED, 6, 3)


@pytest.mark.parametrize(
    ("seconds", "reason"), [pytest.param(10, None, id="soon"), pytest.param(30, "PodNotCreated", id="late")]
)
def test_a_job_that_makes_no_pod_is_said_and_replaced(seconds: int, reason: str | None) -> None:
    job = made(a_job(digest(resource())), ago=seconds)
    found = gate(resource(), job)
    assert found.state is State.RUNNING
    assert (found.problem and found.problem.reason) == reason
    assert found.discard == (job["metadata"]["name"] if reason else None)


def test_a_job_that_says_it_has_a_pod_is_believed() -> None:
    job = made(a_job(digest(resource())), ago=3600)
    job["status"]["active"] = 1
    found = gate(resource(), job)
    assert (found.problem, found.discard) == (None, None)


def test_a_job_that_made_a_pod_is_left_alone_however_long_it_runs() -> None:
    job = made(a_job(digest(resource())), ago=3600)
    pod = a_pod(job, "")
    pod["status"] = {"containerStatuses": [{"name": "migrate", "image": "x", "state": {"running": {}}}]}
    found = gate(resource(), job, pods=(pod,))
    assert (found.state, found.problem, found.discard) == (State.RUNNING, None, None)


def test_a_job_that_takes_the_place_of_one_without_a_pod_says_the_same_until_it_has_one() -> None:
    said = {"type": "Migrated", "status": "False", "reason": "PodNotCreated", "message": "Job j makes no Pod"}
    job = made(a_job(digest(resource())), ago=1)
    for jobs, pods, reason in (
        ((), (), "PodNotCreated"),
        ((job,), (), "PodNotCreated"),
        ((job,), (a_pod(job, ""),), "Migrating"),
    ):
        seen = Observed(
            resource=resource(), secrets=SECRETS, jobs=jobs, pods=pods, previous_status={"conditions": [said]}
        )
        found = decide(seen, examine(resource(), SECRETS), now=NOW)
        assert found.discard is None
        assert migrated(seen, found).reason == reason


def test_finished_jobs_go_but_for_the_last_success_and_the_last_failures() -> None:
    jobs = (
        a_job("a", ended="Complete", at=1),
        a_job("b", ended="Failed", attempt=1, at=2),
        a_job("b", ended="Failed", attempt=2, at=3),
        a_job("b", ended="Complete", attempt=3, at=4),
        a_job("c", at=5),
    )
    seen = Observed(resource=resource(), jobs=jobs)
    assert migration.superfluous(seen, keep="c") == ("j-a-1", "j-b-1")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"image": {"repository": "analytics-service", "tag": "2.0.0"}}, id="image"),
        pytest.param({"migrations": {"timeoutSeconds": 60}}, id="arguments"),
    ],
)
def test_the_digest_follows_what_the_migration_does(change: dict[str, Any]) -> None:
    assert digest(resource(**change)) != digest(resource())


def test_the_digest_ignores_what_it_does_not_do() -> None:
    assert digest(resource(replicas=0, logging={"level": "debug"})) == digest(resource())


LISTED = ("API_PORT", "APP_HOST=::")
RELEASED = {f"{GROUP}/released-template": "{}", f"{GROUP}/image-settings": "API_PORT"}


@pytest.mark.parametrize(
    ("job", "result", "of", "known"),
    [
        pytest.param("ours", a_result(settings=LISTED), None, LISTED, id="as the migration lists them"),
        pytest.param(
            "ours", a_result(settings=LISTED), "ours", LISTED, id="not as they were released, if it lists them"
        ),
        pytest.param("ours", a_result(), None, (), id="none of an image that lists none"),
        pytest.param("ours", a_result(), "other", (), id="none of another image that did"),
        pytest.param("ours", a_result(settings=["PATH; rm"]), None, (), id="none that are no settings"),
        pytest.param("ours", None, "ours", ("API_PORT",), id="as they were released, where the result is gone"),
        pytest.param(None, None, "ours", ("API_PORT",), id="as they were released, where the Job is gone"),
        pytest.param(None, None, "other", ("API_PORT",), id="those of the released pods until the gate opens"),
    ],
)
def test_pods_are_given_the_settings_that_their_image_knows(
    job: str | None, result: str | None, of: str | None, known: tuple[str, ...]
) -> None:
    ours = digest(resource())
    jobs = (a_job(ours, ended="Complete"),) if job else ()
    pods = tuple(a_pod(each, result) for each in jobs if result)
    annotations = RELEASED | {f"{GROUP}/migration-hash": ours if of == "ours" else "other"} if of else {}
    live = {"metadata": {"name": "demo", "annotations": annotations}, "spec": {"replicas": 1}}
    seen = Observed(resource=resource(), secrets=SECRETS, jobs=jobs, pods=pods, deployment=live)
    assert decide(seen, examine(resource(), SECRETS), now=NOW).settings == known
