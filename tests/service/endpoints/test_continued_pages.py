"""A page is continued for as long as its client likes: the range of the first one was checked, and is that of all."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from analytics_service.contract import parameters
from analytics_service.contract.cursor import Cursors
from analytics_service.contract.principal import Principal, Role
from analytics_service.contract.problems import RequestError
from analytics_service.endpoints.traces.list.parameters import PageParameters, TraceParameters
from analytics_service.endpoints.traces.search.parameters import SearchParameters

NOW = datetime(2024, 3, 4, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
ANN = Principal(subject="ann", organisation="acme", projects=frozenset(), role=Role.VIEWER, permissions=frozenset())
CURSORS = Cursors("a secret of the tests, with more than 32 characters")
AFTER = (NOW.isoformat(), "trace", "span")
TEXT = {"field": "input_text", "operator": "contains", "value": "a"}


def before(**length: int) -> str:
    return (NOW - timedelta(**length)).isoformat()


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        pytest.param(TraceParameters, {"from": before(days=90)}, id="the longest range"),
        pytest.param(TraceParameters, {"from": before(days=7), "search": "text"}, id="of a text"),
        pytest.param(TraceParameters, {"from": before(days=31), "sort_by": "model"}, id="of an order"),
        pytest.param(TraceParameters, {"from": "now-5m", "to": NOW.isoformat()}, id="now has passed the end"),
        pytest.param(SearchParameters, {"from": before(days=7), "filter": TEXT}, id="of a filter"),
        pytest.param(
            SearchParameters,
            {"filter": {"field": "ts", "operator": "gte", "value": before(days=90)}},
            id="by a condition",
        ),
    ],
)
def test_a_page_is_continued_later(model: type[PageParameters], asked: dict[str, Any]) -> None:
    first = parameters.parse(model, asked.items(), now=NOW)
    cursor = CURSORS.sign(ANN, "/path", first, AFTER)
    again = parameters.parse(model, {**asked, "cursor": cursor}.items(), now=LATER)
    continued = CURSORS.resume(ANN, "/path", again)
    assert (continued.range, continued.after) == (first.range, AFTER)


def test_a_cursor_of_another_request_does_not_lift_a_limit() -> None:
    first = parameters.parse(TraceParameters, {"from": before(days=1)}.items(), now=NOW)
    cursor = CURSORS.sign(ANN, "/path", first, AFTER)
    longer = parameters.parse(TraceParameters, {"from": before(days=400), "cursor": cursor}.items(), now=NOW)
    with pytest.raises(RequestError) as refused:
        CURSORS.resume(ANN, "/path", longer)
    assert refused.value.field == "cursor"
