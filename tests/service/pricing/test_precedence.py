"""The order in which books are asked: an organisation's own price first within a level, levels one after another."""

import json
from datetime import UTC, datetime

import pytest

from analytics_service.pricing.book import PriceBook, read
from analytics_service.pricing.precedence import in_order, versions
from analytics_service.pricing.rates import cost
from analytics_service.pricing.sources import Lookup

AT = datetime(2026, 3, 1, tzinfo=UTC)
ONE_MILLION = {"prompt_tokens": 1_000_000, "completion_tokens": 0}


def a_book(name: str, **rates: int) -> PriceBook:
    """By organisation, what a million tokens cost it; `everybody` is an entry for all."""
    prices = [
        {"model": "m", "per_million": {"input": rate}} | ({} if who == "everybody" else {"organisation": who})
        for who, rate in rates.items()
    ]
    return read(json.dumps({"name": name, "prices": prices}))


def charged(organisation: str, *levels: list[PriceBook]) -> tuple[str, int] | None:
    for source in in_order(*levels):
        tiers = source.tiers(Lookup(organisation, "", "m", "", AT))
        if tiers is not None:
            computed = cost(ONE_MILLION, tiers.at(1_000_000))
            return (source.version.split()[1], int(computed.total)) if computed else None
    return None


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        pytest.param([[a_book("a", everybody=1)]], ("a", 1), id="one for all"),
        pytest.param([[a_book("a", everybody=1, acme=2)]], ("a", 2), id="its own within a book"),
        pytest.param([[a_book("a", everybody=1), a_book("b", acme=2)]], ("b", 2), id="its own in a later book"),
        pytest.param([[a_book("a", acme=1), a_book("b", acme=2)]], ("a", 1), id="its own in both"),
        pytest.param([[a_book("a", everybody=1), a_book("b", everybody=2)]], ("a", 1), id="for all in both"),
        pytest.param([[a_book("a", globex=1), a_book("b", everybody=2)]], ("b", 2), id="another's is not its own"),
        pytest.param([[a_book("a", everybody=1)], [a_book("b", acme=2)]], ("a", 1), id="a level decides before"),
        pytest.param([[], [a_book("b", everybody=2)]], ("b", 2), id="a level without books"),
        pytest.param([[a_book("a", globex=1)], []], None, id="no price"),
    ],
)
def test_an_own_price_comes_first_within_a_level(
    levels: list[list[PriceBook]], expected: tuple[str, int] | None
) -> None:
    assert charged("acme", *levels) == expected


def test_a_book_of_two_sources_has_one_version() -> None:
    one, other = a_book("a", everybody=1, acme=2), a_book("b", everybody=1)
    assert len(in_order([one, other])) == 4, "own entries, entries for all of both, and the package's list"
    named = versions(in_order([one, other]))
    assert named[:2] == (one.version, other.version)
    assert len(named) == 3
