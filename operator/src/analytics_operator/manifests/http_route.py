"""The HTTPRoute: requests that bring rows to the Service of those who take them, all others to that of the API."""

from analytics_operator.api.networking import RouteTimeouts
from analytics_operator.kube import names
from analytics_operator.kube.objects import HTTP_ROUTE, Decision, Manifest, Ref, Want
from analytics_operator.manifests.ingress import ROW_PREFIXES
from analytics_operator.manifests.scope import Scope, metadata


def http_route(scope: Scope) -> Decision:
    ref = Ref(HTTP_ROUTE, scope.name)
    gateway = scope.resource.spec.gateway
    if gateway is None or not scope.serves(ref.kind):
        return scope.removed(ref)
    rows: list[Manifest] = [
        *({"path": {"type": "PathPrefix", "value": prefix}} for prefix in ROW_PREFIXES),
        {"path": {"type": "Exact", "value": "/api/v1/traces"}, "method": "POST"},
    ]
    everything: list[Manifest] = [{"path": {"type": "PathPrefix", "value": "/"}}]
    manifest = {
        "apiVersion": HTTP_ROUTE.api_version,
        "kind": HTTP_ROUTE.name,
        "metadata": metadata(scope.resource, ref.name),
        "spec": {
            "parentRefs": [each.model_dump(by_alias=True, exclude_none=True) for each in gateway.parent_refs],
            **({"hostnames": list(gateway.hostnames)} if gateway.hostnames else {}),
            "rules": [
                *([_rule(rows, names.ingest(scope.name), gateway.timeouts)] if scope.takes_rows else []),
                _rule(everything, scope.name, gateway.timeouts),
            ],
        },
    }
    return Want(ref, manifest)


def _rule(matches: list[Manifest], service: str, timeouts: RouteTimeouts | None) -> Manifest:
    seconds = {
        "request": timeouts.request_seconds if timeouts else None,
        "backendRequest": timeouts.backend_request_seconds if timeouts else None,
    }
    limits = {name: f"{value}s" for name, value in seconds.items() if value}
    return {
        "matches": matches,
        "backendRefs": [{"name": service, "port": 80}],
        **({"timeouts": limits} if limits else {}),
    }
