"""What every table of the hierarchy should hold, in plain Python from a list of rows that only the test keeps.

Nothing here is SQL, and no formula is the engine's: names of columns are written out a second time.
"""

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = datetime(2024, 3, 9, tzinfo=UTC)
MINUTES = timedelta(minutes=1)
HOURS = timedelta(hours=1)
DAYS = timedelta(days=1)

DIMENSIONS = (
    *("project_id", "environment", "provider", "model", "operation_type", "status_code"),
    *("service_tier", "price_status"),
)
MEASURES = (
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("prompt_cost_usd", "completion_cost_usd", "total_cost_usd", "duration_us", "ttft_us"),
)
USAGE = (
    *("cached_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens", "reasoning_tokens", "audio_input_tokens"),
    *("audio_output_tokens", "images", "web_searches", "audio_seconds", "billed_units"),
)
SUMS = (
    "request_count",
    *(f"{m}_{part}" for m in MEASURES for part in ("sum", "missing")),
    *(f"{u}_sum" for u in USAGE),
)
TOTALS = (*SUMS, *(f"{m}_{part}" for m in MEASURES for part in ("min", "max")))
_DIMENSIONS = attrgetter(*DIMENSIONS)

WIDTHS = {
    "totals_1min": MINUTES,
    "totals_15min": 15 * MINUTES,
    "totals_1hour": HOURS,
    "totals_1day": DAYS,
    "latency_1min": MINUTES,
    "latency_15min": 15 * MINUTES,
    "latency_1hour": HOURS,
    "latency_6hour": 6 * HOURS,
    "latency_1day": DAYS,
    "users_1hour": HOURS,
    "users_6hour": 6 * HOURS,
    "part": 15 * MINUTES,
    "user_1day": DAYS,
    "team_1day": DAYS,
    "tag_1day": DAYS,
}
"""By the name in `rollup_horizon`."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A row of traces, with each column that a rollup reads."""

    trace_id: str
    ts: datetime
    org_id: str = "acme"
    span_id: str = "s"
    project_id: str = ""
    environment: str = ""
    provider: str = ""
    model: str = "m"
    operation_type: str = ""
    status_code: str = "OK"
    service_tier: str = ""
    price_status: str = ""
    is_request: bool = True
    request_weight: int = 1
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_cost_usd: Decimal | None = None
    completion_cost_usd: Decimal | None = None
    total_cost_usd: Decimal | None = None
    duration_us: int | None = None
    ttft_us: int | None = None
    cached_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    reasoning_tokens: int | None = None
    audio_input_tokens: int | None = None
    audio_output_tokens: int | None = None
    images: int | None = None
    web_searches: int | None = None
    audio_seconds: Decimal | None = None
    billed_units: Decimal | None = None
    user_id: str | None = None
    team_id: str | None = None
    tags: Sequence[str] | None = None

    @property
    def dimensions(self) -> tuple[str, ...]:
        values: tuple[str, ...] = _DIMENSIONS(self)
        return values

    @property
    def minute(self) -> datetime:
        return bucket_of(self.ts, MINUTES)


COLUMNS = tuple(field.name for field in fields(Span))
Groups = dict[Any, Any]
"""The content of a bucket: the value of each combination, and of whatever else the rows are told apart by."""
Buckets = dict[tuple[str, datetime], Groups]
"""By organisation and start."""


def changed(span: Span, **changes: Any) -> Span:
    return replace(span, **changes)


def bucket_of(moment: datetime, width: timedelta) -> datetime:
    return moment - (moment - EPOCH) % width


def expected(table: str, spans: Iterable[Span]) -> Buckets:
    """Of the table that `rollup_horizon` names so."""
    family = table.partition("_")[0]
    width = WIDTHS[table]
    groups: defaultdict[tuple[str, datetime], defaultdict[Any, list[Span]]] = defaultdict(lambda: defaultdict(list))
    for span in spans:
        if span.is_request:
            for key in _KEYS[family](span):
                groups[span.org_id, bucket_of(span.ts, width)][key].append(span)
    buckets: Buckets = {}
    for where, combinations in groups.items():
        values = {key: _VALUES[family](members) for key, members in combinations.items()}
        if present := {key: value for key, value in values.items() if value}:
            buckets[where] = present
    return buckets


