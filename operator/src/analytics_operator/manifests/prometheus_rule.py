"""The PrometheusRule of a resource: the table of alerts, each on the series of that resource alone."""

from analytics_operator.api.monitoring import Monitoring
from analytics_operator.kube.objects import PROMETHEUS_RULE, Decision, Manifest, Ref, Want
from analytics_operator.manifests.alerts import ALERTS, Alert
from analytics_operator.manifests.scope import Scope, metadata


def prometheus_rule(scope: Scope) -> Decision:
    ref = Ref(PROMETHEUS_RULE, scope.name)
    section = (scope.resource.spec.monitoring or Monitoring()).prometheus_rule
    if section is None or not scope.serves(ref.kind):
        return scope.removed(ref)
    manifest = {
        "apiVersion": PROMETHEUS_RULE.api_version,
        "kind": PROMETHEUS_RULE.name,
        "metadata": metadata(scope.resource, ref.name, extra_labels=section.labels),
        "spec": {"groups": [{"name": f"analytics-{scope.name}", "rules": [_rule(scope, each) for each in ALERTS]}]},
    }
    return Want(ref, manifest)


def series(scope: Scope) -> str:
    """Matchers of the series of this resource, as the monitors label them."""
    return f'namespace="{scope.resource.metadata.namespace}",job="{scope.name}"'


def _rule(scope: Scope, alert: Alert) -> Manifest:
    return {
        "alert": alert.name,
        "expr": alert.expression.replace("$series", series(scope)),
        "for": f"{alert.minutes}m",
        "labels": {"severity": alert.severity.value, "analyticsapi": scope.name},
        "annotations": {"summary": alert.summary, "description": alert.description},
    }
