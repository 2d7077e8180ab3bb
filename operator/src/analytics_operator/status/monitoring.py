"""MonitoringConfigured: whether all of spec.monitoring is there.

Only a child that the API server refuses makes Ready False too: the pods serve without it.
"""

from analytics_operator.api.conditions import Reason, Type
from analytics_operator.kube import names
from analytics_operator.kube.objects import CONFIG_MAP, POD_MONITOR, PROMETHEUS_RULE, SERVICE_MONITOR, Ref
from analytics_operator.status import kinds
from analytics_operator.status.condition import StatusCondition, Verdict
from analytics_operator.status.facts import Facts


def _children(facts: Facts) -> tuple[Ref, ...]:
    monitoring, name = facts.resource.spec.monitoring, facts.resource.metadata.name
    if monitoring is None:
        return ()
    sections = (
        (monitoring.pod_monitor, Ref(POD_MONITOR, name)),
        (monitoring.service_monitor, Ref(SERVICE_MONITOR, name)),
        (monitoring.prometheus_rule, Ref(PROMETHEUS_RULE, name)),
        (monitoring.dashboard, Ref(CONFIG_MAP, names.dashboard(name))),
    )
    return tuple(ref for section, ref in sections if section is not None)


def _monitoring_configured(facts: Facts) -> Verdict:
    children = _children(facts)
    if verdict := kinds.suspended(facts):
        return verdict
    if problems := list(kinds.problems(facts, children)):
        return kinds.first_with_all_messages(problems)
    return Verdict(True, Reason.APPLIED, f"{', '.join(ref.text for ref in children)} as declared")


MONITORING_CONFIGURED = StatusCondition(
    type=Type.MONITORING_CONFIGURED, derive=_monitoring_configured, shown=lambda facts: bool(_children(facts))
)
