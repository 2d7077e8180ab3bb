"""Price books of one's own: what they charge, and what is refused with its line."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from analytics_service.pricing.book import BadBook, PriceBook, read
from analytics_service.pricing.rates import cost
from analytics_service.pricing.sources import Lookup
from analytics_service.pricing.yaml_lines import MAX_BYTES

AT = datetime(2026, 3, 1, tzinfo=UTC)
BOOK = """name: acme
currencies: {EUR: 1.08}
prices:
  - model: in-house-*
    from: 2026-01-01
    currency: EUR
    per_million: {input: 0.5, cache_read: 0.05, output: 1.5}
    above: [{prompt_tokens: 200000, per_million: {input: 1, output: 3}}]
  - {model: in-house-7b, per_million: {input: 0.1, output: 0.1}}
  - {model: in-house-7b, organisation: acme, per_million: {input: 0.2, output: 0.2}}
  - {model: in-house-7b, provider: bedrock, per_million: {input: 0.3, output: 0.3}}
  - {model: Painter, per_unit: {images: 0.04}, per_request: 0.001}
  - {model: listener, per_second: 0.0001}
  - {model: changing, to: 2026-02-01, per_million: {input: 1}}
  - {model: changing, from: 2026-02-01, to: "2026-03-01T12:00:00+01:00", per_million: {input: 2}}
  - {model: queued, service_tier: batch, per_million: {input: 1}}
