"""PodMonitor and ServiceMonitor: where Prometheus scrapes. Either gives all series of a resource one job, its name."""

from analytics_operator.api.monitoring import Monitor, Monitoring
from analytics_operator.kube import labels
from analytics_operator.kube.objects import POD_MONITOR, SERVICE_MONITOR, Decision, Kind, Manifest, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata


def pod_monitor(scope: Scope) -> Decision:
    section = (scope.resource.spec.monitoring or Monitoring()).pod_monitor
    return _monitor(scope, POD_MONITOR, section, "podMetricsEndpoints")


def service_monitor(scope: Scope) -> Decision:
    section = (scope.resource.spec.monitoring or Monitoring()).service_monitor
    return _monitor(scope, SERVICE_MONITOR, section, "endpoints")


def _monitor(scope: Scope, kind: Kind, section: Monitor | None, endpoints: str) -> Decision:
    ref = Ref(kind, scope.name)
    if section is None or not scope.serves(kind):
        return scope.removed(ref)
    manifest = {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": metadata(scope.resource, ref.name, extra_labels=section.labels),
        "spec": {
            "jobLabel": labels.INSTANCE,
            "selector": {"matchLabels": labels.pods(scope.name)},
            endpoints: [_endpoint(section)],
        },
    }
    return Want(ref, manifest)


def _endpoint(section: Monitor) -> Manifest:
    rewrites = {"relabelings": section.relabelings, "metricRelabelings": section.metric_relabelings}
    return {
        "port": "metrics",
        "path": "/metrics",
        "interval": f"{section.interval_seconds}s",
        **{
            name: [each.model_dump(mode="json", by_alias=True, exclude_defaults=True) for each in rules]
            for name, rules in rewrites.items()
            if rules
        },
    }
