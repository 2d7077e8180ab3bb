"""Two rows of one span become one: the same one, in whatever order they arrive. Pure.

The row of the newer version is taken as it is. Of rows without a version, or of the same one, each group of columns
takes what its rule says. Rules choose or unite, so they commute: the sums of a store depend on what arrived, and not
on when. The usage is that of one of both rows and never a mixture, whose parts might contradict one another.
"""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Final, TypeAlias

from analytics_service.ingest.fields import COLUMNS, COSTS, DEFAULTS, PRICE, USAGE
from analytics_service.ingest.rows import USAGE_UNCLEAR, SpanRow
from analytics_service.ingest.strings import MAX_ATTRIBUTES, MAX_TAGS, dump_json, load_json
from analytics_service.pricing.columns import PriceStatus, is_given

Rule: TypeAlias = Callable[[Any, Any], Any]
"""Of two values that differ, of which none is absent."""

KEY: Final = ("org_id", "trace_id", "span_id")
VERSION: Final = "updated_at"
_TOKENS: Final = ("prompt_tokens", "completion_tokens")
_USAGE: Final = (*USAGE, USAGE_UNCLEAR)
_GIVEN, _PARTIAL = PriceStatus.GIVEN.value, PriceStatus.PARTIAL.value
_PRICED_BY: Final = ("ts", "provider", "model", "service_tier", "is_request", *_USAGE)
"""What a computed cost follows from."""


def _longer(one: str, other: str) -> str:
    return max(one, other, key=lambda text: (len(text), text))


def _first_tags(one: list[str], other: list[str]) -> list[str]:
    """Of both, in the order of the alphabet, as many as can be stored."""
    return sorted({*one, *other})[:MAX_TAGS]


def _members(one: str, other: str) -> str:
    """The members of both objects, and of one that differs the greater as text; the longer object where both together
    are more than can be stored.
    """
    left, right = load_json(one), load_json(other)
    both = {**left, **right}
    for name in left.keys() & right.keys():
        both[name] = max(left[name], right[name], key=dump_json)
    dumped = dump_json(both, sort_keys=True)
    return dumped if len(dumped.encode()) <= MAX_ATTRIBUTES else _longer(one, other)


RULES: Final[Mapping[str, Rule]] = {
    "ts": min,
    "status_code": min,  # ERROR before OK
    "input_text": _longer,
    "output_text": _longer,
    "tags": _first_tags,
    "attributes": _members,
}
"""By column; the others take the greater value, of text by its characters. What is absent loses to all else."""
_GROUPED: Final = frozenset({*KEY, VERSION, "operation_type", "is_request", *_USAGE, *PRICE})
_ALONE: Final = tuple(name for name in COLUMNS if name not in _GROUPED)


def merged(one: SpanRow, other: SpanRow) -> SpanRow:
    """The row of both, of which `needs_price` tells whether its cost has to be computed again."""
    if one.get(VERSION) != other.get(VERSION):
        newer = max((each for each in (one, other) if VERSION in each), key=itemgetter(VERSION))
        return dict(newer)
    both = _known(one), _known(other)
    row: SpanRow = {name: one[name] for name in (*KEY, VERSION) if name in one}
    operation = max(both, key=_operation)
    _take(row, ("operation_type",), operation)
    row["is_request"] = max([each for each in both if _is_decided(each)] or [operation], key=_operation)["is_request"]
    _take(row, _USAGE, max(both, key=_usage))
    for name in _ALONE:
        values = [each[name] for each in both if name in each]
        if values:
            row[name] = values[0] if values[0] == values[-1] else RULES.get(name, max)(*values)
    _take_price(row, both)
    if USAGE_UNCLEAR in row:
        attributes = load_json(row.get("attributes", "{}"))
        row["attributes"] = dump_json({**attributes, USAGE_UNCLEAR: row.pop(USAGE_UNCLEAR)}, sort_keys=True)
        row.setdefault("price_status", PriceStatus.NONE.value)
    return {**DEFAULTS, **row}


def needs_price(row: SpanRow) -> bool:
    """Whether it is a request whose cost is neither given nor computed."""
    return row["is_request"] and row["price_status"] == "" and row.keys().isdisjoint(COSTS)


def _known(row: SpanRow) -> SpanRow:
    """What it says; why its usage is unclear goes with the usage."""
    known = {name: value for name, value in row.items() if value != DEFAULTS.get(name)}
    if f'"{USAGE_UNCLEAR}"' in row.get("attributes", ""):
        attributes = load_json(known.pop("attributes"))
        known[USAGE_UNCLEAR] = attributes.pop(USAGE_UNCLEAR)
        if attributes:
            known["attributes"] = dump_json(attributes, sort_keys=True)
    return known


def _take(row: SpanRow, names: tuple[str, ...], source: SpanRow) -> None:
    row.update({name: source[name] for name in names if name in source})


def _is_decided(row: SpanRow) -> bool:
    """Releases before 0.4, of which requests have no status, took every span for one."""
    return "price_status" in row or not row["is_request"]


def _operation(row: SpanRow) -> tuple[str, bool]:
    return row.get("operation_type", ""), row["is_request"]


def _usage(row: SpanRow) -> tuple[Any, ...]:
    """Some before none, then clear counts, then those of both sides, then the larger."""
    counts = [row.get(name, -1) for name in _USAGE if name != USAGE_UNCLEAR]
    both_sides = all(name in row for name in _TOKENS)
    return max(counts) >= 0, USAGE_UNCLEAR not in row, both_sides, *counts, row.get(USAGE_UNCLEAR, "")


def _cost(row: SpanRow) -> tuple[Any, ...]:
    is_partial = row.get("price_status") == _PARTIAL
    return not is_partial, *(row.get(name, -1) for name in COSTS), row.get("price_version", "")


def _take_price(row: SpanRow, both: tuple[SpanRow, SpanRow]) -> None:
    """The greater cost that was given, else the computed one of a row that it holds for."""
    if given := [each for each in both if not each.keys().isdisjoint(COSTS) and is_given(each)]:
        best = max(given, key=_cost)
        _take(row, (*COSTS, "price_version"), best)
        is_partial = best.get("price_status") == _PARTIAL
        row["price_status"] = _PARTIAL if is_partial else _GIVEN if row["is_request"] else ""
        return
    for each in both:
        if not each.keys().isdisjoint(("price_status", "price_version")) and all(
            each.get(name) == row.get(name) for name in _PRICED_BY
        ):
            _take(row, PRICE, each)
            return
