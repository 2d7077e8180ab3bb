"""PoliciesApplied and DataFresh, and the table of policies: what the worker that leads reports of the store.

What it did not report is not so. Before it was asked for the first time, all is as the last status says.
"""

from typing import Any

from analytics_operator.api.conditions import Reason, Type, cut
from analytics_operator.api.status import MAX_POLICIES
from analytics_operator.kube import labels
from analytics_operator.state import pods, policies
from analytics_operator.state.observed import Observed
from analytics_operator.status.condition import StatusCondition, Verdict

_FIELD_LENGTH = 64
_REPORTED = (Type.POLICIES_APPLIED, Type.DATA_FRESH)


def policies_applied(observed: Observed) -> Verdict:
    if before := _before_the_first_report(observed, Type.POLICIES_APPLIED):
        return before
    report = observed.worker.report
    if report is None or report.policies is None:
        return unavailable(observed)
    if outdated := _outdated(observed):
        text = "the worker keeps the policies of an earlier spec, until its pods are replaced"
        return Verdict(False, outdated, text)
    return Verdict(report.policies.reason == Reason.APPLIED, report.policies.reason, report.policies.message)


def data_fresh(observed: Observed) -> Verdict:
    if before := _before_the_first_report(observed, Type.DATA_FRESH):
        return before
    report = observed.worker.report
    if report is None or report.fresh is None:
        return unavailable(observed)
    return Verdict(report.fresh.fresh, report.fresh.reason, report.fresh.message)


POLICIES_APPLIED = StatusCondition(type=Type.POLICIES_APPLIED, derive=lambda facts: policies_applied(facts.observed))
DATA_FRESH = StatusCondition(type=Type.DATA_FRESH, derive=lambda facts: data_fresh(facts.observed))


def table(observed: Observed) -> list[dict[str, Any]] | None:
    """For status.policies; None where no worker reported any."""
    if not observed.worker.polled:
        return observed.previous_status.get("policies")
    report = observed.worker.report
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


def _before_the_first_report(observed: Observed, kind: Type) -> Verdict | None:
    """The condition as it was, in a process that has just begun to lead; None where there is a newer answer."""
    before = {each: observed.previous_condition(each) for each in _REPORTED}
    found = before[kind]
    if observed.worker.polled or found is None or None in before.values():
        return None
    return Verdict(found["status"] == "True", found["reason"], found["message"])


def unavailable(observed: Observed) -> Verdict:
    """The problem of its pods where no worker answers: it is nearer to the cause than the silence."""
    if observed.worker.report is not None:
        return Verdict(False, Reason.WORKER_UNAVAILABLE, "the worker has begun, and has not looked yet")
    problem = pods.problem(observed.pods_of(labels.Component.WORKER))
    return Verdict(False, Reason.WORKER_UNAVAILABLE, problem.message if problem else observed.worker.problem)


def _outdated(observed: Observed) -> Reason | None:
    """The reason where the reporting worker has other policies than the spec; None where it has the same."""
    if policies.has_those_of(observed.resource, observed.worker.settings):
        return None
    return Reason.SUSPENDED if observed.resource.spec.suspend else Reason.ROLLING_OUT
