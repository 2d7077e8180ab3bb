"""Comparisons equal what is computed plainly from the rows, and name no model that the rows do not bear out."""

import random
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from analytics_service.endpoints.analytics.compare import estimates
from tests.support import reference
from tests.support.reference import Row
from tests.support.scores import insert_scores, random_scores
from tests.support.service import HOUR, T0, a_row, a_service, a_token, insert

PATH = "/api/v1/analytics/models/compare"
START, END = datetime(2024, 3, 29, 5, tzinfo=UTC), datetime(2024, 4, 8, 3, tzinfo=UTC)
DAY = timedelta(days=1)
STRATUM = ("project_id", "environment", "operation_type")
RATIOS: dict[str, tuple[Any, Any]] = {
    "avg_cost_per_request": (lambda row: row["total_cost_usd"], lambda _row: 1),
    "avg_cost_per_1k_tokens": (
        lambda row: None if row["total_cost_usd"] is None else row["total_cost_usd"] * 1000,
        lambda row: row["total_tokens"] or 0,
    ),
    "avg_tokens_per_request": (lambda row: row["total_tokens"], lambda _row: 1),
    "avg_latency_ms": (
        lambda row: None if row["duration_us"] is None else Fraction(row["duration_us"], 1000),
        lambda _row: 1,
    ),
    "error_rate": (lambda row: int(row["status_code"] == "ERROR"), lambda _row: 1),
}


def sums(metric: str, rows: Sequence[Row]) -> tuple[Fraction, int, int]:
    """Of the rows with a value: their numerators, denominators, and their number."""
    numerator, denominator = RATIOS[metric]
    known = [row for row in rows if numerator(row) is not None]
    return sum((Fraction(numerator(row)) for row in known), Fraction(0)), sum(map(denominator, known)), len(known)


def strata(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in STRATUM)].append(row)
    return groups


def check_ratio(metric: str, shown: dict[str, Any], rows: Sequence[Row], every: Sequence[Sequence[Row]]) -> None:
    numerator, denominator, sample = sums(metric, rows)
    assert shown["sample"] == sample
    assert Fraction(shown["value"]) == reference.rounded(numerator / denominator)
    if sample < 30:
        assert (shown["interval"], shown["same_mix"]) == (None, None)
        assert shown["reason"] == f"the sample is {sample}, and min_sample 30"
        return
    each = [
        {key: sums(metric, group) for key, group in strata(group).items()}
        for group in every
        if sums(metric, group)[2] >= 30
    ]
    own = {key: sums(metric, group) for key, group in strata(rows).items()}
    common = {key for key in own if all(one.get(key, (0, 0, 0))[1] for one in each)}
    weights = {key: sum(one[key][1] for one in each) for key in common}
    even = sum((own[key][0] / own[key][1] * weight for key, weight in weights.items()), Fraction(0))
    expected = reference.rounded(even / sum(weights.values()))
    assert Fraction(shown["same_mix"]["value"]) == expected, metric
    part = sum(own[key][1] for key in common)
    assert Fraction(shown["same_mix"]["percentage"]) == reference.rounded(Fraction(part * 100, denominator))
    hours: dict[datetime, list[Row]] = defaultdict(list)
    for row in rows:
        hours[row["ts"].replace(minute=0, second=0, microsecond=0)].append(row)
    clusters = [found for group in hours.values() if (found := sums(metric, group))[1]]
    estimate = estimates.clustered_share if metric == "error_rate" else estimates.ratio
    bounds = estimate([(exact(one), Decimal(other)) for one, other, _ in clusters])
    assert bounds is not None
    interval = shown["interval"]
    assert abs(interval["lower"] - bounds.lower) <= Decimal("1e-12")
    assert abs(interval["upper"] - bounds.upper) <= Decimal("1e-12")


def exact(value: Fraction) -> Decimal:
    """Of a value with at most 15 decimal places."""
    return Decimal(int(value * 10**15)).scaleb(-15)


