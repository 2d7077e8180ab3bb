"""Figures of one model, their intervals, and what they would be with the mix of requests that all models had. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from typing_extensions import TypedDict

from analytics_service.contract.endpoint import Row, sum_of
from analytics_service.endpoints.analytics.compare import estimates
from analytics_service.endpoints.analytics.compare.estimates import Bounds
from analytics_service.endpoints.analytics.compare.parameters import ComparedMetric
from analytics_service.endpoints.analytics.compare.statement import STRATUM
from analytics_service.rollups import sketches
from analytics_service.units import decimals
from analytics_service.units.decimals import Number

Method: TypeAlias = Literal["ratio_of_sums", "wilson", "order_statistics", "mean"]
Stratum: TypeAlias = tuple[str, ...]
Mix: TypeAlias = Mapping[Stratum, Decimal]
"""The weight of each stratum: requests, or tokens, of all candidates together."""


class ConfidenceInterval(TypedDict):
    lower: Number
    upper: Number
    level: float
    method: Method
    """ratio_of_sums: from the spread between periods; wilson: of a share, of requests from the spread between periods,
    too; order_statistics: edges of bins of a histogram, each 4 % wide, as of requests that do not depend on one
    another; mean: of scores that do not."""


class SameMix(TypedDict):
    """The average if all models had had the same requests by project, environment and operation.

    Those of all together count, where each of the models has some.
    """

    value: Number
    difference: Number
    """Of the figure from this value: what comes of the mix."""
    percentage: Number | None
    """Of the model's own requests, or tokens, that this is computed from."""


class Figure(TypedDict):
    value: Number | None
    sample: Number
    """Of requests, or of scores."""
    interval: ConfidenceInterval | None
    reason: str | None
    """Why there is no interval."""
    same_mix: SameMix | None
    """Of averages and rates; null where the sample is too small, or no project, environment and operation has requests
    of all models with samples that are large enough."""


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """A quotient of two sums of the statement."""

    numerator: str
    denominator: str
    sample: str
    factor: Decimal = Decimal(1)

    def of(self, rows: Sequence[Row]) -> tuple[Decimal, Decimal]:
        """Numerator, with its factor, and denominator."""
        numerator = decimals.total(sum_of(row, self.numerator) for row in rows)
        return decimals.product(numerator, self.factor), decimals.total(sum_of(row, self.denominator) for row in rows)


RATIOS: Final[Mapping[ComparedMetric, Ratio]] = MappingProxyType(
    {
        ComparedMetric.AVG_COST_PER_REQUEST: Ratio(numerator="cost", denominator="priced", sample="priced"),
        ComparedMetric.AVG_COST_PER_1K_TOKENS: Ratio(
            numerator="cost", denominator="priced_tokens", sample="priced", factor=Decimal(1000)
        ),
        ComparedMetric.AVG_TOKENS_PER_REQUEST: Ratio(
            numerator="tokens", denominator="token_requests", sample="token_requests"
        ),
        ComparedMetric.AVG_LATENCY_MS: Ratio(
            numerator="duration", denominator="duration_requests", sample="duration_requests", factor=Decimal("0.001")
        ),
        ComparedMetric.ERROR_RATE: Ratio(numerator="errors", denominator="requests", sample="requests"),
    }
)
_SHARES: Final = MappingProxyType({ComparedMetric.P50_LATENCY_MS: 0.5, ComparedMetric.P95_LATENCY_MS: 0.95})
_PRECISION: Final = Context(prec=60)


@dataclass(kw_only=True)
class Candidate:
    """A model of a provider, with its rows of the statement."""

    provider: str
    model: str
    periods: list[Row] = field(default_factory=list)
    strata: list[Row] = field(default_factory=list)
    latency: Row | None = None
    score: Row | None = None

    @property
    def by_stratum(self) -> dict[Stratum, Row]:
        return {tuple(row[name] for name in STRATUM): row for row in self.strata}


def common_mix(ratio: Ratio, candidates: Sequence[Candidate], *, min_sample: int) -> Mix:
    """The strata where every candidate with a sample that is large enough has requests; empty where fewer than two
    have one.
    """
    large = [each for each in candidates if _sample(ratio, each) >= min_sample]
    sums = [{key: ratio.of([row])[1] for key, row in each.by_stratum.items()} for each in large]
    known = [{key for key, weight in each.items() if weight} for each in sums if any(each.values())]
    if len(known) < 2:
        return {}
    common = sorted(set.intersection(*known))
    return {key: decimals.total(each.get(key, Decimal(0)) for each in sums) for key in common}


def _sample(ratio: Ratio, one: Candidate) -> Decimal:
    return decimals.total(sum_of(row, ratio.sample) for row in one.strata)


