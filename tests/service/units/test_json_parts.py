"""JSON in parts is JSON, whatever is cut where."""

import sys
from decimal import Decimal
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from analytics_service.units import decimals, json_parts

MAX_PART_BYTES = 256 * 1024
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LONG = st.builds(str.__mul__, TEXTS, st.sampled_from([1, 20_000]))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.decimals(allow_nan=False, allow_infinity=False, places=3), LONG
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4), st.lists(SCALARS, max_size=90)
    ),
    max_leaves=30,
)


@given(value=VALUES)
@example(value=["\x01" * 100_000, {"a": ["\U0001f600" * 100_000]}])
@example(value=[{"n": Decimal(1)}] * 5_000)
@example(value={"text": "x", "attributes": orjson.Fragment(b'{"a":1}'), "tags": ["a"] * 64})
def test_the_parts_are_the_whole(value: Any) -> None:
    parts = list(json_parts.parts(value))
    assert b"".join(parts) == decimals.dumps(value)
    assert all(len(part) <= MAX_PART_BYTES for part in parts)


def test_an_iterator_is_a_list_of_which_a_part_is_held() -> None:
    made = 0

    def points() -> Any:
        nonlocal made
        for made in range(20_000):
            yield {"n": made}

    parts = json_parts.parts({"points": points()})
    begun = next(parts) + next(parts) + next(parts)
    assert made < 10_000
    assert orjson.loads(begun + b"".join(parts)) == {"points": [{"n": number} for number in range(20_000)]}
    assert sys.getsizeof(begun) < MAX_PART_BYTES
