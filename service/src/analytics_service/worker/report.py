"""The worker's report of itself: as JSON at /status, and as metrics."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from analytics_service.database.edition import Edition
from analytics_service.database.export_jobs import JobStatus
from analytics_service.database.limits import StoreIdentity
from analytics_service.rollups.hierarchy.steps import Step
from analytics_service.rollups.hierarchy.tables import Stage
from analytics_service.worker.freshness import Freshness, freshness
from analytics_service.worker.state import JobState

_SECONDS = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300)


class Report:
    """Filled by the worker, read whenever somebody asks."""

    def __init__(self, jobs: tuple[str, ...]) -> None:
        self._leading_since: datetime | None = None
        self.edition: Edition | None = None
        self.problem: str | None = "not connected yet"
        """Why this process can neither lead nor stand by; None when it can."""
        self.store: StoreIdentity | None = None
        self.jobs = {name: JobState() for name in jobs}
        self._policies: dict[str, Any] | None = None
        self._prices: dict[str, Any] | None = None
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        job = ("job",)
        self._seconds = Histogram(
            "analytics_worker_job_duration_seconds",
            "Jobs that succeeded",
            job,
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._failures = Counter("analytics_worker_job_failures_total", "Jobs that failed", job, registry=self.registry)
        self._buckets = Counter(
            "analytics_rollup_buckets_refreshed_total", "Buckets made equal to raw", registry=self.registry
        )
        self._entries = Counter(
            "analytics_rollup_log_entries_refreshed_total", "Entries that left the log", registry=self.registry
        )
        self._refresh_seconds = Counter(
            "analytics_rollup_refresh_seconds_total", "What refreshing took", ("stage",), registry=self.registry
        )
        self._success = Gauge(
            "analytics_worker_job_succeeded_timestamp_seconds", "When a job last succeeded", job, registry=self.registry
        )
        self._dropped = Counter(
            "analytics_retention_dropped_chunks_total", "Chunks of raw that ended", registry=self.registry
        )
        self._deleted = Counter(
            "analytics_retention_deleted_rows_total", "Rows of rollups that ended", registry=self.registry
        )
        self._drift_corrected = Counter(
            "analytics_policy_drift_corrected_total", "Changes by others that were corrected", registry=self.registry
        )
        self._exports = Counter(
            "analytics_exports_total", "Exports that ended, by their last status", ("status",), registry=self.registry
        )
        self._exported_rows = Counter(
            "analytics_exported_rows_total", "Rows of exports that were completed", registry=self.registry
        )
        for status in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED):
            self._exports.labels(status)
        self._applied = Gauge(
            "analytics_policy_applied", "1 where the policy is as desired", ("policy",), registry=self.registry
        )
        self._watermarks = Gauge(
            "analytics_rollup_watermark_lag_seconds",
            "From now back to the first ended bucket that is not refreshed",
            ("level",),
            registry=self.registry,
        )
        for name in jobs:  # `rate()` sees the first event only where there was a 0 before
            self._seconds.labels(name)
            self._failures.labels(name)
        for stage in (Step.MINUTE.value, *Stage):
            self._refresh_seconds.labels(stage)
        self._gauges = {
            "log_entries": Gauge(
                "analytics_rollup_log_entries", "Entries of the log that wait for a refresh", registry=self.registry
            ),
            "lag_seconds": Gauge(
                "analytics_rollup_lag_seconds",
                "How long the oldest entry of the log, or a bucket that has ended, waits for a refresh",
                registry=self.registry,
            ),
            "runway_seconds": Gauge(
                "analytics_partition_runway_seconds", "From now to where partitions end", registry=self.registry
            ),
            "oldest_snapshot_seconds": Gauge(
                "analytics_oldest_snapshot_seconds",
                "Age of the oldest snapshot that keeps vacuum from dead rows",
                registry=self.registry,
            ),
        }
        leading = Gauge("analytics_worker_leading", "1 in the process that does the work", registry=self.registry)
        leading.set_function(lambda: self.leading)
        fresh = Gauge(
            "analytics_data_fresh",
            "0 where the leader sees that rollups, partitions, jobs or snapshots are not",
            registry=self.registry,
        )
        fresh.set_function(lambda: (freshness_ := self.fresh()) is None or freshness_.fresh)

    @property
    def leading(self) -> bool:
        return self._leading_since is not None

    def leads(self, *, since: datetime) -> None:
        """Forgets the states of jobs: another leader may have run them since this process last led."""
        self._leading_since = since
        self._policies = None
        self._prices = None
        self.jobs = {name: JobState() for name in self.jobs}

    def leads_no_more(self) -> None:
        self._leading_since = None
        self._gauges["oldest_snapshot_seconds"].set(0)  # the next leader sees it; an alarm here would never end

    def succeeded(self, job: str, *, at: datetime, seconds: float, details: dict[str, Any]) -> None:
        self._policies = details.pop("policies", self._policies)
        self._prices = details.pop("prices", self._prices)
        self.jobs[job] = JobState(succeeded_at=at, seconds=round(seconds, 3), details=details)
        self._seconds.labels(job).observe(seconds)
        self._success.labels(job).set(at.timestamp())
        self._buckets.inc(details.get("buckets", 0))
        self._entries.inc(details.get("entries", 0))
        for stage, spent in details.get("refresh_seconds", {}).items():
            self._refresh_seconds.labels(stage).inc(spent)
        self._dropped.inc(details.get("dropped_chunks", 0))
        self._deleted.inc(details.get("deleted_rows", 0))
        self._drift_corrected.inc(details.get("healed", 0))
        for level, lag in details.get("watermark_lag_seconds", {}).items():
            self._watermarks.labels(level).set(lag)
        for row in (self._policies or {}).get("table", ()):
            self._applied.labels(row["name"]).set(row["state"] in {"Applied", "Unavailable"})
        for name, gauge in self._gauges.items():
            if details.get(name) is not None:
                gauge.set(details[name])

    def exported(self, status: JobStatus, rows: int) -> None:
        self._exports.labels(status).inc()
        self._exported_rows.inc(rows)

    def failed(self, job: str, error: str) -> None:
        state = self.jobs[job]
        state.failures += 1
        state.error = error
        self._failures.labels(job).inc()
        if job == "policies":
            table = self._policies["table"] if self._policies is not None else []
            self._policies = {"reason": "Failed", "message": error, "plan": None, "table": table}

    def fresh(self) -> Freshness | None:
        """None where this process does not lead, or has not refreshed yet."""
        if self._leading_since is None:
            return None
        return freshness(self.jobs, since=self._leading_since, now=datetime.now(UTC))

    def as_dict(self) -> dict[str, Any]:
        fresh = self.fresh()
        return {
            "role": "leader" if self.leading else "standby",
            "problem": self.problem,
            "edition": self.edition,
            "store": None if self.store is None else asdict(self.store),
            "jobs": {name: state.as_dict() for name, state in self.jobs.items()},
            "policies": self._policies if self.leading else None,
            "prices": self._prices if self.leading else None,
            "fresh": None if fresh is None else asdict(fresh),
        }
