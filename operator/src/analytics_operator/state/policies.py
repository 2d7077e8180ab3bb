"""The store's policies as the worker's environment: what a pod is given, and what a reporting pod is compared with."""

from collections.abc import Iterable

from analytics_operator.api.v1alpha1 import AnalyticsApi

ALLOW_DESTRUCTIVE = "ALLOW_DESTRUCTIVE"


def environment(resource: AnalyticsApi) -> dict[str, str]:
    """Variables of the worker's own template: a change of them rolls no pod that answers."""
    timescale = resource.spec.timescale
    retention, refresh = timescale.retention_days, timescale.aggregates.refresh_seconds
    allowed = resource.spec.migrations.allow_destructive
    return {
        "RETENTION_RAW_DAYS": _days_or("keep", retention.raw),
        "RETENTION_1MIN_DAYS": _days_or("keep", retention.one_minute),
        "RETENTION_1HOUR_DAYS": _days_or("keep", retention.one_hour),
        "RETENTION_1DAY_DAYS": _days_or("keep", retention.one_day),
        "COMPRESS_AFTER_DAYS": _days_or("never", timescale.compress_after_days),
        "CHUNK_HOURS": str(timescale.chunk_hours),
        "REFRESH_1MIN_SECONDS": str(refresh.one_minute),
        "REFRESH_1HOUR_SECONDS": str(refresh.one_hour),
        "REFRESH_1DAY_SECONDS": str(refresh.one_day),
        **({ALLOW_DESTRUCTIVE: allowed} if allowed else {}),
    }


def has_those_of(resource: AnalyticsApi, settings: Iterable[tuple[str, str]]) -> bool:
    """Whether a pod with these variables keeps the policies of the spec; other variables do not count."""
    desired = environment(resource)
    return {name: value for name, value in settings if name in {*desired, ALLOW_DESTRUCTIVE}} == desired


def _days_or(word: str, days: int | None) -> str:
    return word if days is None else str(days)
