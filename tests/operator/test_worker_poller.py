"""What the worker says becomes conditions and a table: on a real API server, with a worker that answers on loopback."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typing_extensions import override

from analytics_operator.controller.pod_client import MAX_ANSWER_BYTES
from analytics_operator.controller.worker_poller import LEADER_TIMEOUT_SECONDS, WorkerPoller
from analytics_operator.kube.objects import Key
from analytics_operator.state import policies
from analytics_operator.state.addresses import Address, of_workers
from analytics_operator.state.observed import Observed
from analytics_operator.state.sharing import Share
from analytics_operator.state.worker import NOT_POLLED, LastReport, WorkerReport
from analytics_operator.status.condition import Verdict
from analytics_operator.status.worker import data_fresh, policies_applied, table
from tests.operator.cluster_actor import ClusterActor
from tests.operator.test_migration import resource
from tests.support.kube import Object, eventually

FRESH = {"fresh": True, "reason": "Fresh", "message": "rollups, partitions and jobs are in order"}
ROW = {
    "name": "raw retention",
    "wanted": "30 d",
    "found": "92 d",
    "state": "Pending",
    "message": "would lose 62 chunks",
}
APPLIED: dict[str, Any] = {"reason": "Applied", "message": "the store is as wanted", "plan": None, "table": []}
HELD = {"reason": "DestructiveChange", "message": "held back", "plan": "0123456789abcdef", "table": [ROW]}
KEY = Key("llm", "demo")
SHARE = Share(connections=20, policies=())


def leading(**parts: Any) -> dict[str, Any]:
    return {
        "role": "leader",
        "problem": None,
        "edition": "postgresql",
        "jobs": {},
        "policies": APPLIED,
        "fresh": FRESH,
    } | parts


@contextmanager
def answering(answer: Callable[[], tuple[int, bytes]]) -> Iterator[int]:
    """A worker; `answer` gives status and body for each question, and may take its time."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer()
            try:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                pass  # the operator did not wait

        @override
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def a_pod(name: str, port: int, *, phase: str = "Running", ip: str | None = "127.0.0.1") -> Object:
    ports = [{"name": "metrics", "containerPort": port}]
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "worker", "image": "x", "ports": ports}]},
        "status": {"phase": phase, **({"podIP": ip} if ip else {})},
    }


def test_only_running_pods_with_an_address_are_asked() -> None:
    pods = [a_pod("b", 2, ip="::1"), a_pod("a", 1), a_pod("c", 3, phase="Pending"), a_pod("d", 4, ip=None)]
    assert of_workers(pods) == (Address("a", "http://127.0.0.1:1/status"), Address("b", "http://[::1]:2/status"))


def seen(last: LastReport, previous_status: Object | None = None) -> Observed:
    """A resource whose worker has the policies of the spec and gave that report."""
    settings = tuple(sorted(policies.environment(resource()).items()))
    worker = replace(last, settings=settings)
    return Observed(resource=resource(), worker=worker, previous_status=previous_status or {})


def both(last: LastReport, previous_status: Object | None = None) -> tuple[Verdict, Verdict]:
    observed = seen(last, previous_status)
    return policies_applied(observed), data_fresh(observed)


def test_a_report_becomes_two_conditions_and_a_table() -> None:
    last = LastReport(report=WorkerReport.model_validate(leading(policies=HELD)))
    applied, fresh = both(last)
    assert (applied.status, applied.reason) == (False, "DestructiveChange")
    assert (fresh.status, fresh.reason) == (True, "Fresh")
    assert table(seen(last)) == [ROW]


def test_a_warning_of_the_worker_is_shown_while_all_is_fresh_and_is_news() -> None:
    warning = {"fresh": True, "reason": "OldSnapshot", "message": "vacuum waits for process 7 of etl"}
    warned = LastReport(report=WorkerReport.model_validate(leading(fresh=warning)))
    _, fresh = both(warned)
    assert (fresh.status, fresh.reason, fresh.message) == (True, "OldSnapshot", warning["message"])
    assert warned.comparison_key != LastReport(report=WorkerReport.model_validate(leading())).comparison_key


def test_silence_is_not_taken_for_order() -> None:
    begun = WorkerReport.model_validate(leading(policies=None, fresh=None))
    for last in (LastReport(problem="no worker runs"), LastReport(report=begun)):
        assert [(each.status, each.reason) for each in both(last)] == [(False, "WorkerUnavailable")] * 2
    assert table(seen(LastReport())) is None


