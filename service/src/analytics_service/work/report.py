"""What the worker says of itself: as JSON at /status, and as metrics."""

from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = (0.01, 0.1, 0.5, 1, 5, 15, 60, 300)


@dataclass(kw_only=True)
class JobState:
    """How a job went, as far as this process did it."""

    succeeded_at: datetime | None = None
    seconds: float | None = None
    """Of the last time that it succeeded."""
    failures: int = 0
    """In a row."""
    error: str | None = None
    """Of the last of those, in one line without secrets."""
    found: dict[str, Any] = field(default_factory=dict)
    """What it did or saw when it last succeeded."""


class Report:
    """Filled by the worker, read whenever somebody asks."""

    def __init__(self, jobs: tuple[str, ...]) -> None:
        self.leading = False
        self.problem: str | None = "not connected yet"
        """Why this process can neither lead nor stand by; None when it can."""
        self.jobs = {name: JobState() for name in jobs}
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        job = ("job",)
        self._seconds = Histogram(
            "worker_job_duration_seconds", "Jobs that succeeded", job, registry=self.registry, buckets=_SECONDS
        )
        self._failures = Counter("worker_job_failures_total", "Jobs that failed", job, registry=self.registry)
        self._buckets = Counter("rollup_buckets_refreshed_total", "Buckets made equal to raw", registry=self.registry)
        self._success = Gauge(
            "worker_job_succeeded_timestamp_seconds", "When a job last succeeded", job, registry=self.registry
        )
        self._found = {
            "lag_seconds": Gauge(
                "rollup_lag_seconds", "How long a bucket that has ended waits for its rollup", registry=self.registry
            ),
            "runway_seconds": Gauge(
                "partition_runway_seconds", "From now to where partitions end", registry=self.registry
            ),
        }
        leading = Gauge("worker_leading", "1 in the process that does the work", registry=self.registry)
        leading.set_function(lambda: self.leading)

    def succeeded(self, job: str, *, at: datetime, seconds: float, found: dict[str, Any]) -> None:
        self.jobs[job] = JobState(succeeded_at=at, seconds=round(seconds, 3), found=found)
        self._seconds.labels(job).observe(seconds)
        self._success.labels(job).set(at.timestamp())
        self._buckets.inc(found.get("buckets", 0))
        for name, gauge in self._found.items():
            if found.get(name) is not None:
                gauge.set(found[name])

    def failed(self, job: str, error: str) -> None:
        state = self.jobs[job]
        state.failures += 1
        state.error = error
        self._failures.labels(job).inc()

    def as_dict(self) -> dict[str, Any]:
        return {
            "role": "leader" if self.leading else "standby",
            "problem": self.problem,
            "jobs": {name: asdict(state) for name, state in self.jobs.items()},
        }
