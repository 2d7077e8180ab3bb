"""The children of a resource, each by a pure function.

To own another kind of object: write one function in a module of its own, add it to BUILDERS, add its kind to
objects.WATCHED and to the chart's rules, and run `make golden`.
"""

from collections.abc import Callable

from analytics_operator.kube.objects import Decision
from analytics_operator.manifests.autoscaler import autoscaler
from analytics_operator.manifests.config_map import config_map
from analytics_operator.manifests.deployment import deployment
from analytics_operator.manifests.ingest import ingest, ingest_service
from analytics_operator.manifests.migrate_job import dry_run_job, migrate_job
from analytics_operator.manifests.pod_disruption_budget import ingest_disruption_budget, pod_disruption_budget
from analytics_operator.manifests.released import released
from analytics_operator.manifests.scope import Scope
from analytics_operator.manifests.service import metrics_service, service, worker_service
from analytics_operator.manifests.service_account import service_account
from analytics_operator.manifests.worker import worker

BUILDERS: tuple[Callable[[Scope], Decision], ...] = (
    service_account,
    config_map,
    migrate_job,
    dry_run_job,
    released,
    ingest,
    deployment,
    worker,
    service,
    metrics_service,
    worker_service,
    ingest_service,
    pod_disruption_budget,
    ingest_disruption_budget,
    autoscaler,
)
"""In the order in which they are applied: pods name the account and the settings."""


DEPLOYMENTS = (ingest, deployment, worker)


def build(scope: Scope) -> tuple[Decision, ...]:
    return tuple(builder(scope) for builder in BUILDERS)
