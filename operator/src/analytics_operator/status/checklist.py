"""status.checklist: the fourteen items that the deployment guide asks for before production. Pure.

What the operator observes is Met, Open or Unknown, as its conditions are. Where it has nothing to observe, an
annotation of the resource declares an item; no item is ticked without one. `make docs` writes the page.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from analytics_operator.api.conditions import Condition, Type, cut, status_of
from analytics_operator.api.status import CHECKLIST_MESSAGE_LENGTH, ChecklistState
from analytics_operator.kube import labels
from analytics_operator.kube.objects import NETWORK_POLICY
from analytics_operator.status import kinds, routes
from analytics_operator.status.condition import Verdict
from analytics_operator.status.facts import Facts


@dataclass(frozen=True, kw_only=True)
class Evidence:
    facts: Facts
    conditions: Mapping[Type, Condition]
    """Those that the status shows."""


class Finding(NamedTuple):
    state: ChecklistState
    message: str


@dataclass(frozen=True, kw_only=True)
class Item:
    name: str
    title: str
    """The guide's words."""
    check: Callable[[Evidence], Finding | None] = lambda _: None
    """None: the resource has nothing that the operator could observe, so that a declaration counts."""
    met_when: str = ""
    """For the page; empty where the operator can never tell."""
    cure: str = ""
    """What to do where nothing is observed; empty where something always is."""

    @property
    def annotation(self) -> str:
        return f"{labels.CHECKLIST}/{self.name}"


def _all_true(evidence: Evidence, *types: Type) -> Finding:
    """Met while each of these conditions that is shown is True. Its message is left out: figures in it move."""
    shown = [evidence.conditions[each] for each in types if each in evidence.conditions]
    wrong = next((each for each in shown if not each.status), None)
    if wrong is None:
        return Finding(ChecklistState.MET, ", ".join(map(_text, shown)))
    return Finding(ChecklistState.UNKNOWN if wrong.status is None else ChecklistState.OPEN, _text(wrong))


def _text(condition: Condition) -> str:
    return f"{condition.type} is {status_of(condition.status)} ({condition.reason})"


def _without_problems(evidence: Evidence, problems: Sequence[Verdict], *, met: str) -> Finding:
    """Of children: nobody looks at them while the resource is suspended."""
    if verdict := kinds.suspended(evidence.facts):
        return Finding(ChecklistState.UNKNOWN, verdict.message)
    return Finding(ChecklistState.OPEN, problems[0].message) if problems else Finding(ChecklistState.MET, met)


def _tls(evidence: Evidence) -> Finding | None:
    section = evidence.facts.resource.spec.ingress
    if section is None or section.tls is None:
        return None
    met = f"the Ingress has the certificate of Secret {section.tls.secret_name}"
    return _without_problems(evidence, list(routes.https_problems(evidence.facts)), met=met)


def _environment(evidence: Evidence) -> Finding:
    if evidence.facts.resource.spec.redis is None:
        return Finding(ChecklistState.OPEN, "REDIS_URL is not set: set redis.urlSecretRef")
    if outdated := evidence.conditions.get(Type.IMAGE_OUTDATED):
        return Finding(ChecklistState.OPEN, _text(outdated))
    return _all_true(evidence, Type.SECRETS_READY)


def _monitoring(evidence: Evidence) -> Finding | None:
    section = evidence.facts.resource.spec.monitoring
    if section is None or section.dashboard is None or not (section.pod_monitor or section.service_monitor):
        return None
    return _all_true(evidence, Type.MONITORING_CONFIGURED)


def _autoscaling(evidence: Evidence) -> Finding | None:
    return _all_true(evidence, Type.SCALING_ACTIVE) if evidence.facts.resource.spec.autoscaling else None


def _network_policies(evidence: Evidence) -> Finding | None:
    section = evidence.facts.resource.spec.network_policy
    if section is None or not section.enforced:
        return None
    refused = tuple(each.ref for each in evidence.facts.applied.refusals if each.ref.kind is NETWORK_POLICY)
    met = "the policies are applied; only a connection that has to fail shows whether the network enforces them"
    return _without_problems(evidence, list(kinds.problems(evidence.facts, refused)), met=met)


