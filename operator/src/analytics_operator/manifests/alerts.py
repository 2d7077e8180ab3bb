"""ALERTS: what people are woken or warned for, in the metrics of docs/metrics.md. `$series` selects one resource."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    CRITICAL = "critical"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True)
class Alert:
    name: str
    expression: str
    minutes: int
    """That the expression has to hold."""
    severity: Severity
    summary: str
    description: str


ALERTS: tuple[Alert, ...] = (
    Alert(
        name="AnalyticsApiAbsent",
        expression='absent(up{$series,container="api"} == 1)',
        minutes=5,
        severity=Severity.CRITICAL,
        summary="No pod of the API is scraped",
        description="Requests fail, or Prometheus does not reach port 9091. Check the conditions of the resource, "
        "then the targets of Prometheus, and networkPolicy.monitoringFrom where policies are enforced.",
    ),
    Alert(
        name="AnalyticsApiErrors",
        expression='sum(rate(http_requests_total{$series,status=~"5.."}[5m])) '
        "/ sum(rate(http_requests_total{$series}[5m])) > 0.05",
        minutes=10,
        severity=Severity.CRITICAL,
        summary="More than one request in twenty fails with a 5xx",
        description="analytics_http_problems_total names the error codes. 503 is a database that does not answer or "
        "pods that are draining; 504 a statement that exceeds database.statementTimeoutSeconds.",
    ),
    Alert(
        name="AnalyticsApiSlow",
        expression="histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{$series}[5m]))) "
        "> 2",
        minutes=15,
        severity=Severity.WARNING,
        summary="One request in twenty takes longer than two seconds",
        description="Compare analytics_db_query_duration_seconds with analytics_event_loop_delay_seconds: the first is "
        "the database, the second a CPU limit that is too low.",
    ),
    Alert(
        name="AnalyticsApiSaturated",
        expression="histogram_quantile(0.99, sum by (le) "
        "(rate(analytics_event_loop_delay_seconds_bucket{$series}[5m]))) > 0.25",
        minutes=15,
        severity=Severity.WARNING,
        summary="Processes run late by more than a quarter of a second",
        description="Pods need more CPU than they have: raise resources.limits.cpu or the replicas, and check for "
        "throttling.",
    ),
    Alert(
        name="AnalyticsApiDatabaseUnreachable",
        expression="max(analytics_db_up{$series}) == 0",
        minutes=5,
        severity=Severity.CRITICAL,
        summary="No pod reaches the database",
        description="Answers that are not cached fail with 503. Check the database, its URL in the Secret, and "
        "networkPolicy.database where policies are enforced.",
    ),
    Alert(
        name="AnalyticsApiPoolExhausted",
        expression="min(analytics_db_pool_waiting{$series}) > 0",
        minutes=10,
        severity=Severity.WARNING,
        summary="Queries wait for a connection in every pod",
        description="Raise database.poolSize, or database.connectionBudget where it limits the pool; if the "
        "database is busy, look for slow statements first.",
    ),
    Alert(
        name="AnalyticsApiReplicaUnused",
        expression="max(analytics_db_replica_up{$series}) == 0",
        minutes=15,
        severity=Severity.WARNING,
        summary="The replica of the database is not in use",
        description="The primary answers everything. Check the replica and analytics_db_replica_lag_seconds.",
    ),
    Alert(
        name="AnalyticsApiRedisUnreachable",
        expression="max(analytics_redis_up{$series}) == 0",
        minutes=10,
        severity=Severity.WARNING,
        summary="No pod reaches Redis",
        description="Answers are cached, and requests limited, by each pod for itself. Check Redis, its URL in the "
        "Secret, and networkPolicy.redis where policies are enforced.",
    ),
    Alert(
        name="AnalyticsApiRowsRejected",
        expression='sum(rate(analytics_ingest_rows_total{$series,result="rejected"}[10m])) '
        "/ sum(rate(analytics_ingest_rows_total{$series}[10m])) > 0.05",
        minutes=15,
        severity=Severity.WARNING,
        summary="More than one row in twenty is rejected",
        description="analytics_ingest_rejected_rows_total names the field that is wrong.",
    ),
    Alert(
        name="AnalyticsApiNoWorkerLeads",
        expression="max(analytics_worker_leading{$series}) == 0 or absent(analytics_worker_leading{$series})",
        minutes=10,
        severity=Severity.WARNING,
        summary="No worker leads",
        description="Rollups are not refreshed, and nothing is dropped by retention. Check the Deployment of the "
        "worker, and the condition PoliciesApplied.",
    ),
    Alert(
        name="AnalyticsApiWorkerJobFails",
        # The metric's own label `job` becomes exported_job beside that of the target.
        expression="sum by (exported_job) (increase(analytics_worker_job_failures_total{$series}[30m])) > 2",
        minutes=5,
        severity=Severity.WARNING,
        summary="A job of the worker fails again and again",
        description="The label exported_job names it; the worker's log has the cause.",
    ),
    Alert(
        name="AnalyticsApiDataStale",
        expression="min(analytics_data_fresh{$series} and on (pod) analytics_worker_leading{$series} == 1) == 0",
        minutes=15,
        severity=Severity.WARNING,
        summary="Data is not fresh",
        description="The condition DataFresh of the resource says why: late rollups, failing jobs, too few partitions, "
        "or an old snapshot.",
    ),
    Alert(
        name="AnalyticsApiPolicyNotApplied",
        expression="min by (policy) (analytics_policy_applied{$series} and on (pod) "
        "analytics_worker_leading{$series} == 1) == 0",
        minutes=30,
        severity=Severity.WARNING,
        summary="A policy of the store is not as spec.timescale has it",
        description="The label policy names it, and the condition PoliciesApplied the cure: a shorter retention may "
        "wait for migrations.allowDestructive.",
    ),
    Alert(
        name="AnalyticsApiPartitionsEnd",
        expression="min(analytics_partition_runway_seconds{$series}) < 86400",
        minutes=15,
        severity=Severity.CRITICAL,
        summary="The last partition ends within a day",
        description="Rows are refused after it. The worker makes partitions ahead: its log says why it does not.",
    ),
)
