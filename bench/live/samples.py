"""Samples over time, and what is read off them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bench.live.cpu import difference
from bench.live.writer import Written

WINDOW_SECONDS = 90.0
"""Of rows that the log may still hold."""
LAG = "analytics_rollup_lag_seconds"


@dataclass(frozen=True, kw_only=True)
class Sample:
    at: float
    """Seconds since 1970."""
    entries: dict[str, int]
    """Of the log, by table and level."""
    ended: int
    oldest_seconds: float | None
    metrics: dict[str, float]
    cpu: dict[str, float]
    """Seconds since each process began."""

    @property
    def length(self) -> int:
        return sum(self.entries.values())

    @property
    def lag_seconds(self) -> float:
        """How long a bucket waits that has ended: by the log where its entries have times, and by the worker."""
        gauges = [value for name, value in self.metrics.items() if name.split(" ")[0] == LAG]
        return max([*gauges, self.oldest_seconds or 0.0])


@dataclass(frozen=True, kw_only=True)
class LogGrowth:
    """The longest that the log was in each third of the time, and the most that it was over what is allowed."""

    thirds: tuple[int, int, int]
    max_allowed_share: float
    """Of the entries of the finest level, of what the statements of the last 90 s touched; 1 is the limit."""
    max_entries: dict[str, int]
    """By table and level."""

    @property
    def grows(self) -> bool:
        return self.thirds[2] > 1.25 * max(self.thirds[1], 1)


def log_growth(samples: Sequence[Sample], written: Sequence[Written]) -> LogGrowth:
    size = max(len(samples) // 3, 1)
    parts = [samples[:size], samples[size : 2 * size] or samples, samples[2 * size :] or samples]
    first, second, third = (max(each.length for each in part) for part in parts)
    names = dict.fromkeys(name for each in samples for name in each.entries)
    return LogGrowth(
        thirds=(first, second, third),
        max_allowed_share=max((_share(each, written) for each in samples), default=0.0),
        max_entries={name: max(each.entries.get(name, 0) for each in samples) for name in names},
    )


def _share(sample: Sample, written: Sequence[Written]) -> float:
    """Minutes of statements that the log has, of those that statements of the last 90 s touched."""
    touched = sum(each.minutes for each in written if sample.at - WINDOW_SECONDS <= each.at <= sample.at + 1.5)
    minutes = sum(number for name, number in sample.entries.items() if name.endswith((" minute", " 1min")))
    return minutes / touched if touched else 0.0


def spent(samples: Sequence[Sample]) -> dict[str, float]:
    """CPU seconds from the first to the last sample."""
    return difference(samples[-1].cpu, samples[0].cpu)


def max_lag(samples: Sequence[Sample]) -> float:
    return max(each.lag_seconds for each in samples)


def median_or_none(values: Sequence[float]) -> float | None:
    return median(values) if values else None
