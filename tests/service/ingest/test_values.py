from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.ingest import times
from analytics_service.ingest.fields import COLUMNS, FIELDS

AT = datetime(2023, 11, 16, 18, 17, 3, 979960, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2023-11-16 18:17:03.9799600", AT, id="100 ns digits, no zone"),
        pytest.param("2023-11-16T18:17:03.979960999Z", AT, id="cut off, never rounded"),
        pytest.param("2023-11-16T20:17:03.97996+02:00", AT, id="another zone"),
        pytest.param(" 2023-11-16T18:17:03,979960Z ", AT, id="comma and blanks"),
        pytest.param("2023-11-16", datetime(2023, 11, 16, tzinfo=UTC), id="a day"),
    ],
)
def test_timestamps_are_utc_to_the_microsecond(text: str, expected: datetime) -> None:
    assert times.timestamp(text) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "20261120", 86400, None, True, "1969-12-31", "2200-01-01", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_timestamp_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match=r"timestamp|time whose unit|between 1970 and 2200"):
        times.timestamp(text)


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        pytest.param("duration_us", "17", 17, id="microseconds"),
        pytest.param("duration_ms", "1234.5678", 1234568, id="milliseconds"),
        pytest.param("latency_s", Decimal("0.0000005"), 0, id="half a microsecond goes to even"),
        pytest.param("ttft_s", "1.5", 1_500_000, id="seconds"),
        pytest.param("ttft_ns", 2500, 2, id="nanoseconds, half to even"),
        pytest.param("duration_ms", 2**31, 2**31 * 1000, id="longer than an integer"),
        pytest.param("total_cost", "0.00000001", Decimal("1E-8"), id="a small cost"),
        pytest.param("cost", "1.0000000000000000000", Decimal(1), id="zeros are no places"),
        pytest.param("cost", 3, Decimal(3), id="a JSON number"),
        pytest.param("cost", "0.0000000000005", Decimal(0), id="13 places, half to even"),
        pytest.param("cost", "0.0000000000015", Decimal("2E-12"), id="13 places, half to even, up"),
        pytest.param("attributes", {"a": ["\0"], "\0": 1}, '{"a":["\ufffd"],"\ufffd":1}', id="NUL in JSON"),
        pytest.param("attributes", '{"a":"\\ud800"}', '{"a":"\ufffd"}', id="half a pair in JSON"),
        pytest.param("input", "a\0\udc80b", "a\ufffd\ufffdb", id="text that cannot be stored"),
        pytest.param("output", [{"content": "hi"}], '[{"content":"hi"}]', id="messages"),
        pytest.param("error", {"code": Decimal("1.5")}, '{"code":1.5}', id="an error that is an object"),
        pytest.param("status", "404", "ERROR", id="a code of HTTP"),
        pytest.param("status", 200, "OK", id="a code of HTTP as a number"),
        pytest.param("status", "failure", "ERROR", id="failure"),
        pytest.param("service_tier", "Default", "", id="the standard tier"),
        pytest.param("service_tier", "BATCH", "batch", id="a tier"),
        pytest.param("audio_seconds", "1.5", Decimal("1.5"), id="seconds of audio"),
        pytest.param("audio_seconds", "0.00000051", Decimal("0.000001"), id="parts of a microsecond"),
        pytest.param("ts_us", "1700158623979960", AT, id="microseconds"),
        pytest.param("time_ns", 1700158623979960999, AT, id="nanoseconds, cut off"),
        pytest.param("timestamp_s", "2023-11-16T18:17:03.97996Z", AT, id="text in a field of seconds"),
        pytest.param("end_time", "1700158623.97996", AT, id="seconds by their size"),
        pytest.param("status", "error", "ERROR", id="status in lower case"),
        pytest.param("is_request", "no", False, id="no"),
        pytest.param("prompt_tokens", "10.0", 10, id="a whole number with a point"),
        pytest.param("tags", "a, b", ["a", "b"], id="tags in text"),
        pytest.param("tags", '["a, b"]', ["a, b"], id="tags in JSON"),
        pytest.param("attributes", '{"a": 1.5}', '{"a":1.5}', id="attributes in text"),
        pytest.param("attributes", {"n": Decimal("0.1"), "\\u0000": "ü"}, '{"\\\\u0000":"ü","n":0.1}', id="no NUL"),
    ],
)
def test_values_are_read(field: str, value: Any, expected: object) -> None:
    assert FIELDS[field].parse(value) == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        pytest.param("model", "x" * 257, "257 bytes", id="too long"),
        pytest.param("model", "ü" * 129, "258 bytes", id="too long in UTF-8"),
        pytest.param("model", "a\0b", "NUL", id="NUL"),
        pytest.param("model", "\udcff", "UTF-8", id="broken UTF-8"),
        pytest.param("model", 7, "is not text", id="a number for a text"),
        pytest.param("org_id", "", "empty", id="an empty key"),
        pytest.param("prompt_tokens", "-1", "whole number", id="negative"),
        pytest.param("prompt_tokens", "1.5", "whole number", id="a fraction"),
        pytest.param("prompt_tokens", str(2**63), "whole number", id="too large"),
        pytest.param("prompt_tokens", True, "not a number", id="true is no number"),
        pytest.param("prompt_tokens", "NaN", "stored", id="NaN"),
        pytest.param("total_cost", "1E999999999", "stored", id="an exponent that would fill the memory"),
        pytest.param("total_cost", "1000000000", "cost", id="too dear"),
        pytest.param("total_cost", "-0.01", "cost", id="negative cost"),
        pytest.param("duration_s", "1e20", "duration", id="too long a duration"),
        pytest.param("status", "fine", "OK, ERROR", id="unknown status"),
        pytest.param("is_request", "maybe", "neither", id="neither"),
        pytest.param("tags", [1], "is not text", id="a tag that is a number"),
        pytest.param("tags", ["t"] * 65, "64", id="too many tags"),
        pytest.param("attributes", "[]", "object", id="a list"),
        pytest.param("attributes", '{"a": NaN}', "NaN", id="NaN in JSON"),
        pytest.param("attributes", {"a": Decimal("1E+400")}, "stored", id="infinite in JSON"),
        pytest.param("attributes", '{"a":' * 80 + "1" + "}" * 80, "64 levels", id="deep JSON"),
        pytest.param("attributes", '{"a": "' + "x" * 2**20 + '"}', "bytes", id="too long JSON"),
    ],
)
def test_what_the_table_would_refuse_is_refused_with_a_reason(field: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FIELDS[field].parse(value)


def test_every_column_has_a_field_of_its_name() -> None:
    assert {FIELDS[column].column for column in COLUMNS if column != "price_status"} == {*COLUMNS} - {"price_status"}


@given(
    st.text(max_size=300) | st.integers() | st.decimals() | st.booleans() | st.none(), st.sampled_from(sorted(FIELDS))
)
def test_any_value_is_read_or_refused_with_a_reason(value: object, field: str) -> None:
    try:
        FIELDS[field].parse(value)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - the point is that nothing else is raised
