"""CRDOutdated: fields that this operator knows and the served CRD drops. It is dropped without an error."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts


def _crd_outdated(facts: Facts) -> Verdict:
    dropped = ", ".join(facts.observed.missing_fields)
    text = f"the served CRD drops {dropped}: upgrade the chart charts/crds"
    return Verdict(True, Reason.OLDER_THAN_OPERATOR, text)


CRD_OUTDATED = StatusCondition(
    type=Type.CRD_OUTDATED, derive=_crd_outdated, shown=lambda facts: bool(facts.observed.missing_fields)
)
