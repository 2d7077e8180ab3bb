"""What was measured, by scenario. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.live.samples import LogGrowth

AFTER_SECONDS = 30.0
"""Of a burst."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """Milliseconds of one question, one after another."""

    live: list[float]
    """While rows arrive."""
    rest: list[float]
    """Of as many closed days, without writers."""
    failures: int
    """Of those, how many were no answers but statements that took too long."""

    @property
    def medians(self) -> tuple[float, float]:
        return median(self.live), median(self.rest)

    @property
    def stays_near_rest(self) -> bool:
        live, rest = self.medians
        return live <= max(2 * rest, rest + 10)


@dataclass(frozen=True, kw_only=True)
class Questions:
    hours_of_today: float
    """That had passed of the UTC day: today's rows lie in them."""
    times: dict[int, dict[str, Times]]
    """By the rows of today, then by question."""
    log: LogGrowth
    max_lag_seconds: float

    @property
    def growth(self) -> dict[str, float]:
        """Live medians with the most rows today, of those with the fewest."""
        fewest, most = self.times[min(self.times)], self.times[max(self.times)]
        return {name: most[name].medians[0] / fewest[name].medians[0] for name in fewest}


@dataclass(frozen=True, kw_only=True)
class Late:
    rows_a_day: int
    milliseconds: list[float]
    """CPU of worker and its backends for one late row, less what they spend while nothing happens."""
    seconds: list[float]
    """From its commit until nothing of it is stale."""
    hours: int
    """Different ones, with a late row each."""
    hours_cpu_seconds: float
    hours_seconds: float
    idle_percent: float
    """Of a core, while nothing happens."""
    days_old: int
    """Of a row whose minutes are gone and whose raw rows are not."""
    right: bool
    """Whether the answers had that row at once, and after its refresh."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A time of steady writing."""

    seconds: float
    rows: int
    statements: int
    rate: float
    """Rows a second that arrived: less than asked for where the writer fell behind."""
    max_lag_seconds: float
    cpu: dict[str, float]
    """Seconds, by who spent them."""
    refresh_microseconds: float
    """CPU a row, of the worker and its backends."""
    log: LogGrowth


@dataclass(frozen=True, kw_only=True)
class Sustained:
    organisations: int
    together: Phase
    """In statements of many rows."""
    alone: Phase
    before: dict[str, int]
    """Bytes: raw, rollups, log, other."""
    after: dict[str, int]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question at one time."""

    at: float
    """Seconds from the begin of the burst; less than 0 before it."""
    milliseconds: float


@dataclass(frozen=True, kw_only=True)
class Burst:
    rows: int
    seconds: float
    elsewhere: dict[str, list[Asked]]
    """By question."""
    touching: dict[str, list[Asked]]
    right: int
    """Answers that had every row that was committed before the question, and none that was not there after it."""
    wrong: list[str]
    lag_seconds: float
    """From the end of the burst until nothing is stale."""

    def before(self, asked: Sequence[Asked]) -> float:
        return median(each.milliseconds for each in asked if each.at < 0)

    def during(self, asked: Sequence[Asked]) -> float | None:
        """Of the median before."""
        return self._median(asked, 0, self.seconds)

    def after(self, asked: Sequence[Asked]) -> float | None:
        """The same in the seconds after its end, when a worker has most to do."""
        return self._median(asked, self.seconds, self.seconds + AFTER_SECONDS)

    def _median(self, asked: Sequence[Asked], start: float, end: float) -> float | None:
        times = [each.milliseconds for each in asked if start <= each.at < end]
        return median(times) / self.before(asked) if times else None

    def back_after(self, asked: Sequence[Asked]) -> float | None:
        """Seconds from the end of the burst until three in a row took at most 3x of before; None where none did."""
        limit = 3 * self.before(asked)
        after = [each for each in asked if each.at >= self.seconds]
        for number, each in enumerate(after):
            following = after[number : number + 3]
            if len(following) == 3 and all(one.milliseconds <= limit for one in following):
                return each.at - self.seconds
        return None


@dataclass(frozen=True, kw_only=True)
class Log:
    entries_of_one_row: Mapping[str, int]
    """By table."""
    rows_a_second: float
    seconds: float
    growth: LogGrowth
    max_lag_seconds: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    server: str
    note: str
    questions: Questions | None = None
    late: Late | None = None
    sustained: Sustained | None = None
    burst: Burst | None = None
    log: Log | None = None
