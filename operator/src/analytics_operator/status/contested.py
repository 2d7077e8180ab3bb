"""Contested: fields of children that another manager takes back again and again. Only people can end that."""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.kube.drift import REPLICAS
from analytics_operator.kube.objects import DEPLOYMENT, Ref
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts

MAX_NAMED = 3


def _contested(facts: Facts) -> Verdict:
    own = Ref(DEPLOYMENT, facts.resource.metadata.name).text
    for each in facts.applied.contested:
        if (each.ref_text, each.field) == (own, REPLICAS):
            text = (
                f"{each.manager} sets {REPLICAS} of {own} again and again, as a HorizontalPodAutoscaler of your own "
                "does: remove it, and set spec.autoscaling instead"
            )
            return Verdict(True, Reason.CONTESTED_REPLICAS, text)
    fields = [f"{each.manager} sets {each.field} of {each.ref_text}" for each in facts.applied.contested[:MAX_NAMED]]
    text = f"{'; '.join(fields)} again and again: have it leave what the spec of this resource decides"
    return Verdict(True, Reason.CONTESTED_FIELD, text)


CONTESTED = StatusCondition(type=Type.CONTESTED, derive=_contested, shown=lambda facts: bool(facts.applied.contested))
