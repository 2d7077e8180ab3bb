"""Plans and applies: each call of `run` is one transaction, and says whether there is more to do.

The first that applies a plan computes it again, compares, and stores the keys of its rows; the next ones delete rows of
an hour each, and the last one ends what else names the user. Whoever is stopped goes on by the same request.
"""

import json
from typing import Annotated

from pydantic import Field

from analytics_service.contract.endpoint import Call, Result, Transaction
from analytics_service.contract.parameters import Parameters, Text
from analytics_service.contract.problems import Problem, RequestError
from analytics_service.endpoints.scores import statement as scores
from analytics_service.endpoints.traces.forget import statements, stores
from analytics_service.endpoints.traces.forget.report import ForgetState, Report, Subject


class ForgetParameters(Parameters):
    user_id: Annotated[Text, Field(examples=["ann"])]
    """Whose rows are deleted, in the organisation and the projects of the caller."""
    plan: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    """The hash of the plan to apply. Without it nothing is deleted: the answer is the plan."""


async def run(call: Call[ForgetParameters]) -> Result:
    caller, plan, transaction = call.principal, call.params.plan, call.transaction
    subject = Subject(organisation=caller.organisation, projects=caller.project_list, user=call.params.user_id)
    for query in statements.SETTINGS:
        await transaction.fetch(query)
    if plan is None:
        report = await _report(transaction, subject)
        return Result(data=report.shown(None if report.is_empty else report.hash(subject), ForgetState.PLANNED))
    await transaction.fetch(statements.lock(subject.organisation))
    stored = await transaction.fetch(statements.load(subject.organisation, plan))
    if not stored:
        report = await _begin(transaction, subject, plan)
        return Result(data=report.shown(plan, ForgetState.APPLYING), more=True)
    report, deleted = Report(content=json.loads(stored[0]["report"])), stored[0]["rows_deleted"]
    if report.hash(subject) != plan:
        raise _outdated()
    hours = await transaction.fetch(statements.next_hour(subject.organisation, plan))
    if not hours:
        return await _end(transaction, subject, plan, report, deleted)
    await transaction.fetch(scores.lock_all(subject.organisation))
    (row,) = await transaction.fetch(statements.delete_hour(subject, plan, hours[0]["start"], hours[0]["end"]))
    deleted = row["rows_deleted"]
    return Result(
        data=report.shown(plan, ForgetState.APPLYING, rows_deleted=deleted),
        log=_logged("rows of a user are being deleted", plan, deleted),
        more=True,
    )


async def _report(transaction: Transaction, subject: Subject, *, stored_as: str | None = None) -> Report:
    rows = await transaction.fetch(statements.rows(subject, stored_as=stored_as))
    before = await transaction.fetch(statements.days_before_raw(subject))
    (raw,) = await transaction.fetch(statements.raw_since())
    return Report.of(rows, before, raw["horizon"])


async def _begin(transaction: Transaction, subject: Subject, plan: str) -> Report:
    """Stores the plan and the keys of its rows; RequestError where it is not that of the rows as they are."""
    await transaction.fetch(statements.end_old(subject.organisation))
    await transaction.fetch(statements.begin(subject.organisation, plan))
    report = await _report(transaction, subject, stored_as=plan)
    if report.is_empty or report.hash(subject) != plan:
        raise _outdated()
    await transaction.fetch(statements.set_report(subject.organisation, plan, json.dumps(report.content)))
    return report


async def _end(transaction: Transaction, subject: Subject, plan: str, report: Report, deleted: int) -> Result:
    await transaction.fetch(scores.lock_all(subject.organisation))
    for query in stores.queries(subject, report.days):
        await transaction.fetch(query)
    await transaction.fetch(statements.end(subject.organisation, plan))
    return Result(
        data=report.shown(plan, ForgetState.APPLIED, rows_deleted=deleted),
        log=_logged("a user was forgotten", plan, deleted),
    )


def _logged(event: str, plan: str, rows: int) -> dict[str, str]:
    return {"event": event, "plan": plan, "rows_deleted": str(rows)}


def _outdated() -> RequestError:
    return RequestError(
        Problem.PLAN_OUTDATED,
        "plan: is not the plan of this user's rows as they are now, or was applied: repeat the request without plan",
        field="plan",
    )