ITEMS: tuple[Item, ...] = (
    Item(
        name="tls",
        title="TLS/SSL certificates configured",
        check=_tls,
        met_when="the Ingress is applied, and the Secret of `ingress.tls` is there",
        cure="set ingress.tls, or declare what ends TLS, such as the Gateway",
    ),
    Item(
        name="environment",
        title="Environment variables set",
        check=_environment,
        met_when="`redis` is set, SecretsReady is True, and the image knows every field (no ImageOutdated)",
    ),
    Item(
        name="migrations",
        title="Database migrations applied",
        check=lambda evidence: _all_true(evidence, Type.MIGRATED),
        met_when="Migrated is True",
    ),
    Item(
        name="aggregates",
        title="Continuous aggregates created",
        check=lambda evidence: _all_true(evidence, Type.MIGRATED, Type.DATA_FRESH),
        met_when="Migrated and DataFresh are True: migrations create the rollups, and the worker keeps them",
    ),
    Item(
        name="policies",
        title="Retention and compression policies set",
        check=lambda evidence: _all_true(evidence, Type.POLICIES_APPLIED),
        met_when="PoliciesApplied is True; `status.policies` names what the database's edition does not have",
    ),
    Item(
        name="monitoring",
        title="Monitoring configured (Prometheus + Grafana)",
        check=_monitoring,
        met_when="`monitoring` has a monitor and the dashboard, and MonitoringConfigured is True",
        cure="set monitoring.podMonitor and monitoring.dashboard, or declare what scrapes and shows the metrics",
    ),
    Item(
        name="logging",
        title="Logging aggregation configured",
        cure="declare what collects the pods' standard output",
    ),
    Item(
        name="health",
        title="Health checks passing",
        check=lambda evidence: _all_true(evidence, Type.AVAILABLE, Type.CACHE_AVAILABLE),
        met_when="Available is True, and CacheAvailable where it is shown",
    ),
    Item(
        name="autoscaling",
        title="Horizontal pod autoscaler configured",
        check=_autoscaling,
        met_when="`autoscaling` is set, and ScalingActive is True",
        cure="set autoscaling, or declare why a fixed number of replicas is enough",
    ),
    Item(
        name="network-policies",
        title="Network policies applied",
        check=_network_policies,
        met_when="`networkPolicy` is Enforced, and the API server has taken every policy",
        cure="set networkPolicy, or declare which policies of others isolate the pods",
    ),
    Item(
        name="encryption-at-rest",
        title="Secrets encrypted at rest",
        cure="declare how the API server encrypts Secrets, or what keeps them instead",
    ),
    Item(
        name="backup",
        title="Backup strategy implemented",
        cure="declare what backs the database up, and when a restore was tried",
    ),
    Item(name="load-test", title="Load testing completed", cure="declare when, with what load, and the result"),
    Item(name="runbooks", title="Runbooks documented", cure="declare where they are"),
)
"""In the order of the guide."""


def checklist(facts: Facts, shown: Sequence[Condition]) -> list[dict[str, Any]]:
    """For status.checklist; `shown` are the conditions of the same status."""
    evidence = Evidence(facts=facts, conditions={each.type: each for each in shown})
    findings = ((item, item.check(evidence) or _declaration(item, facts)) for item in ITEMS)
    return [
        {"item": item.name, "state": state.value, "message": cut(message, CHECKLIST_MESSAGE_LENGTH)}
        for item, (state, message) in findings
    ]


def _declaration(item: Item, facts: Facts) -> Finding:
    if text := facts.resource.metadata.annotations.get(item.annotation, "").strip():
        return Finding(ChecklistState.DECLARED, text)
    return Finding(ChecklistState.OPEN, f"{item.cure}: annotation {item.annotation}")


_INTRODUCTION = f"""<!-- DO NOT EDIT: generated from status/checklist.py by `make docs`. -->
# The checklist before production

The deployment guide ends with fourteen items. `status.checklist` has the state of each, and `kubectl aapi status NAME`
shows them:

- **Met**, **Open** or **Unknown**: what the operator observes, as the table says.
- **Declared**: somebody says so, by an annotation of the resource. Its text is the message.
- **Open** with the name of an annotation: nothing is observed, and nobody has declared it.

The operator ticks nothing that it cannot observe. A declaration counts only where nothing is observed: that of
`network-policies` while `spec.networkPolicy` is absent, that of `migrations` never. Ready depends on no item.

```console
$ kubectl annotate -n llm aapi demo \
    {labels.CHECKLIST}/load-test='2026-11-20: 400 requests/s for an hour, p95 80 ms' \
    {labels.CHECKLIST}/runbooks=https://wiki.example.com/analytics
$ kubectl get -n llm aapi demo -o yaml
```

| item | in the guide | Met when | else |
|---|---|---|---|
"""


def page() -> str:
    """docs/operator/checklist.md."""
    rows = (
        f"| `{item.name}` | {item.title} | {item.met_when or '(declared only)'} | {item.cure or 'see the message'} |\n"
        for item in ITEMS
    )
    return _INTRODUCTION + "".join(rows)