def no_zeros(sums: Iterable[tuple[str, Any]]) -> tuple[Any, ...]:
    """Of parts and days: what is zero may be NULL there."""
    return tuple(value or None for _, value in sums)


def no_zero_usage(totals: Iterable[tuple[str, Any]]) -> tuple[Any, ...]:
    """Of totals: a kind of usage that is zero may be NULL; the sum of a measure is NULL where all are missing."""
    return tuple(None if name[:-4] in USAGE and not value else value for name, value in totals)


def _sums(spans: Sequence[Span]) -> dict[str, Any]:
    sums: dict[str, Any] = {"request_count": sum(span.request_weight for span in spans)}
    for measure in (*MEASURES, *USAGE):
        values = _values(spans, measure)
        unknown = (span.request_weight for span in spans if getattr(span, measure) is None)
        sums[f"{measure}_sum"] = sum(values) if values else None
        sums[f"{measure}_missing"] = sum(unknown) if len(values) < len(spans) else None
    return sums


def _values(spans: Sequence[Span], measure: str) -> list[Any]:
    return [value for value in map(attrgetter(measure), spans) if value is not None]


def _single(spans: Sequence[Span]) -> list[Span]:
    """Those that are no sums of many requests."""
    return [span for span in spans if span.request_weight == 1]


def _totals(spans: Sequence[Span]) -> tuple[Any, ...]:
    totals = _sums(spans)
    for measure in MEASURES:
        values = _values(_single(spans), measure)
        totals |= {f"{measure}_min": min(values, default=None), f"{measure}_max": max(values, default=None)}
    return no_zero_usage((name, totals[name]) for name in TOTALS)


def _histogram(spans: Sequence[Span]) -> dict[int, int]:
    """Rows by bin; the time to the first token in bins 4096 further up."""
    durations = Counter(map(_bin, _values(_single(spans), "duration_us")))
    ttfts = Counter(_bin(value) + 4096 for value in _values(_single(spans), "ttft_us"))
    return dict(durations + ttfts)


def _bin(value: int) -> int:
    """No whole number of microseconds but 0 and 1 lies on the border of a bin, so rounding decides nothing."""
    return -1 if value == 0 else math.ceil(math.log(value) / math.log(1.04))


def _registers(spans: Sequence[Span]) -> dict[int, int]:
    """The rank of each register that saw somebody."""
    ranks: dict[int, int] = {}
    for user in {span.user_id for span in spans if span.user_id is not None}:
        bits = f"{int.from_bytes(hashlib.sha256(user.encode()).digest()):0256b}"
        register, rank = int(bits[:12], 2), 65 - len(bits[16:80].lstrip("0"))
        ranks[register] = max(ranks.get(register, 0), rank)
    return ranks


def _small_sums(spans: Sequence[Span]) -> tuple[Any, ...]:
    sums = _sums(spans)
    return no_zeros((name, sums[name]) for name in SUMS)


def _tags(span: Span) -> Iterable[Any]:
    tags: set[str | None] = set(span.tags or ()) or {None}
    return ((tag, span.dimensions) for tag in tags)


_KEYS: dict[str, Callable[[Span], Iterable[Any]]] = {
    "totals": lambda span: (span.dimensions,),
    "latency": lambda span: (span.dimensions,),
    "users": lambda span: (span.dimensions,),
    "part": lambda span: (
        (span.dimensions, span.user_id, span.team_id, None if span.tags is None else tuple(span.tags)),
    ),
    "user": lambda span: ((span.user_id, span.dimensions),),
    "team": lambda span: ((span.team_id, span.dimensions),),
    "tag": _tags,
}
_VALUES: dict[str, Callable[[Sequence[Span]], Any]] = {
    "totals": _totals,
    "latency": _histogram,
    "users": _registers,
    "part": _small_sums,
    "user": _small_sums,
    "team": _small_sums,
    "tag": _small_sums,
}
