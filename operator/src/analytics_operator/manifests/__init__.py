"""The children of a resource, each by a pure function.

To own another kind of object: write one function in a module of its own, add it to BUILDERS, add its kind to
objects.WATCHED and to the chart's rules, and run `make golden`.
"""

from collections.abc import Callable

from analytics_operator.kube.objects import Decision
from analytics_operator.manifests.autoscaler import autoscaler
from analytics_operator.manifests.config_map import config_map
from analytics_operator.manifests.dashboard import dashboard
from analytics_operator.manifests.deployment import deployment
from analytics_operator.manifests.http_route import http_route
from analytics_operator.manifests.ingest import ingest, ingest_service
from analytics_operator.manifests.ingress import ingress
from analytics_operator.manifests.migrate_job import dry_run_job, migrate_job
from analytics_operator.manifests.monitors import pod_monitor, service_monitor
from analytics_operator.manifests.network_policies import NETWORK_POLICIES
from analytics_operator.manifests.pod_disruption_budget import ingest_disruption_budget, pod_disruption_budget
from analytics_operator.manifests.prometheus_rule import prometheus_rule
from analytics_operator.manifests.released import released
from analytics_operator.manifests.scope import Scope
from analytics_operator.manifests.service import metrics_service, service, worker_service
from analytics_operator.manifests.service_account import service_account
from analytics_operator.manifests.worker import worker

BUILDERS: tuple[Callable[[Scope], Decision], ...] = (
    service_account,
    config_map,
    *NETWORK_POLICIES,
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
    ingress,
    dashboard,
    http_route,
    pod_monitor,
    service_monitor,
    prometheus_rule,
)
"""In the order in which they are applied: pods name the account and the settings, and start within the policies. What
others may uninstall comes last: its failure keeps nothing waiting."""


DEPLOYMENTS = (ingest, deployment, worker)


def build(scope: Scope) -> tuple[Decision, ...]:
    return tuple(builder(scope) for builder in BUILDERS)
