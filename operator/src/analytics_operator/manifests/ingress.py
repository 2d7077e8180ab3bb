"""The Ingress: paths of rows to the Service of those who take them, all others to that of the API."""

from collections.abc import Iterator, Mapping

from analytics_operator.api.networking import CLUSTER_ISSUER, Ingress
from analytics_operator.kube import names
from analytics_operator.kube.objects import INGRESS, Decision, Manifest, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.state.rate_limits import annotations as rate_limit

ROW_PREFIXES = ("/v1", "/api/v1/otlp", "/api/public/otel")
"""Paths where only rows are taken. POST /api/v1/traces is none: an Ingress cannot tell it from GET."""


def ingress(scope: Scope) -> Decision:
    ref = Ref(INGRESS, scope.name)
    section = scope.resource.spec.ingress
    if section is None:
        return scope.removed(ref)
    tls = [{"hosts": [section.host], "secretName": section.tls.secret_name}] if section.tls else []
    manifest = {
        "apiVersion": INGRESS.api_version,
        "kind": INGRESS.name,
        "metadata": metadata(scope.resource, ref.name, annotations=_annotations(scope, section)),
        "spec": {
            **({"ingressClassName": section.class_name} if section.class_name else {}),
            **({"tls": tls} if tls else {}),
            "rules": [{"host": section.host, "http": {"paths": list(_paths(scope, section))}}],
        },
    }
    return Want(ref, manifest)


def _annotations(scope: Scope, section: Ingress) -> dict[str, str]:
    """The user's own win where the operator only has a default."""
    issuer = section.tls.cluster_issuer if section.tls else None
    return {
        **(_body_size(scope, section) if scope.takes_rows else {}),
        **(section.annotations or {}),
        **({CLUSTER_ISSUER: issuer} if issuer else {}),
        **rate_limit(section),
    }


def _body_size(scope: Scope, section: Ingress) -> Mapping[str, str]:
    """ingress-nginx refuses requests over 1 MiB unless it is given another limit; other controllers have none."""
    if "nginx" not in (section.class_name or ""):
        return {}
    size = str(scope.resource.spec.ingest_or_default.max_body_bytes)
    return {"nginx.ingress.kubernetes.io/proxy-body-size": size, "nginx.org/client-max-body-size": size}


def _paths(scope: Scope, section: Ingress) -> Iterator[Manifest]:
    if not scope.takes_rows:
        yield from (_path(path, scope.name) for path in section.paths)
        return
    given = {path.rstrip("/") for path in section.paths}
    rows = (path for path in ROW_PREFIXES if _within(path, section.paths) and path not in given)
    for path in (*rows, *section.paths):
        yield _path(path, names.ingest(scope.name) if _within(path, ROW_PREFIXES) else scope.name)


def _within(path: str, prefixes: tuple[str, ...]) -> bool:
    """Whether one of the prefixes routes the path, by whole segments as an Ingress does."""
    return any(f"{path.rstrip('/')}/".startswith(f"{prefix.rstrip('/')}/") for prefix in prefixes)


def _path(path: str, service: str) -> Manifest:
    return {"path": path, "pathType": "Prefix", "backend": {"service": {"name": service, "port": {"name": "http"}}}}