def test_an_operator_that_has_not_asked_yet_leaves_all_as_it_was() -> None:
    last = LastReport(report=WorkerReport.model_validate(leading(policies=HELD)))
    conditions = [
        {"type": kind, "status": str(each.status), "reason": each.reason, "message": each.message}
        for kind, each in zip(("PoliciesApplied", "DataFresh"), both(last), strict=True)
    ]
    previous = {"conditions": conditions, "policies": [ROW]}
    assert [each.reason for each in both(NOT_POLLED, previous)] == ["DestructiveChange", "Fresh"]
    assert table(seen(NOT_POLLED, previous)) == [ROW]
    assert [each.reason for each in both(NOT_POLLED)] == ["WorkerUnavailable"] * 2


def test_the_table_keeps_to_the_bounds_of_the_schema() -> None:
    row = ROW | {"name": "n" * 999, "message": "m\n" * 9999}
    many = LastReport(report=WorkerReport.model_validate(leading(policies=HELD | {"table": [row] * 99})))
    found = table(seen(many))
    assert found is not None
    assert (len(found), len(found[0]["name"]), len(found[0]["message"])) == (16, 64, 1024)


def test_words_alone_are_no_news() -> None:
    one, other = (
        LastReport(
            report=WorkerReport.model_validate(
                leading(fresh={"fresh": False, "reason": "RollupsLag", "message": f"{n} s late"})
            )
        )
        for n in (130, 145)
    )
    assert one.comparison_key == other.comparison_key
    assert one.comparison_key != LastReport(report=WorkerReport.model_validate(leading())).comparison_key


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, b"{}"), id="an error"),
        pytest.param((200, b"<html>"), id="no JSON"),
        pytest.param((200, b'{"role": 7}'), id="another form"),
        pytest.param((200, json.dumps(leading(policies=HELD | {"reason": "no word"})).encode()), id="no reason"),
        pytest.param((200, b'{"role": "leader", "x": "' + b"y" * MAX_ANSWER_BYTES + b'"}'), id="too long"),
        pytest.param((302, b""), id="a redirect"),
    ],
)
async def test_what_cannot_be_read_is_said_of_the_pod(answer: tuple[int, bytes]) -> None:
    with answering(lambda: answer) as port:
        last = await asked(WorkerPoller(round_seconds=0.01), {"w-1": port})
    assert last.report is None
    assert last.problem == "worker w-1 gives no answer that can be read on port metrics"


async def test_a_worker_that_never_answers_is_not_waited_for() -> None:
    end = threading.Event()
    with answering(lambda: (200, b"{}") if end.wait(30) else (200, b"")) as port:
        last = await asked(WorkerPoller(round_seconds=0.01), {"w-1": port})
        end.set()
    assert "gives no answer" in last.problem


async def test_the_one_that_leads_is_believed() -> None:
    standby = {"role": "standby", "problem": None, "policies": None, "fresh": None}
    with (
        answering(lambda: (200, json.dumps(standby).encode())) as one,
        answering(lambda: (200, json.dumps(leading()).encode())) as other,
    ):
        both = await asked(WorkerPoller(round_seconds=0.01), {"w-1": one, "w-2": other})
        alone = await asked(WorkerPoller(round_seconds=0.01), {"w-1": one})
    assert both.report is not None
    assert both.report.role == "leader"
    assert alone.problem == "no worker leads"


async def test_an_answer_is_believed_until_a_new_leader_must_have_come() -> None:
    now, says = 0.0, (200, json.dumps(leading()).encode())
    poller = WorkerPoller(clock=lambda: now, round_seconds=0.01)
    with answering(lambda: says) as port:
        assert (await asked(poller, {"w-1": port})).report is not None
        says = (500, b"")
        now = LEADER_TIMEOUT_SECONDS - 1
        assert not await changed(poller)
        now = LEADER_TIMEOUT_SECONDS
        assert await changed(poller)
    assert poller.last_report(KEY).report is None


async def test_what_the_status_says_is_believed_as_long_by_a_new_operator() -> None:
    now = 0.0
    poller = WorkerPoller(clock=lambda: now, round_seconds=0.01)
    poller.track(KEY, (), SHARE, reported=True)
    now = LEADER_TIMEOUT_SECONDS - 1
    changes: asyncio.Queue[Key] = asyncio.Queue()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(poller.run(changes.put), timeout=0.5)
    assert changes.empty()
    assert poller.last_report(KEY) is NOT_POLLED
    now = LEADER_TIMEOUT_SECONDS
    assert await changed(poller)
    assert "no worker runs" in poller.last_report(KEY).problem


