"""The figures that were measured, and the tables of docs/performance.md that they become. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import mean

GOAL_SPANS = {0: 5000, 2560: 2000}
"""A second, by the bytes of text of a span, in batches."""
GOAL_REQUESTS = 800
"""Of one span."""
GOAL_CPU_US = 100
HALF = 0.5


@dataclass(frozen=True, kw_only=True)
class Case:
    form: str
    batch: int
    text_bytes: int

    @property
    def name(self) -> str:
        return f"{self.form}, {self.batch} a request, {self.text_bytes:,} bytes"


@dataclass(frozen=True, kw_only=True)
class Saturated:
    """Busy connections."""

    requests: float
    """A second."""
    cpu: dict[str, float]
    """Microseconds a span, by process."""


@dataclass(frozen=True, kw_only=True)
class Steady:
    """At a share of what busy connections reach, while dashboards are asked of ours."""

    share: float
    rate: float
    p50: float
    """Milliseconds, from when the request should have been sent."""
    p99: float
    dashboards_p95: float | None
    refused: str = ""
    """What the server said in place of an answer; then there is no figure."""


@dataclass(kw_only=True)
class Measured:
    case: Case
    program: str
    sent: int = 0
    """Spans that were acknowledged."""
    saturated: list[Saturated] = field(default_factory=list)
    steady: list[Steady] = field(default_factory=list)

    @property
    def requests(self) -> float:
        return mean(each.requests for each in self.saturated)

    @property
    def spans(self) -> float:
        return self.requests * self.case.batch

    def cpu(self, process: str) -> float:
        return mean(each.cpu[process] for each in self.saturated)

    def at(self, share: float) -> Steady | None:
        return next((each for each in self.steady if each.share == share and not each.refused), None)


@dataclass(frozen=True, kw_only=True)
class Figures:
    measured: list[Measured]
    refreshes: dict[str, float]
    """By program, microseconds of CPU a span of worker and PostgreSQL after its stages of busy connections."""
    copies: dict[str, tuple[float, float]]
    dashboards_alone: float
    """p95 without writes, milliseconds."""
    skipped: dict[str, str]


def milliseconds(seconds: Sequence[float], share: float) -> float:
    ordered = sorted(seconds)
    return 1000 * ordered[min(int(len(ordered) * share), len(ordered) - 1)]


def tables(found: Figures, ours: str, fast: str) -> Iterator[str]:
    """The lines of the tables."""
    yield "| busy connections | program | spans/s | requests/s | CPU µs a span: program | worker | PostgreSQL |"
    yield "|---|---|---|---|---|---|---|"
    for one in found.measured:
        spent = " | ".join(f"{one.cpu(name):.1f}" for name in ("program", "worker", "PostgreSQL"))
        yield f"| {one.case.name} | {one.program} | {one.spans:,.0f} | {one.requests:,.1f} | {spent} |"
    for name, (rate, cpu) in found.copies.items():
        yield f"| {name} | | {rate:,.0f} | | | | {cpu:.1f} |"
    for name, cpu in found.refreshes.items():
        yield f"| rollups refreshed afterwards, worker and PostgreSQL | {name} | | | | | {cpu:.1f} |"
    yield from (f"\n{name}: {why}" for name, why in found.skipped.items())
    yield ""
    shares = sorted({each.share for one in found.measured for each in one.steady})
    if shares:
        yield "| acknowledged, p50 / p99 ms | program | " + " | ".join(f"{share:.0%}" for share in shares) + " |"
        yield "|---|---" + "|---" * len(shares) + "|"
        for one in found.measured:
            yield f"| {one.case.name} | {one.program} | {' | '.join(map(_latency, one.steady))} |"
        yield ""
        yield f"| p95 of dashboards, ms; {found.dashboards_alone:,.0f} without writes | {_shares(shares)} |"
        yield "|---" * (len(shares) + 1) + "|"
        for one in found.measured:
            if one.program == ours:
                cells = (f"{each.dashboards_p95:,.0f}" if each.dashboards_p95 else "" for each in one.steady)
                yield f"| {one.case.name} | {' | '.join(cells)} |"
        yield ""
    yield "| goal | measured | met |"
    yield "|---|---|---|"
    for goal, measured, is_met in goals(found, ours, fast):
        yield f"| {goal} | {measured} | {'yes' if is_met else 'no'} |"


def goals(found: Figures, ours: str, fast: str) -> Iterator[tuple[str, str, bool]]:
    for one in (each for each in found.measured if each.program == ours):
        name, other = one.case.name, _beside(found, one, fast)
        if one.case.batch > 1:
            wanted = GOAL_SPANS[one.case.text_bytes]
            yield f"{name}: {wanted:,} spans/s", f"{one.spans:,.0f}", one.spans >= wanted
            cpu = one.cpu("program") + one.cpu("worker")
            yield f"{name}: {GOAL_CPU_US} µs of our CPU a span", f"{cpu:.1f}", cpu <= GOAL_CPU_US
        else:
            yield f"{name}: {GOAL_REQUESTS} requests/s", f"{one.requests:,.0f}", one.requests >= GOAL_REQUESTS
        half, others = one.at(HALF), other and other.at(HALF)
        if half is not None and others:
            yield (
                f"{name}: p99 at half load below FastAPI's",
                f"{half.p99:,.1f} of {others.p99:,.1f} ms",
                half.p99 < others.p99,
            )
        if half is not None and half.dashboards_p95 is not None:
            ratio = half.dashboards_p95 / found.dashboards_alone
            yield f"{name}: p95 of dashboards at half load at most twice", f"{ratio:.1f}", ratio <= 2


def _beside(found: Figures, one: Measured, program: str) -> Measured | None:
    return next((each for each in found.measured if each.case == one.case and each.program == program), None)


def _latency(each: Steady) -> str:
    return each.refused or f"{each.p50:,.1f} / {each.p99:,.1f} at {each.rate:,.0f}/s"


def _shares(shares: Sequence[float]) -> str:
    return " | ".join(f"{share:.0%}" for share in shares)
