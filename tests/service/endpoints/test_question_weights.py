"""What reads single requests of a whole range counts as several requests, against the rate of its caller."""

from datetime import timedelta
from typing import Any

import pytest

from analytics_service.contract import parameters
from analytics_service.contract.endpoint import RAW_WEIGHT
from analytics_service.endpoints import ENDPOINTS
from tests.support.service import T0

BY_NAME = {endpoint.name: endpoint for endpoint in ENDPOINTS}
WEEK = {"from": (T0 - timedelta(days=7)).isoformat(), "to": T0.isoformat()}
OF_USER = {"user_id": "ann"}


@pytest.mark.parametrize(
    ("name", "asked", "weight"),
    [
        ("get_performance", {}, 1),
        ("get_performance", {"granularity": "raw"}, RAW_WEIGHT),
        ("get_performance", OF_USER, RAW_WEIGHT),
        ("get_quality", {}, 1),
        ("get_quality", OF_USER, RAW_WEIGHT),
        ("get_costs_forecast", {}, 1),
        ("get_costs_forecast", {**OF_USER, "tz": "Asia/Kathmandu"}, RAW_WEIGHT),
        ("get_costs_explanation", {"dimension": "team"}, 1),
        ("get_costs_explanation", {"dimension": "team", **OF_USER, "from": "2024-03-04T00:00:00Z"}, RAW_WEIGHT),
        ("compare_models", {"models": "a,b"}, 1),
        ("get_optimization", {}, RAW_WEIGHT),
    ],
)
def test_questions_that_raw_answers_weigh_more(name: str, asked: dict[str, Any], weight: int) -> None:
    endpoint = BY_NAME[name]
    params = parameters.parse(endpoint.params, {**WEEK, **asked}.items(), now=T0)
    assert endpoint.weigh(params) == weight
