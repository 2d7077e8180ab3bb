"""What keeps children of sections from being as they are declared: refused, or of a kind that is not installed."""

from collections.abc import Iterator, Mapping

from analytics_operator.api.conditions import Reason
from analytics_operator.kube.objects import HTTP_ROUTE, POD_MONITOR, PROMETHEUS_RULE, SERVICE_MONITOR, Kind, Ref
from analytics_operator.status.condition import Verdict
from analytics_operator.status.facts import Facts

_PROMETHEUS_OPERATOR = "install the Prometheus Operator's CRDs"
CURES: Mapping[Kind, str] = {
    HTTP_ROUTE: "install the Gateway API's CRDs and a controller, or use spec.ingress",
    POD_MONITOR: f"{_PROMETHEUS_OPERATOR}, or remove monitoring.podMonitor",
    SERVICE_MONITOR: f"{_PROMETHEUS_OPERATOR}, or remove monitoring.serviceMonitor",
    PROMETHEUS_RULE: f"{_PROMETHEUS_OPERATOR}, or remove monitoring.prometheusRule",
}
"""Every child of an optional kind is made within a minute after its CRD was installed."""


def suspended(facts: Facts) -> Verdict | None:
    if not facts.suspended:
        return None
    return Verdict(None, Reason.SUSPENDED, "nothing is applied while spec.suspend is true")


def problems(facts: Facts, children: tuple[Ref, ...]) -> Iterator[Verdict]:
    """One for each kind that is not installed, and for each child that the API server refuses."""
    for ref in children:
        if ref.kind in CURES and ref.kind not in facts.observed.served_kinds:
            text = f"{ref.kind.name} is not installed: {CURES[ref.kind]}"
            yield Verdict(False, Reason.KIND_NOT_INSTALLED, text)
    for refusal in facts.applied.refusals:
        if refusal.ref in children:
            yield Verdict(False, refusal.reason, f"{refusal.ref.text}: {refusal.message}")


def first_with_all_messages(verdicts: list[Verdict]) -> Verdict:
    """The first one's status and reason; a message for each."""
    return verdicts[0]._replace(message="; ".join(each.message for each in verdicts))
