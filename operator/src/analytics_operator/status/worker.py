"""PoliciesApplied and DataFresh, and the table of policies: what the worker that leads reports of the store.

What it did not report is not so. Before it was asked for the first time, all is as the last status says.
"""

from typing import Any

from analytics_operator.api.conditions import Reason, Type, cut
from analytics_operator.api.status import MAX_POLICIES
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import Manifest, condition
from analytics_operator.state import pods, policies
from analytics_operator.state.observed import Observed
from analytics_operator.state.sharing import Peer, policies_of
from analytics_operator.state.worker import WorkerReport
from analytics_operator.status.condition import StatusCondition, Verdict

_FIELD_LENGTH = 64
_REPORTED = (Type.POLICIES_APPLIED, Type.DATA_FRESH)


def policies_applied(observed: Observed, workers: Manifest | None = None) -> Verdict:
    """`workers` is their Deployment."""
    if before := _before_the_first_report(observed, Type.POLICIES_APPLIED):
        return before
    if conflict := _conflict(observed):
        return conflict
    report = _store_report(observed)
    if report is None or report.policies is None:
        return unavailable(observed, workers)
    if outdated := _outdated(observed):
        text = "the worker keeps the policies of an earlier spec, until its pods are replaced"
        return Verdict(False, outdated, text)
    message = f"{report.policies.message}{_by_whom(observed)}"
    return Verdict(report.policies.reason == Reason.APPLIED, report.policies.reason, message)


def data_fresh(observed: Observed, workers: Manifest | None = None) -> Verdict:
    """As above."""
    if before := _before_the_first_report(observed, Type.DATA_FRESH):
        return before
    report = _store_report(observed)
    if report is None or report.fresh is None:
        return unavailable(observed, workers)
    return Verdict(report.fresh.fresh, report.fresh.reason, f"{report.fresh.message}{_by_whom(observed)}")


POLICIES_APPLIED = StatusCondition(
    type=Type.POLICIES_APPLIED, derive=lambda facts: policies_applied(facts.observed, facts.applied.worker)
)
DATA_FRESH = StatusCondition(
    type=Type.DATA_FRESH, derive=lambda facts: data_fresh(facts.observed, facts.applied.worker)
)


def table(observed: Observed) -> list[dict[str, Any]] | None:
    """For status.policies; None where no worker reported any."""
    if not observed.worker.polled:
        return observed.previous_status.get("policies")
    report = _store_report(observed)
    if report is None or report.policies is None:
        return None
    return [
        {
            "name": cut(row.name, _FIELD_LENGTH),
            "wanted": cut(row.wanted, _FIELD_LENGTH),
            "found": cut(row.found, _FIELD_LENGTH),
            "state": row.state.value,
            **({"message": cut(row.message)} if row.message else {}),
        }
        for row in report.policies.table[:MAX_POLICIES]
    ]


def leading_peer(observed: Observed) -> Peer | None:
    """The other resource whose worker keeps the database; None where the resource's own does, or nobody's."""
    peers = observed.peers or () if observed.worker.report is None else ()
    return next((peer for peer in peers if peer.leads), None)


def _store_report(observed: Observed) -> WorkerReport | None:
    """Of the worker that leads on the database, whichever resource it is of."""
    peer = leading_peer(observed)
    return peer.last.report if peer else observed.worker.report


def _by_whom(observed: Observed) -> str:
    peer = leading_peer(observed)
    return f" (the worker of {peer.key.text} leads on this database)" if peer else ""


def _conflict(observed: Observed) -> Verdict | None:
    """Two resources that want different policies of one database; both say so."""
    before = observed.previous_condition(Type.POLICIES_APPLIED)
    if observed.peers is None:
        conflict = before is not None and before["reason"] == Reason.POLICIES_CONFLICT
        return Verdict(False, Reason.POLICIES_CONFLICT, before["message"]) if before and conflict else None
    own = dict(policies_of(observed.resource))
    for peer in observed.peers:
        theirs = dict(peer.share.policies)
        if peer.same_database and theirs != own:
            field = next(field for field in own if own[field] != theirs.get(field))
            leader = observed.resource.metadata if leading_peer(observed) is None else None
            whose = f"{leader.namespace}/{leader.name}" if leader else peer.key.text
            text = (
                f"AnalyticsApi {peer.key.text} has this database too, and wants {field} {theirs.get(field)} where this "
                f"one wants {own[field]}; the worker of {whose} leads: give both the same spec.timescale, "
                "or each a database of its own"
            )
            return Verdict(False, Reason.POLICIES_CONFLICT, text)
    return None


def _before_the_first_report(observed: Observed, kind: Type) -> Verdict | None:
    """The condition as it was, in a process that has just begun to lead; None where there is a newer answer."""
    before = {each: observed.previous_condition(each) for each in _REPORTED}
    found = before[kind]
    if observed.worker.polled or found is None or None in before.values():
        return None
    return Verdict(found["status"] == "True", found["reason"], found["message"])


def unavailable(observed: Observed, workers: Manifest | None = None) -> Verdict:
    """The problem of its pods where no worker answers: it is nearer to the cause than the silence."""
    if observed.worker.report is not None:
        return Verdict(False, Reason.WORKER_UNAVAILABLE, "the worker has begun, and has not looked yet")
    if peer := leading_peer(observed):
        text = f"the worker of {peer.key.text} leads on this database"
        return Verdict(False, Reason.WORKER_UNAVAILABLE, text)
    refused = condition(workers or {}, "ReplicaFailure") or {}
    if refused.get("status") == "True":
        text = f"pods of Deployment {names.worker(observed.resource.metadata.name)} are refused: {refused['message']}"
        return Verdict(False, Reason.WORKER_UNAVAILABLE, text)
    problem = pods.problem(observed.pods_of(labels.Component.WORKER))
    return Verdict(False, Reason.WORKER_UNAVAILABLE, problem.message if problem else observed.worker.problem)


def _outdated(observed: Observed) -> Reason | None:
    """The reason where the reporting worker has other policies than the spec; None where it has the same."""
    if leading_peer(observed) or policies.has_those_of(observed.resource, observed.worker.settings):
        return None
    return Reason.SUSPENDED if observed.resource.spec.suspend else Reason.ROLLING_OUT
