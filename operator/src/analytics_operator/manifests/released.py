"""The pod templates to release, and a copy: a Deployment deleted while a migration runs comes back as it was."""

from collections.abc import Mapping
from typing import Any

from analytics_operator.kube import names
from analytics_operator.kube.objects import CONFIG_MAP, Decision, Hold, Ref, Want
from analytics_operator.manifests.scope import Scope, metadata
from analytics_operator.manifests.service_pods import api_template, ingest_template
from analytics_operator.state.observed import Released, as_text


def to_release(scope: Scope) -> Released | None:
    """The pod templates to release now, with the digest of their migration; None before the first release."""
    if scope.releases:
        return Released(
            template=api_template(scope),
            ingest=ingest_template(scope),
            digest=scope.gate.digest,
            settings=scope.gate.settings,
            schema=_schema(scope),
        )
    return scope.released


def _schema(scope: Scope) -> Mapping[str, Any] | None:
    """As the migration found it; as it was released where that result is gone."""
    found = scope.gate.result.schema_status if scope.gate.result else None
    return found or (scope.released.schema if scope.released else None)


def released(scope: Scope) -> Decision:
    ref = Ref(CONFIG_MAP, names.released(scope.name))
    release = to_release(scope)
    if release is None:
        return Hold(ref)
    settings = {"image-settings": " ".join(release.settings)} if release.settings else {}
    ingest = {"released-ingest-template": as_text(release.ingest)} if release.ingest else {}
    schema = {"schema": as_text(dict(release.schema))} if release.schema else {}
    manifest = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(scope.resource, ref.name),
        "data": {"released-template": release.text, **ingest, "migration-hash": release.digest, **settings, **schema},
    }
    return Want(ref, manifest)