def figure(metric: ComparedMetric, one: Candidate, mix: Mix, *, min_sample: int) -> Figure:
    """A figure of one candidate; `mix` is the common one of the metric's ratio."""
    if metric in _SHARES:
        return _percentile(_SHARES[metric], one, min_sample)
    if metric is ComparedMetric.AVG_FEEDBACK_SCORE:
        return _average_score(one, min_sample)
    ratio = RATIOS[metric]
    numerator, denominator = ratio.of(one.strata)
    value = decimals.quotient(numerator, denominator)
    sample = _sample(ratio, one)
    bounds, reason = None, _too_few(sample, min_sample)
    is_share = metric is ComparedMetric.ERROR_RATE
    even = None
    if reason is None:
        clusters = [each for each in (ratio.of([row]) for row in one.periods) if each[1]]
        bounds = estimates.clustered_share(clusters) if is_share else estimates.ratio(clusters)
        reason = None if bounds else f"requests are in {len(clusters)} periods, of {estimates.MIN_CLUSTERS} at least"
        even = _same_mix(ratio, value, one, mix)
    return _figure(value, sample, bounds, "wilson" if is_share else "ratio_of_sums", reason) | {"same_mix": even}


def _figure(
    value: Decimal | None, sample: Decimal, bounds: Bounds | None, method: Method, reason: str | None
) -> Figure:
    interval = None
    if bounds is not None:
        interval = ConfidenceInterval(lower=bounds.lower, upper=bounds.upper, level=estimates.LEVEL, method=method)
    return Figure(value=value, sample=sample, interval=interval, reason=reason, same_mix=None)


def _too_few(sample: Decimal, min_sample: int) -> str | None:
    return f"the sample is {sample}, and min_sample {min_sample}" if sample < min_sample else None


def _same_mix(ratio: Ratio, value: Decimal | None, one: Candidate, mix: Mix) -> SameMix | None:
    """Direct standardization: the figure of each stratum counts by its weight."""
    if value is None or not mix:
        return None
    rows = one.by_stratum
    own = {key: ratio.of([rows[key]]) for key in mix}
    with localcontext(_PRECISION):
        weighted = sum((own[key][0] / own[key][1] * weight for key, weight in mix.items()), Decimal(0))
        even = (weighted / sum(mix.values(), Decimal(0))).quantize(decimals.PLACES)
    covered = decimals.total(each for _, each in own.values())
    return SameMix(
        value=even,
        difference=decimals.difference(value, even),
        percentage=decimals.per_cent(covered, ratio.of(one.strata)[1]),
    )


def _percentile(share: float, one: Candidate, min_sample: int) -> Figure:
    """From a histogram: the bounds are edges of bins, so that its error is within the interval."""
    histogram = [] if one.latency is None else list(zip(one.latency["codes"], one.latency["counts"], strict=True))
    count = int(sum(n for _, n in histogram))
    reason = _too_few(Decimal(count), min_sample)
    enclosing = None if reason else estimates.ranks(count, share)
    bounds = None
    if enclosing is not None:
        lower, upper = (_edges(histogram, rank) for rank in enclosing)
        bounds = Bounds(lower=_milliseconds(lower[0]), upper=_milliseconds(upper[1]))
    elif reason is None:
        reason = f"{count} requests are too few on one side of the percentile"
    value = None
    if count:
        low, high = _edges(histogram, math.ceil(Decimal(str(share)) * count))
        value = _milliseconds(2 * high / (sketches.GAMMA + 1)) if low else Decimal(0)
    return _figure(value, Decimal(count), bounds, "order_statistics", reason)


def _edges(histogram: Sequence[tuple[int, Decimal]], rank: int) -> tuple[float, float]:
    """Of the bin that holds the value of the rank."""
    reached = Decimal(0)
    for code, count in histogram:
        reached += count
        if reached >= rank:
            return sketches.edges_of(code)
    raise ValueError(f"there are {reached} values, and none has the rank {rank}")


def _milliseconds(microseconds: float) -> Decimal:
    return decimals.milliseconds(round(microseconds))


def _average_score(one: Candidate, min_sample: int) -> Figure:
    if one.score is None:
        return _figure(None, Decimal(0), None, "mean", _too_few(Decimal(0), min_sample))
    count, total = sum_of(one.score, "score_count"), sum_of(one.score, "value_sum")
    squares, is_share = sum_of(one.score, "value_squares"), one.score["are_boolean"]
    bounds, reason = None, _too_few(count, min_sample)
    if reason is None and is_share:
        bounds = estimates.share(total, count)
    elif reason is None and decimals.product(count, squares) == decimals.product(total, total):
        reason = f"all {count} scores are equal: they say nothing of how scores differ"
    elif reason is None:
        bounds = estimates.mean(count, total, squares)
    return _figure(decimals.quotient(total, count), count, bounds, "wilson" if is_share else "mean", reason)
