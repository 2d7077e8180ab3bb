"""From what was seen to what shall be: the gate, every child, and what is not needed any more. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from analytics_operator import migration, scaling
from analytics_operator.credentials import Credentials, examine
from analytics_operator.manifests import build
from analytics_operator.manifests.scope import Scope
from analytics_operator.objects import CONFIG_MAP, JOB, Absent, Decision, Manifest, Ref, Want
from analytics_operator.observed import Observed


@dataclass(frozen=True, kw_only=True)
class Plan:
    credentials: Credentials
    gate: migration.Gate
    decisions: tuple[Decision, ...]
    """In the order in which they are carried out; what goes, goes last."""


def plan(observed: Observed, *, now: datetime) -> Plan:
    credentials = examine(observed.resource, observed.secrets)
    gate = migration.decide(observed, credentials, now=now)
    replicas = scaling.replicas(observed.resource, observed.deployment)
    kept = observed.deployment if observed.resource.spec.autoscaling and replicas is not None else None
    scope = Scope(
        resource=observed.resource,
        credentials=credentials,
        gate=gate,
        released=observed.released,
        replicas=replicas,
        replicas_read_at=kept["metadata"]["resourceVersion"] if kept else None,
    )
    wanted = build(scope)
    decisions = (*wanted, *_outdated_config_maps(observed, wanted), *_outdated_jobs(observed, gate))
    return Plan(credentials=credentials, gate=gate, decisions=decisions)


def _outdated_config_maps(observed: Observed, wanted: tuple[Decision, ...]) -> Iterator[Absent]:
    """Those that neither the wanted pods nor any ReplicaSet's pods read: a rollback finds its settings."""
    deployments = [each.manifest for each in wanted if isinstance(each, Want) and each.manifest["kind"] == "Deployment"]
    live = [observed.deployment] if observed.deployment else []
    read = {name for owner in (*deployments, *live, *observed.replica_sets) for name in _settings_of(owner)}
    kept = read | {each.ref.name for each in wanted}
    for config_map in observed.config_maps:
        name = config_map["metadata"]["name"]
        if name not in kept:
            yield Absent(Ref(CONFIG_MAP, name))


def _settings_of(workload: Manifest) -> Iterator[str]:
    for container in workload["spec"]["template"]["spec"]["containers"]:
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield source["configMapRef"]["name"]


def _outdated_jobs(observed: Observed, gate: migration.Gate) -> Iterator[Absent]:
    for name in migration.superfluous(observed, keep=gate.digest):
        yield Absent(Ref(JOB, name))
    if gate.discard:
        yield Absent(Ref(JOB, gate.discard))