async def test_a_new_leader_that_has_not_looked_yet_is_no_news() -> None:
    now, says = 0.0, leading()
    poller = WorkerPoller(clock=lambda: now, round_seconds=0.01)
    with answering(lambda: (200, json.dumps(says).encode())) as port:
        await asked(poller, {"w-1": port})
        says = leading(policies=None)
        now = LEADER_TIMEOUT_SECONDS - 1
        assert not await changed(poller)
        now = LEADER_TIMEOUT_SECONDS
        assert await changed(poller)
    assert [each.status for each in both(poller.last_report(KEY))] == [False, True]


async def test_a_silent_worker_keeps_no_other_resource_waiting() -> None:
    end, other = threading.Event(), Key("llm", "other")
    changes: asyncio.Queue[Key] = asyncio.Queue()
    poller = WorkerPoller(round_seconds=0.01)
    with (
        answering(lambda: (200, b"") if end.wait(30) else (500, b"")) as silent,
        answering(lambda: (200, json.dumps(leading()).encode())) as port,
    ):
        poller.track(KEY, of_workers([a_pod("w-1", silent)]), SHARE, reported=False)
        poller.track(other, of_workers([a_pod("w-1", port)]), SHARE, reported=False)
        watch = asyncio.create_task(poller.run(changes.put))
        try:
            first = await asyncio.wait_for(changes.get(), timeout=20)
        finally:
            end.set()
            watch.cancel()
            await asyncio.wait({watch})
    assert first == other, "the one that was asked first has not answered yet"


async def asked(poller: WorkerPoller, ports: dict[str, int]) -> LastReport:
    """What is known after the first question."""
    poller.track(KEY, of_workers(a_pod(name, port) for name, port in ports.items()), SHARE, reported=False)
    assert await changed(poller)
    return poller.last_report(KEY)


async def changed(poller: WorkerPoller) -> bool:
    """Whether there is news within a few rounds."""
    told = asyncio.Event()

    async def tell(key: Key) -> None:
        assert key == KEY
        told.set()

    watch = asyncio.create_task(poller.run(tell))
    try:
        await asyncio.wait_for(told.wait(), timeout=0.5 if poller.last_report(KEY).report else 20)
    except TimeoutError:
        return False
    finally:
        watch.cancel()
        await asyncio.wait({watch})
    return True


FAILING = {"waiting": {"reason": "CrashLoopBackOff", "message": "no such host"}}


@pytest.mark.kube
def test_conditions_follow_the_worker(world: ClusterActor) -> None:
    world.ready()
    world.until("PoliciesApplied", "False", "WorkerUnavailable")
    eventually(lambda: "no worker runs" in world.condition("DataFresh")["message"], what="it was looked", seconds=90)
    says = leading()
    with answering(lambda: (200, json.dumps(says).encode())) as port:
        fails = {"name": "worker", "image": "w", "imageID": "", "restartCount": 3, "ready": False, "state": FAILING}
        labels = world.api.get("Deployment", "demo-worker")["spec"]["template"]["metadata"]["labels"]
        pod = a_pod("demo-worker-1", port)
        template = world.api.get("Deployment", "demo-worker")["spec"]["template"]["spec"]["containers"][0]
        pod["spec"]["containers"][0]["env"] = template["env"]
        world.api.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "demo-worker-1", "labels": labels},
                "spec": pod["spec"],
            }
        )
        status = {"phase": "Running", "containerStatuses": [fails]}
        world.api.merge("Pod", "demo-worker-1", {"status": status}, subresource="/status")
        world.api.merge("Deployment", "demo-worker", {"status": {"replicas": 2}}, subresource="/status")
        eventually(lambda: "no such host" in world.condition("DataFresh")["message"], what="why none runs", seconds=90)
        status = pod["status"] | {"containerStatuses": None}
        world.api.merge("Pod", "demo-worker-1", {"status": status}, subresource="/status")
        world.api.merge("Deployment", "demo-worker", {"status": {"replicas": 1}}, subresource="/status")
        eventually(lambda: world.condition("PoliciesApplied")["status"] == "True", what="all is applied", seconds=90)
        world.until("DataFresh", "True", "Fresh")
        says = leading(policies=HELD, fresh=FRESH | {"fresh": False, "reason": "JobsFailing"})
        eventually(lambda: world.resource()["status"].get("policies") == [ROW], what="the table", seconds=90)
        world.until("PoliciesApplied", "False", "DestructiveChange")
        world.until("DataFresh", "False", "JobsFailing")
        assert world.condition("Ready")["status"] == "True", "the API serves without it"
        eventually(lambda: world.events("PoliciesNotApplied"), what="an event")
        world.edit(timescale={"retentionDays": {"oneDay": 2000}})
        world.until("PoliciesApplied", "False", "RollingOut")
        world.until("DataFresh", "False", "JobsFailing")