"""


def total(
    model: str,
    *,
    organisation: str = "globex",
    provider: str = "own",
    tier: str = "",
    at: datetime = AT,
    book: PriceBook | None = None,
    **usage: Any,
) -> Decimal | None:
    usage = usage or {"prompt_tokens": 1_000_000, "completion_tokens": 1_000_000}
    tiers = (book or read(BOOK)).tiers(Lookup(organisation, provider, model, tier, at))
    computed = cost(usage, tiers.at(usage.get("prompt_tokens", 0))) if tiers else None
    return computed.total if computed else None


def test_entries_are_chosen_by_name_organisation_and_provider() -> None:
    assert total("in-house-7b") == Decimal("0.2")
    assert total("In-House-7B") == Decimal("0.2"), "in any case of letters"
    assert total("own/in-house-7b", provider="") is None, "an unknown prefix is part of the name"
    assert total("openai/in-house-7b", provider="") == Decimal("0.2"), "a gateway's prefix is not"
    assert total("in-house-7b", organisation="acme") == Decimal("0.4")
    assert total("in-house-7b", provider="aws") == Decimal("0.6")
    assert total("outside") is None


@pytest.mark.parametrize(
    ("entries", "organisation", "provider", "model", "price"),
    [
        pytest.param("{model: '*'} {model: gpt-4o}", "o", "", "azure/gpt-4o", 2, id="exact before a pattern"),
        pytest.param("{model: gpt-4*} {model: gpt-4o}", "o", "", "gpt-4o-2024-08-06", 2, id="exact without its date"),
        pytest.param("{model: gpt-4o} {model: gpt-*, organisation: o}", "o", "", "gpt-4o", 2, id="organisation first"),
        pytest.param("{model: gpt-4o} {model: gpt-4o, provider: azure}", "o", "", "azure/gpt-4o", 2, id="a prefix"),
        pytest.param("{model: m} {model: m, provider: bedrock}", "o", "aws", "m", 2, id="a provider's other name"),
        pytest.param("{model: m-*} {model: m-large-*}", "o", "", "m-large-1", 2, id="the longer pattern"),
    ],
)
def test_the_most_exact_entry_gives_the_price(
    entries: str, organisation: str, provider: str, model: str, price: int
) -> None:
    lines = [f"- {each[:-1]}, per_request: {number}}}" for number, each in enumerate(re.findall("{.*?}", entries), 1)]
    book = read("name: a\nprices:\n" + "\n".join(lines))
    assert total(model, organisation=organisation, provider=provider, book=book) == price


def test_the_standard_tier_has_many_names() -> None:
    entries = ("{model: m, service_tier: Standard, per_request: 1}", "{model: m, service_tier: BATCH, per_request: 2}")
    book = read(f"name: a\nprices: [{', '.join(entries)}]")
    assert [total("m", tier=tier, book=book) for tier in ("", "batch")] == [1, 2]


def test_a_pattern_has_currency_kinds_and_bounds() -> None:
    small: Any = {
        "prompt_tokens": 200_000,
        "completion_tokens": 1000,
        "cached_tokens": 100_000,
        "reasoning_tokens": 500,
    }
    expected = (Decimal("0.05") + Decimal("0.005") + Decimal("0.0015")) * Decimal("1.08")
    assert total("in-house-70b", **small) == expected
    large: Any = {"prompt_tokens": 200_001, "completion_tokens": 0}
    assert total("in-house-70b", **large) == Decimal("0.200001") * Decimal("1.08")
    assert total("in-house-70b", at=datetime(2025, 12, 31, 23, 59, tzinfo=UTC)) is None


def test_images_seconds_and_requests() -> None:
    assert total("painter", images=3) == Decimal("0.121")
    assert total("listener", audio_seconds=Decimal("1.5")) == Decimal("0.00015")


def test_prices_follow_one_another() -> None:
    usage: Any = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
    at = [datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC), AT.replace(hour=11)]
    assert [total("changing", at=moment, **usage) for moment in at] == [1, 2, None]


def test_a_tier_has_prices_of_its_own() -> None:
    usage: Any = {"prompt_tokens": 1_000_000, "completion_tokens": 0}
    assert total("queued", tier="batch", **usage) == 1
    assert total("queued", **usage) is None
    assert read(BOOK).knows(Lookup("globex", "own", "queued", "", AT))


def test_the_version_is_of_the_content() -> None:
    assert read(BOOK).version == read(BOOK + "# a remark\n").version != read(BOOK.replace("0.04", "0.05")).version
    assert read(BOOK).version.startswith("book acme ")


def test_json_is_read_too() -> None:
    book = read(json.dumps({"name": "j", "prices": [{"model": "m", "per_million": {"input": 0.1}}]}, indent=1))
    assert total("m", book=book, prompt_tokens=10**6) == Decimal("0.1")


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        pytest.param("", ["line 1: the file: is no mapping"], id="empty"),
        pytest.param("name: [", ["line 1: "], id="no YAML"),
        pytest.param("name: a\nname: b\n", ["line 2: name is given twice"], id="twice"),
        pytest.param("name: &a x\nprices: *a\n", ["line 2: references (*a) are not read"], id="a reference"),
        pytest.param("name: a\nprices: []\n", ["line 2: prices: is empty"], id="no prices"),
        pytest.param("name: a\nprices:\n  - model: m\n", ["line 3: prices.0: has no price"], id="no price"),
        pytest.param(
            "name: a\nprices:\n  - model: m\n    per_million: {input: -1, outptu: 2}\n",
            ["line 4: prices.0.per_million.input: ", "line 4: prices.0.per_million.outptu: "],
            id="a negative price, and an unknown kind",
        ),
        pytest.param("name: a\nprices: [{model: m, per_million: {input: .nan}}]\n", ["line 2: "], id="no number"),
        pytest.param("name: a\nprices: [{model: m, per_request: yes}]\n", ["line 2: "], id="a boolean"),
        pytest.param(
            "name: a\nprices:\n- {model: m, currency: EUR, per_request: 1}\n",
            ["line 3: prices.0.currency: EUR is not among currencies: give its rate"],
            id="a currency without a rate",
        ),
        pytest.param(
            "name: a\nprices:\n- {model: m, per_request: 1, to: 2026-02-02}\n- {model: M, per_request: 2}\n",
            ["line 4: m: has two prices from 1970-01-01 00:00: see line 3"],
            id="two prices for one moment",
        ),
        pytest.param(
            "name: a\nprices:\n- {model: m, per_request: 1, from: 2026-02-02, to: 2026-02-02}\n",
            ["line 3: prices.0: to is not after from"],
            id="no time",
        ),
        pytest.param(
            "name: a\nprices:\n- {model: m, per_request: 1, from: tomorrow}\n",
            ["line 3: prices.0.from: is neither a day nor a time"],
            id="no day",
        ),
        pytest.param("name: a\ncurrencies: {USD: 1.1}\nprices: [{model: m, per_request: 1}]\n", ["line 2: "], id="USD"),
        *(
            pytest.param(
                f"name: a\nprices: \n- model: m\n  per_million: {{input: {number}}}\n",
                [f"line 4: prices.0.per_million.input: {number} is not decimal"],
                id=number,
            )
            for number in ("1:30", "1:30.5", "010", "-010", "0_1", "0x10", "0b10", "00.5")
        ),
        pytest.param(
            "name: a\nprices:\n- {model: m, per_request: 1, above: [{prompt_tokens: yes, per_million: {input: 1}}]}\n",
            ["line 3: prices.0.above.0.prompt_tokens: "],
            id="a boolean for a bound",
        ),
        pytest.param("name: a\nprices:\n- {? [b] : 1}\n", ["line 3: a list or a mapping"], id="a list for a name"),
        pytest.param("name: 0755\nprices: []\n", ["line 1: name: 0755 is not decimal"], id="a name"),
        *(
            pytest.param(
                f"name: a\nprices:\n- {{model: m, per_request: 1, {field}: {value}}}\n",
                [f"line 3: prices.0.{field}: is neither a day nor a time"],
                id=f"{field} {value}",
            )
            for field, value in (
                ("from", "2026"),
                ("to", "20261231"),
                ("from", "2026.5"),
                ("to", "yes"),
                ("to", "null"),
            )
        ),
        *(
            pytest.param(
                f"name: a\ncurrencies: {{EUR: {rate}}}\nprices: [{{model: m, currency: EUR, per_request: 1}}]\n",
                ["line 2: currencies.EUR: "],
                id=f"a rate of {rate}",
            )
            for rate in ('"1e60"', '"1e999999"', "1.0e+9", '"1e-60"', "0", ".inf")
        ),
        pytest.param(
            '{"name": "a", "prices": [{"model": "m", "per_request": 1, "from": 2026}]}',
            ["line 1: prices.0.from: is neither a day nor a time"],
            id="a number for a time in JSON",
        ),
        pytest.param(
            "name: a\nprices:\n- {model: m, provider: aws, per_request: 1}\n"
            "- {model: m, provider: bedrock, per_request: 2}\n",
            ["line 4: m: has two prices"],
            id="two names of one provider",
        ),
        pytest.param("name: a\nprices: [{model: '*m*', per_request: 1}]\n", ["has a * before its end"], id="pattern"),
        pytest.param("name: a b\nprices: [{model: m, per_request: 1}]\n", ["line 1: name: "], id="a name with a blank"),
        pytest.param("# " + "x" * MAX_BYTES, ["bytes"], id="too large"),
        pytest.param("name: a\nprices: " + "[" * 5000, ["line 2: "], id="too deep"),
        pytest.param("name: a\nprices: " + "[" * 40 + "]" * 40, ["line 2: is nested deeper"], id="too deep, and whole"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, reasons: list[str]) -> None:
    with pytest.raises(BadBook) as caught:
        read(text)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(reasons)
    assert all(reason in line for reason, line in zip(reasons, lines, strict=True)), lines


def test_the_largest_prices_and_rates_have_a_cost() -> None:
    largest = Decimal(10**9 - 1)
    prices = f"[{{model: m, currency: EUR, per_unit: {{images: {largest}}}}}]"
    text = f"name: a\ncurrencies: {{EUR: {largest}}}\nprices: {prices}\n"
    assert total("m", book=read(text), images=2**31 - 1) == largest**2 * (2**31 - 1)


def test_numbers_are_what_they_look_like() -> None:
    prices = "[{model: m, per_request: 0.5}, {model: n, per_request: 1_0}, {model: o, per_request: 0}]"
    with pytest.raises(BadBook, match=r"prices\.2: has no price"):
        read(f"name: a\nprices: {prices}\n")
    book = read(f"name: a\nprices: {prices.replace('t: 0}', 't: +2}')}\n")
    assert [entry.per_request for entry in book.entries] == [Decimal("0.5"), 10, 2]


def test_json_may_be_indented_by_tabs_and_keeps_its_lines() -> None:
    prices = [{"model": "own", "per_million": {"input": 1e-1, "output": 2}}]
    text = json.dumps({"name": "acme", "prices": prices}, indent="\t")
    assert total("own", book=read(text)) == Decimal("2.1")
    with pytest.raises(BadBook, match=r"^line 8: prices\.0\.per_million\.output: "):
        read(text.replace("2", "-2"))
    with pytest.raises(BadBook, match=r"^line 4: model is given twice$"):
        read('{"name": "acme", "prices": [{\n\t"model": "own",\n\t"per_million": {"input": 1},\n\t"model": "own"}]}')
