"""An observation of a resource and its children: with time and randomness the only input of plans and statuses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_operator.api.v1alpha1 import AnalyticsApi
from analytics_operator.kube import labels, names
from analytics_operator.kube.objects import Kind, Manifest, Ref, condition
from analytics_operator.state.health import ALL_REACHED, LastHealth
from analytics_operator.state.secrets import SecretData
from analytics_operator.state.sharing import Peer
from analytics_operator.state.worker import NOT_POLLED, LastReport


def as_text(template: Manifest) -> str:
    """As annotations and ConfigMaps hold it."""
    return json.dumps(template, sort_keys=True)


@dataclass(frozen=True, kw_only=True)
class Released:
    """The released pod templates, and the digest of the migration that they waited for; in use until the gate opens."""

    template: Manifest
    """Of the API's pods."""
    digest: str
    ingest: Manifest | None = None
    """Of the pods that only take rows, where there are any."""
    settings: tuple[str, ...] = ()
    """Those that its image knows: the result of the migration that listed them goes with its pod."""

    schema: Mapping[str, Any] | None = None
    """What the migration found of the database, for status.schema."""

    @property
    def text(self) -> str:
        return as_text(self.template)


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An object that the API server, its owner or a rule of ours does not let be as it is desired."""

    ref: Ref
    reason: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A moment of the cluster; only children that the resource controls are in it."""

    resource: AnalyticsApi
    previous_status: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, SecretData | None] = field(default_factory=dict, repr=False)
    """By name; None where there is none. Left out of repr: it must not reach a log."""
    secret_versions: Mapping[str, str | None] = field(default_factory=dict)
    """resourceVersion of each of them, and of the Ingress' certificate; None where there is none."""
    deployment: Manifest | None = None
    ingest: Manifest | None = None
    """The Deployment of pods that only take rows; read where the resource wants them."""
    orphan: Manifest | None = None
    """The API's Deployment where no resource controls it: nothing that it says of releases is believed."""
    orphaned_jobs: tuple[str, ...] = ()
    """Names of Jobs that no resource controls: they are never ours, and their names are taken."""
    jobs: tuple[Manifest, ...] = ()
    """Those that migrate."""
    dry_runs: tuple[Manifest, ...] = ()
    """Jobs that only find out what a migration would change."""
    pods: tuple[Manifest, ...] = ()
    config_maps: tuple[Manifest, ...] = ()
    replica_sets: tuple[Manifest, ...] = ()
    variable_keys: Mapping[Ref, frozenset[str]] = field(default_factory=dict)
    """Keys of the ConfigMaps and Secrets of envFrom that are there."""
    pods_refused: Refusal | None = None
    """The API server's verdict on the desired pods."""
    worker: LastReport = NOT_POLLED
    health: LastHealth = ALL_REACHED
    peers: tuple[Peer, ...] | None = ()
    """Other resources on the same server of databases; None while not all have been asked."""
    missing_fields: tuple[str, ...] = ()
    """Fields that this operator knows and the served CRD does not."""
    served_kinds: frozenset[Kind] = frozenset()
    """Of those whose CRDs are others' to install."""
    operator_namespace: str = ""
    """Where the pods of this operator run."""

    @property
    def released(self) -> Released | None:
        """As the Deployment says, else as its ConfigMap does: either may be deleted by hand while a migration runs."""
        name = names.released(self.resource.metadata.name)
        copies = [each.get("data", {}) for each in self.config_maps if each["metadata"]["name"] == name]
        own = _annotations(self.ingest).get("released-template")
        ingest = own or next((each.get("released-ingest-template") for each in copies), None)
        schema = next((each["schema"] for each in copies if "schema" in each), None)
        for texts in (_annotations(self.deployment), *copies):
            template, digest = texts.get("released-template"), texts.get("migration-hash")
            if template and digest:
                settings = tuple(texts.get("image-settings", "").split())
                return Released(
                    template=json.loads(template),
                    digest=digest,
                    ingest=json.loads(ingest) if ingest else None,
                    settings=settings,
                    schema=json.loads(schema) if schema else None,
                )
        return None

    def previous_condition(self, kind: str) -> Manifest | None:
        """The condition of that type as the last status has it."""
        return condition({"status": self.previous_status}, kind)

    def pods_of(self, component: labels.Component) -> tuple[Manifest, ...]:
        return tuple(pod for pod in self.pods if pod["metadata"].get("labels", {}).get(labels.COMPONENT) == component)


def _annotations(deployment: Manifest | None) -> dict[str, str]:
    """By their names without the group."""
    found = (deployment or {}).get("metadata", {}).get("annotations", {})
    return {key.rpartition("/")[2]: value for key, value in found.items()}
