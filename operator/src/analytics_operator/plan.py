"""The plan: from an observation to the gate, every child, and the objects that are not needed any more. Pure.

Time and randomness are arguments, so that a plan holds whole manifests: also that of the generated Secret, on whose
value the digests of the pods depend before the Secret is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from analytics_operator.kube import names
from analytics_operator.kube.objects import CONFIG_MAP, JOB, Absent, Create, Decision, Manifest, Ref, Want, condition
from analytics_operator.manifests import DEPLOYMENTS, build
from analytics_operator.manifests.jwt_secret import jwt_secret
from analytics_operator.manifests.scope import Scope
from analytics_operator.state import approval, ingest, migration, replicas
from analytics_operator.state.observed import Observed, Refusal
from analytics_operator.state.refusal import refusal, sections
from analytics_operator.state.secrets import Credentials, data_of, examine, must_generate

RETRY_SECONDS = 20
"""Interval at which a Deployment whose pods are refused gets a new retry annotation: left alone, its ReplicaSet doubles
its backoff after each refusal."""


PROPOSED = ".proposed"
"""Ends the names of Deployments that are only judged: no other object of a resource has a name with a dot."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    credentials: Credentials
    gate: migration.Gate
    generated: Create | None
    """The JWT Secret that is still to be made, before all else. Where one has come meanwhile, the plan is void: its
    digests are those of this value."""
    decisions: tuple[Decision, ...]
    """In the order in which they are carried out; what goes, goes last."""
    refusal: Refusal | None = None
    """Why the desired pods are not released."""
    proposed: tuple[Manifest, ...] = ()
    """Deployments as they would be once the database is migrated, where users customize their pods: to be judged by
    the API server before anything is done for them."""


def plan(observed: Observed, *, now: datetime, random_text: str) -> Plan:
    """`random_text` is the value of the JWT Secret where one has to be generated."""
    generated = _generated(observed, random_text)
    made = {generated.ref.name: data_of(generated.manifest)} if generated else {}
    credentials = examine(observed.resource, {**observed.secrets, **made})
    gate = approval.decide(observed, migration.decide(observed, credentials, now=now), now=now)
    refused = refusal(observed)
    if refused and gate.state in {migration.State.START, migration.State.DRY_RUN}:
        gate = replace(gate, state=migration.State.REFUSED)
    live = observed.deployment or observed.orphan
    to_apply = replicas.to_apply(observed.resource, live)
    retained = live if observed.resource.spec.autoscaling and to_apply is not None else None
    scope = Scope(
        resource=observed.resource,
        credentials=credentials,
        gate=gate,
        refused=refused is not None,
        released=observed.released,
        replicas=to_apply,
        replicas_read_at=retained["metadata"]["resourceVersion"] if retained else None,
        retried_at=_retried_at(observed.deployment, now=now),
        ingest_retried_at=_retried_at(observed.ingest, now=now),
        api_takes_rows=ingest.api_takes_rows(observed),
        every_api_pod_takes_rows=ingest.every_api_pod_takes_rows(observed),
        served_kinds=observed.served_kinds,
        operator_namespace=observed.operator_namespace,
    )
    desired = build(scope)
    decisions = (*desired, *_outdated_config_maps(observed, desired), *_outdated_jobs(observed, gate))
    return Plan(
        credentials=credentials,
        gate=gate,
        generated=generated,
        decisions=decisions,
        refusal=refused,
        proposed=tuple(_proposed(scope)),
    )


def _proposed(scope: Scope) -> Iterator[Manifest]:
    """Under names that nothing else has, and without what the live object decides."""
    if scope.credentials.problems or not any(sections(scope.resource)):
        return
    gate = replace(scope.gate, state=migration.State.DONE)
    done = replace(scope, gate=gate, refused=False, retried_at=None, ingest_retried_at=None)
    for decision in (builder(done) for builder in DEPLOYMENTS):
        if isinstance(decision, Want):
            given = decision.manifest["metadata"].items()
            metadata = {name: value for name, value in given if name in {"namespace", "labels", "annotations"}}
            yield decision.manifest | {"metadata": metadata | {"name": f"{decision.ref.name}{PROPOSED}"}}


def _generated(observed: Observed, random_text: str) -> Create | None:
    if observed.resource.spec.suspend or not must_generate(observed.resource, observed.secrets):
        return None
    return jwt_secret(observed.resource, random_text)


def _retried_at(deployment: Manifest | None, *, now: datetime) -> str | None:
    """Value of the retry annotation, the same for RETRY_SECONDS; None where no pod is refused."""
    failure = condition(deployment, "ReplicaFailure") if deployment else None
    if failure is None or failure["status"] != "True":
        return None
    seconds = int(now.timestamp()) // RETRY_SECONDS * RETRY_SECONDS
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _outdated_config_maps(observed: Observed, desired: tuple[Decision, ...]) -> Iterator[Absent]:
    """Those that neither the desired pods nor any ReplicaSet's pods read: a rollback finds its settings."""
    deployments = [
        each.manifest for each in desired if isinstance(each, Want) and each.manifest["kind"] == "Deployment"
    ]
    read = {name for owner in (*deployments, *observed.replica_sets) for name in _settings_of(owner)}
    retained = read | {each.ref.name for each in desired}
    return (Absent(Ref(CONFIG_MAP, name)) for name in unread_settings(observed) if name not in retained)


def unread_settings(observed: Observed) -> Iterator[str]:
    """Settings that the live Deployment does not name: whether older pods read them, ReplicaSets tell."""
    name = observed.resource.metadata.name
    read = {names.released(name), names.dashboard(name), *_settings_of(observed.deployment)}
    yield from (each["metadata"]["name"] for each in observed.config_maps if each["metadata"]["name"] not in read)


def _settings_of(workload: Manifest | None) -> Iterator[str]:
    for container in workload["spec"]["template"]["spec"]["containers"] if workload else ():
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield source["configMapRef"]["name"]


def _outdated_jobs(observed: Observed, gate: migration.Gate) -> Iterator[Absent]:
    for name in migration.superfluous(observed, keep=gate.digest):
        yield Absent(Ref(JOB, name))
    for name in approval.superfluous(observed, gate):
        yield Absent(Ref(JOB, name))
    if gate.discard:
        yield Absent(Ref(JOB, gate.discard))
