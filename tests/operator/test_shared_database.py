"""Resources that share a database or its server say so of one another, by what their workers report of it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from analytics_operator.kube.objects import Key
from analytics_operator.state.jobs import Result
from analytics_operator.state.migration import Gate, State
from analytics_operator.state.observed import Observed
from analytics_operator.state.sharing import Peer, Share, peers_of, policies_of, share_of
from analytics_operator.state.worker import LastReport, StoreReport, WorkerReport
from analytics_operator.status.derive import derive
from analytics_operator.status.facts import Applied, Facts
from analytics_operator.status.worker import data_fresh, policies_applied, table
from tests.operator.cluster_actor import ClusterActor, a_result
from tests.operator.test_migration import NOW, SECRETS, resource
from tests.operator.test_status import facts
from tests.operator.test_worker_poller import ROW, a_pod, answering, leading
from tests.support.kube import eventually

A, B = Key("llm", "a"), Key("other", "b")
STORE = {
    "server": "a" * 16,
    "database": "b" * 16,
    "role": "c" * 16,
    "server_connections": 97,
    "database_connections": None,
    "role_connections": None,
}
APPLIED_ROW = {"reason": "Applied", "message": "as declared", "plan": None, "table": [ROW]}


def store(**changes: Any) -> StoreReport:
    return StoreReport.model_validate(STORE | changes)


def leads(**changes: Any) -> LastReport:
    report = WorkerReport.model_validate(leading(policies=APPLIED_ROW, store=STORE | changes))
    return LastReport(report=report, store=store(**changes))


def stands_by(**changes: Any) -> LastReport:
    return LastReport(problem="no worker leads", store=store(**changes))


def a_share(connections: int = 23, **spec: Any) -> Share:
    return replace(share_of(resource(**spec), ()), connections=connections)


def test_peers_are_known_by_what_their_workers_report() -> None:
    reports = {
        A: leads(),
        B: stands_by(),
        Key("llm", "elsewhere"): leads(server="d" * 16),
        Key("llm", "neighbour"): leads(database="d" * 16, role="e" * 16),
        Key("llm", "silent"): LastReport(),
    }
    found = peers_of(A, dict.fromkeys(reports, a_share()), reports)
    assert [(peer.key.text, peer.same_database, peer.same_role) for peer in found] == [
        ("llm/neighbour", False, False),
        ("other/b", True, True),
    ]
    assert peers_of(Key("llm", "silent"), dict.fromkeys(reports, a_share()), reports) == ()


def a_peer(last: LastReport, *, connections: int = 23, same_database: bool = True, **spec: Any) -> Peer:
    share = a_share(connections, **spec)
    return Peer(key=B, share=share, last=last, same_database=same_database, same_role=True)


def seen(last: LastReport, *peers: Peer, **spec: Any) -> Observed:
    return Observed(resource=resource(**spec), worker=last, secrets=SECRETS, peers=peers)


def test_what_the_other_worker_that_leads_reports_is_shown_with_its_name() -> None:
    observed = seen(stands_by(), a_peer(leads()))
    for verdict in (policies_applied(observed), data_fresh(observed)):
        assert verdict.status
        assert "the worker of other/b leads on this database" in verdict.message
    assert table(observed) == [ROW], "nothing vanishes"
    alone = seen(stands_by(), a_peer(leads(), same_database=False))
    assert [each(alone).reason for each in (policies_applied, data_fresh)] == ["WorkerUnavailable"] * 2


@pytest.mark.parametrize(
    ("own", "others", "leader"),
    [(leads(), stands_by(), "llm/demo"), (stands_by(), leads(), "other/b")],
    ids=["its own worker leads", "the other's does"],
)
def test_two_retentions_of_one_database_are_a_conflict_of_both(
    own: LastReport, others: LastReport, leader: str
) -> None:
    verdict = policies_applied(seen(own, a_peer(others, timescale={"retentionDays": {"raw": 30}})))
    assert (verdict.status, verdict.reason) == (False, "PoliciesConflict")
    assert "other/b has this database too, and wants retentionDays.raw 30 where this one wants 92" in verdict.message
    assert f"the worker of {leader} leads" in verdict.message


def test_the_word_for_no_end_is_a_value_too() -> None:
    spec = {"timescale": {"retentionDays": {"raw": "Forever"}, "compressAfterDays": "Never"}}
    found = dict(policies_of(resource(**spec)))
    assert (found["retentionDays.raw"], found["compressAfterDays"]) == ("Forever", "Never")


def budget(*peers: Peer, known: bool = True, previous: Any = None, **changes: Any) -> tuple[str, str]:
    """Status and message of a resource that opens 43 connections at most."""
    gate = Gate(state=State.DONE, result=Result.model_validate_json(a_result(connection_limit=97)))
    of: Facts = facts(replicas=1)
    observed = replace(
        of.observed, worker=leads(**changes), peers=peers if known else None, previous_status=previous or {}
    )
    status = derive(replace(of, observed=observed, gate=gate, applied=Applied()), now=NOW)
    (found,) = [each for each in status["conditions"] if each["type"] == "ConnectionBudget"]
    return found["status"], found["message"]


def test_connections_of_all_resources_of_a_server_are_summed() -> None:
    assert budget()[0] == "True"
    assert budget(a_peer(leads(), connections=54)) == budget(), "others that come and go are no news while all fit"
    status, message = budget(a_peer(leads(), connections=55, same_database=False))
    assert status == "False"
    assert "pods of 2 resources may open 98 connections (llm/demo 43, other/b 55), and the server allows 97" in message
    status, message = budget(a_peer(leads(), connections=20), role_connections=50)
    assert (status, "63 connections" in message, "their role allows 50" in message) == ("False", True, True)


def test_an_operator_that_does_not_know_all_yet_leaves_the_budget_as_it_was() -> None:
    before = {"type": "ConnectionBudget", "status": "False", "reason": "ExceedsLimit", "message": "98 of 97"}
    before |= {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    assert budget(known=False, previous={"conditions": [before]}) == ("False", "98 of 97")


def worker_pod(world: ClusterActor, name: str, port: int) -> None:
    template = world.api.get("Deployment", f"{name}-worker")["spec"]["template"]
    pod = a_pod(f"{name}-worker-1", port)
    pod["spec"]["containers"][0]["env"] = template["spec"]["containers"][0]["env"]
    metadata = {"name": f"{name}-worker-1", "labels": template["metadata"]["labels"]}
    world.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]})
    world.api.merge("Pod", f"{name}-worker-1", {"status": pod["status"]}, subresource="/status")
    world.api.merge("Deployment", f"{name}-worker", {"status": {"replicas": 1}}, subresource="/status")


@pytest.mark.kube
def test_two_resources_on_one_database(world: ClusterActor) -> None:
    standby = {"role": "standby", "problem": None, "policies": None, "fresh": None, "store": STORE}
    for name in ("first", "second"):
        world.ready(name)
    with (
        answering(lambda: (200, json.dumps(leading(policies=APPLIED_ROW, store=STORE)).encode())) as first,
        answering(lambda: (200, json.dumps(standby).encode())) as second,
    ):
        worker_pod(world, "first", first)
        worker_pod(world, "second", second)

        def shown() -> bool:
            message = world.condition("DataFresh", "second")["message"]
            return f"the worker of {world.api.namespace}/first leads" in message

        eventually(shown, what="who leads", seconds=150)
        assert world.condition("DataFresh", "second")["status"] == "True"
        assert world.resource("second")["status"]["policies"] == [ROW]
        world.edit("second", timescale={"retentionDays": {"raw": 30}})
        for name, other in (("first", "second"), ("second", "first")):
            eventually(
                lambda n=name: world.condition("PoliciesApplied", n)["reason"] == "PoliciesConflict",  # type: ignore[misc]
                what="a conflict of both",
                seconds=90,
            )
            message = world.condition("PoliciesApplied", name)["message"]
            assert f"{world.api.namespace}/{other} has this database too" in message
            assert f"the worker of {world.api.namespace}/first leads" in message