def check_percentile(share: str, shown: dict[str, Any], rows: Sequence[Row]) -> None:
    values = sorted(row["duration_us"] for row in rows if row["duration_us"] is not None)
    assert shown["sample"] == len(values)
    assert reference.is_near("duration", shown["value"], reference.aggregate("duration", share, rows), "log_histogram")
    ranks = estimates.ranks(len(values), float(reference.SHARES[share]))
    if ranks is None or len(values) < 30:
        assert shown["interval"] is None
        return
    lower, upper = values[ranks[0] - 1], values[ranks[1] - 1]
    assert Fraction(lower, 1000) * 100 / 105 <= Fraction(shown["interval"]["lower"]) <= Fraction(lower, 1000)
    assert Fraction(upper, 1000) <= Fraction(shown["interval"]["upper"]) <= Fraction(upper, 1000) * 105 / 100


async def test_a_comparison_equals_the_rows(database_url: str) -> None:
    rows = reference.random_requests(19, START, END, 1600)
    scores = random_scores(19, rows)
    await insert(database_url, rows[:1300])
    await reference.refreshed(database_url)
    await insert(database_url, rows[1300:])
    await insert_scores(database_url, scores)
    span = START + timedelta(hours=3, minutes=7), END - timedelta(hours=2)
    async with a_service(database_url) as client:
        for organisation, projects, narrowed in (
            ("acme", (), {}),
            ("acme", ("web",), {"environment": "production"}),
            ("globex", (), {}),
        ):
            equal: dict[str, Any] = narrowed
            token = a_token(org_id=organisation, projects=list(projects), role="viewer")
            answer = await client.get(PATH, token=token, models="b,a", from_=span[0], to=span[1], **equal)
            seen: dict[str, Any] = {"organisation": organisation, "projects": projects, **equal}
            found = [row for row in reference.requests(rows, *span, **seen) if row["model"] in {"a", "b"}]
            rated = reference.requests([one | {"is_request": True} for one in scores], *span, **seen)
            groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
            for row in found:
                groups[(row["model"], row["provider"])].append(row)
            models = {(one["model"], one["provider"]): one for one in answer.data["models"]}
            assert list(models) == sorted(groups, key=lambda key: ("ba".index(key[0]), key[1]))
            assert answer.json["meta"]["coverage"] == reference.coverage(found)
            for key, one in models.items():
                metrics = one["metrics"]
                assert one["requests"] == len(groups[key])
                for metric in RATIOS:
                    check_ratio(metric, metrics[metric], groups[key], list(groups.values()))
                check_percentile("p50", metrics["p50_latency_ms"], groups[key])
                check_percentile("p95", metrics["p95_latency_ms"], groups[key])
                check_scores(metrics["avg_feedback_score"], [s for s in rated if (s["model"], s["provider"]) == key])


def check_scores(shown: dict[str, Any], scores: Sequence[Row]) -> None:
    values = [one["value"] for one in scores if one["name"] == "feedback" and one["value"] is not None]
    assert shown["sample"] == len(values)
    assert (None if shown["value"] is None else Fraction(shown["value"])) == (
        reference.rounded(Fraction(sum(values)) / len(values)) if values else None
    )
    if len(values) >= 30:
        squares = sum((value * value for value in values), Decimal(0))
        bounds = estimates.mean(Decimal(len(values)), sum(values, Decimal(0)), squares)
        assert (shown["interval"]["lower"], shown["interval"]["upper"]) == (bounds.lower, bounds.upper)
    else:
        assert shown["reason"] == f"the sample is {len(values)}, and min_sample 30"


