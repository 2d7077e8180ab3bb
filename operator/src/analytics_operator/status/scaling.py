"""ScalingActive: the autoscaler's own words. Without metrics it never scales, and nothing else would say so."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.kube.objects import condition
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts


def _scaling_active(facts: Facts) -> Verdict:
    """While suspended nothing was applied, so that no answer shows the autoscaler: the condition stays as it was."""
    if facts.suspended:
        found = facts.observed.previous_condition(Type.SCALING_ACTIVE)
    else:
        found = condition(facts.applied.autoscaler or {}, Type.SCALING_ACTIVE)
    if found is None:
        return Verdict(False, Reason.METRICS_AWAITED, "the autoscaler has not looked yet")
    return Verdict(found["status"] == "True", found["reason"], found.get("message", ""))


SCALING_ACTIVE = StatusCondition(
    type=Type.SCALING_ACTIVE,
    derive=_scaling_active,
    shown=lambda facts: facts.resource.spec.autoscaling is not None,
)
