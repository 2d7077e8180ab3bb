"""Numbers of answers are exact, and are rounded in one place."""

import json
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.units import decimals

MONEY = st.decimals(min_value=0, max_value=10**15, places=12, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1E+3", "1000"),
        ("0.000001200", "0.0000012"),
        ("1E-12", "0.000000000001"),
        ("-0.0", "0"),
        ("100", "100"),
        ("123456789012345678901234567890.123456789012", "123456789012345678901234567890.123456789012"),
    ],
)
def test_a_decimal_is_written_plainly(number: str, text: str) -> None:
    assert decimals.plain(Decimal(number)) == text
    assert decimals.dumps({"cost": Decimal(number)}) == b'{"cost":%s}' % text.encode()


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**20), max_value=10**20))
def test_every_decimal_comes_back_as_it_was(number: Decimal) -> None:
    assert json.loads(decimals.dumps(number), parse_float=Decimal, parse_int=Decimal) == number


@given(dividend=MONEY, divisor=st.integers(1, 10**9))
def test_a_quotient_is_rounded_half_even_to_twelve_places(dividend: Decimal, divisor: int) -> None:
    exact = Fraction(dividend) / divisor * 10**12
    assert decimals.quotient(dividend, divisor) == Decimal(round(exact)).scaleb(-12)  # round() is half-even


@given(st.lists(MONEY, max_size=20))
def test_a_total_keeps_every_digit(values: list[Decimal]) -> None:
    assert Fraction(decimals.total(values)) == sum(map(Fraction, values))


def test_the_surrounding_context_changes_nothing() -> None:
    with localcontext(prec=3, rounding=ROUND_HALF_EVEN):
        assert decimals.total([Decimal("1234.5678"), Decimal("0.0001")]) == Decimal("1234.5679")
        assert decimals.milliseconds(123456789) == Decimal("123456.789")


def test_nothing_is_divided_by_zero_and_nothing_grows_from_zero() -> None:
    assert decimals.quotient(Decimal(1), 0) is None
    assert decimals.change(Decimal(0), Decimal(5)) is None
    assert decimals.change(Decimal(4), Decimal(5)) == 25