def two_models(count: int, changes: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    chance = random.Random(5)
    return [
        a_row(
            number,
            model=model,
            span_id=model,
            ts=T0 + timedelta(minutes=11 * number),
            duration_us=int(chance.lognormvariate(13, 0.3) * changed.get("slower", 1)),
            total_cost_usd=Decimal(chance.randrange(900, 1100)).scaleb(-6) * changed.get("dearer", 1),
            environment=changed.get("environment", "production"),
        )
        for number in range(count)
        for model, changed in changes.items()
    ]


async def summary(database_url: str, rows: list[dict[str, Any]], **asked: Any) -> dict[str, Any]:
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        answer = await client.get(PATH, **{"models": "a,b", "from_": T0, "to": T0 + 3 * DAY, **asked})
        found: dict[str, Any] = answer.data["summary"]
        return found


async def test_a_difference_that_the_requests_bear_out_is_named(database_url: str) -> None:
    found = await summary(database_url, two_models(300, {"a": {}, "b": {"slower": 2, "dearer": 3}}))
    assert (found["fastest_model"], found["cheapest_model"]) == ("a", "a")
    assert (found["most_reliable_model"], found["best_rated_model"]) == (None, None)
    assert found["reasons"] == {
        "most_reliable_model": "the intervals of openai/a and openai/b overlap",
        "best_rated_model": "avg_feedback_score has an interval of 0 models, and two are compared",
    }
    fastest, cheapest = found["recommendations"]
    assert (fastest["criterion"], fastest["metric"]) == ("fastest_model", "p50_latency_ms")
    assert (cheapest["best"]["model"], cheapest["next"]["model"]) == ("a", "b")
    assert 190 < cheapest["difference_percentage"] < 210


async def test_chance_alone_names_no_model(database_url: str) -> None:
    found = await summary(database_url, two_models(300, {"a": {}, "b": {}}))
    assert [name for name in found if name.endswith("_model") and found[name] is not None] == []
    assert found["recommendations"] == []


async def test_models_that_were_asked_other_things_are_not_ranked(database_url: str) -> None:
    rows = two_models(300, {"a": {}, "b": {"dearer": 3, "environment": "staging"}})
    found = await summary(database_url, rows)
    reason = "no project, environment and operation has requests of all models: they may have been asked other things"
    assert (found["cheapest_model"], found["reasons"]["cheapest_model"]) == (None, reason)


async def test_a_difference_of_the_mix_is_told_apart(database_url: str) -> None:
    """b is cheaper wherever both are asked, and dearer altogether: it is asked the dear things."""
    dear, cheap = Decimal("0.010"), Decimal("0.001")
    rows = [
        a_row(
            number,
            model=model,
            span_id=model,
            ts=T0 + timedelta(minutes=11 * number),
            operation_type="long" if long else "short",
            total_cost_usd=(dear if long else cheap) * (Decimal("0.9") if model == "b" else 1)
            + Decimal(number % 7).scaleb(-6),
        )
        for number in range(300)
        for model, long in (("a", number % 10 == 0), ("b", number % 10 != 0))
    ]
    await insert(database_url, rows)
    async with a_service(database_url) as client:
        data = (await client.get(PATH, models="a,b", from_=T0, to=T0 + 3 * DAY)).data
    figures = {one["model"]: one["metrics"]["avg_cost_per_request"] for one in data["models"]}
    assert figures["a"]["value"] < figures["b"]["value"]
    assert figures["a"]["same_mix"]["value"] > figures["b"]["same_mix"]["value"]
    assert data["summary"]["cheapest_model"] is None
    assert data["summary"]["reasons"]["cheapest_model"].startswith("with the same mix of projects")


async def test_a_model_with_too_few_requests_has_no_part_in_what_is_said_of_others(database_url: str) -> None:
    """c was asked once, elsewhere: it says nothing of a and b, neither of their mix."""
    rows = [*two_models(300, {"a": {}, "b": {"slower": 2, "dearer": 3}}), a_row(7, model="c", environment="staging")]
    found = await summary(database_url, rows, models="a,b,c")
    assert (found["fastest_model"], found["cheapest_model"]) == ("a", "a")


async def test_a_few_common_requests_are_no_common_mix(database_url: str) -> None:
    """Of 300 requests each, two are alike: what these cost says nothing of the others."""
    rows = two_models(300, {"a": {}, "b": {"dearer": 3, "environment": "staging"}})
    rows += [a_row(900 + n, ts=T0 + n * HOUR, model=model, span_id=model) for n in range(2) for model in "ab"]
    rows[-1] |= {"total_cost_usd": Decimal("0.0012")}
    found = await summary(database_url, rows)
    assert found["cheapest_model"] is None
    assert found["reasons"]["cheapest_model"] == (
        "of the requests of openai/b, 0.7 % are of a project, environment and operation that all models have, and 50 % "
        "are needed"
    )


async def scored_equally(database_url: str, values: dict[str, list[Decimal]], data_type: str) -> dict[str, Any]:
    rows = [a_row(n, model=model, span_id=model) for model, each in values.items() for n in range(len(each))]
    await insert(database_url, rows)
    of_rows = [value for each in values.values() for value in each]
    columns = ("org_id", "trace_id", "span_id", "ts", "project_id", "environment", "provider", "model")
    scores = [
        {**{name: row[name] for name in columns}, "name": "feedback", "source": "user", "category": ""}
        | {"data_type": data_type, "value": value}
        for row, value in zip(rows, of_rows, strict=True)
    ]
    await insert_scores(database_url, scores)
    async with a_service(database_url) as client:
        answer = await client.get(PATH, models=",".join(values), from_=T0, to=T0 + 3 * HOUR)
    return {"summary": answer.data["summary"]} | {
        one["model"]: one["metrics"]["avg_feedback_score"] for one in answer.data["models"]
    }


async def test_a_share_of_scores_is_never_certain_nor_above_one(database_url: str) -> None:
    """Thirty thumbs up are no proof of a rate of 1."""
    one, none = Decimal(1), Decimal(0)
    found = await scored_equally(database_url, {"a": [one] * 30, "b": [one] * 28 + [none] * 2}, "boolean")
    for model, count in (("a", 30), ("b", 28)):
        bounds = estimates.share(count, 30)
        interval = found[model]["interval"]
        assert (interval["lower"], interval["upper"]) == (bounds.lower, bounds.upper)
        assert interval["method"] == "wilson"
        assert interval["lower"] < 1
    assert found["summary"]["best_rated_model"] is None


async def test_equal_scores_have_no_spread_and_no_interval(database_url: str) -> None:
    found = await scored_equally(
        database_url, {"a": [Decimal("4.1")] * 40, "b": [Decimal("4.0")] * 39 + [Decimal("4.05")]}, "numeric"
    )
    assert (found["a"]["value"], found["a"]["interval"]) == (Decimal("4.1"), None)
    assert found["a"]["reason"] == "all 40 scores are equal: they say nothing of how scores differ"
    assert found["b"]["interval"] is not None
    assert found["summary"]["best_rated_model"] is None


async def test_one_incident_makes_no_model_less_reliable(database_url: str) -> None:
    """All errors of b come within one hour: requests of an hour share their luck."""
    rows = [
        a_row(
            60 * hour + number,
            model=model,
            span_id=model,
            ts=T0 + hour * HOUR + timedelta(minutes=number),
            status_code="ERROR" if (model, hour) == ("b", 20) else "OK",
        )
        for hour in range(60)
        for number in range(10)
        for model in "ab"
    ]
    found = await summary(database_url, rows)
    assert found["most_reliable_model"] is None
    assert found["reasons"]["most_reliable_model"] == "the intervals of openai/a and openai/b overlap"


async def test_few_requests_have_figures_and_no_interval(database_url: str) -> None:
    await insert(database_url, [a_row(number, model="a") for number in range(5)])
    async with a_service(database_url) as client:
        data = (await client.get(PATH, models="a,b", metrics="error_rate", from_=T0, to=T0 + HOUR)).data
    first, second = data["models"]
    rate = first["metrics"]["error_rate"]
    assert (rate["value"], rate["interval"], rate["reason"]) == (0, None, "the sample is 5, and min_sample 30")
    assert list(first["metrics"]) == ["error_rate"]
    assert (second["model"], second["provider"], second["requests"]) == ("b", None, 0)
    assert second["metrics"]["error_rate"]["value"] is None


REFUSED: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({}, "INVALID_PARAMETER", "models"),
    ({"models": "a"}, "INVALID_PARAMETER", "models"),
    ({"models": "a,a"}, "INVALID_PARAMETER", "models"),
    ({"models": ",".join(map(str, range(11)))}, "INVALID_PARAMETER", "models"),
    ({"models": "a,b", "metrics": "speed"}, "INVALID_PARAMETER", "metrics"),
    ({"models": "a,b", "min_sample": 29}, "INVALID_PARAMETER", "min_sample"),
    ({"models": "a,b", "model": "a"}, "UNKNOWN_PARAMETER", "model"),
    ({"models": "a,b", "from_": T0 - 91 * DAY}, "INVALID_TIME_RANGE", "from"),
)


async def test_what_cannot_be_answered_is_named(database_url: str) -> None:
    async with a_service(database_url) as client:
        for asked, code, field in REFUSED:
            response = await client.get(PATH, **{"to": T0, **asked})
            assert (response.status, response.json["error_code"], response.json["field"]) == (400, code, field), asked
        empty = await client.get(PATH, models="a,b")
        assert [one["requests"] for one in empty.data["models"]] == [0, 0]
