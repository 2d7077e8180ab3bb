"""The normal form of usage, and how each emitter's counts become it. Pure.

In the normal form `prompt_tokens` are all tokens that went in and `completion_tokens` all that came out; tokens read
from a cache or written to it and audio are parts of the one, reasoning and audio parts of the other. Counts that
contradict one another stay as they came: such a request has no price, and is counted.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from analytics_service.pricing.rates import COMPLETION, PROMPT

WRITTEN: Final = "cache_write_tokens"
"""All tokens written to a cache, for five minutes or an hour: a field of files, and no column."""
_PARTS: Final = frozenset({*PROMPT, *COMPLETION, WRITTEN})
_CACHE: Final = ("cached_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


class Place(StrEnum):
    """Where a kind of tokens is counted: in the input (or output) tokens, or beside them."""

    INSIDE = "inside"
    BESIDE = "beside"
    BY_TOTAL = "by total"
    """Inside or beside: whichever makes the total of both sides."""


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How an emitter counts."""

    cache_read: Place = Place.INSIDE
    cache_write: Place = Place.INSIDE
    reasoning: Place = Place.INSIDE
    fields_together: tuple[frozenset[str], ...] = ()
    """Sets of names of fields that only this emitter uses together."""


def _together(first: str, *others: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset({first, other}) for other in others)


CONVENTIONS: Final[Mapping[str, Convention]] = MappingProxyType(
    {
        "openai": Convention(),
        "anthropic": Convention(
            cache_read=Place.BESIDE,
            cache_write=Place.BESIDE,
            fields_together=_together(
                "input_tokens",
                *("cache_read_input_tokens", "cache_creation_input_tokens"),
                *("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
            ),
        ),
        "bedrock": Convention(cache_read=Place.BESIDE, cache_write=Place.BESIDE),
        "gemini": Convention(reasoning=Place.BY_TOTAL),
    }
)
"""Every emitter whose usage is understood, by the name that `--usage` takes."""


class UnclearUsage(ValueError):
    """Which counts contradict one another."""


def has_parts(row: Mapping[str, Any]) -> bool:
    """Whether a row has counts for which it matters how its emitter counts."""
    return not row.keys().isdisjoint(_PARTS)


def convention(names: AbstractSet[str], default: str = "openai") -> Convention:
    """The convention that the names of the fields tell."""
    for each in CONVENTIONS.values():
        if any(fields <= names for fields in each.fields_together):
            return each
    return CONVENTIONS[default]


def normalize(row: dict[str, Any], how: Convention) -> None:
    """Brings the counts of a row of `traces` into the normal form; UnclearUsage where they contradict one another.

    A row whose usage is unclear is not changed, but for WRITTEN, which is no column.
    """
    parts = {name: row[name] for name in (*PROMPT, *COMPLETION) if name in row}
    _split_written(parts, row.pop(WRITTEN, None))
    prompt, completion = row.get("prompt_tokens"), row.get("completion_tokens")
    total = row.get("total_tokens")
    cache = [parts.get(name, 0) for name in _CACHE]
    beside = (cache[0] if how.cache_read is Place.BESIDE else 0) + (
        sum(cache[1:]) if how.cache_write is Place.BESIDE else 0
    )
    all_in = prompt + beside if prompt is not None else None
    all_out = _completion(completion, parts.get("reasoning_tokens", 0), how.reasoning, all_in, total)
    _check("prompt_tokens", all_in, [(name, parts.get(name, 0)) for name in PROMPT])
    _check("completion_tokens", all_out, [(name, parts.get(name, 0)) for name in COMPLETION])
    row.update(parts)
    if all_in is not None:
        row["prompt_tokens"] = all_in
    if all_out is not None:
        row["completion_tokens"] = all_out
    if total is not None and prompt is not None and completion is not None and total == prompt + completion:
        row["total_tokens"] = (all_in or 0) + (all_out or 0)


def _split_written(parts: dict[str, int], written: int | None) -> None:
    """Of tokens written to a cache those are of five minutes that are not said to be of an hour."""
    if written is None:
        return
    rest = written - parts.get("cache_write_1h_tokens", 0)
    if rest < 0 or parts.get("cache_write_5m_tokens", rest) != rest:
        raise UnclearUsage(f"{WRITTEN} ({written}) are not the sum of those of 5 minutes and of 1 hour")
    if rest:
        parts["cache_write_5m_tokens"] = rest


def _completion(
    completion: int | None, reasoning: int, place: Place, prompt: int | None, total: int | None
) -> int | None:
    if completion is None or not reasoning or place is Place.INSIDE:
        return completion
    if place is Place.BESIDE or total == (prompt or 0) + completion + reasoning:
        return completion + reasoning
    if total == (prompt or 0) + completion:
        return completion
    raise UnclearUsage(
        f"reasoning_tokens ({reasoning}): total_tokens does not tell whether they are part of the output"
    )


def _check(name: str, tokens: int | None, parts: list[tuple[str, int]]) -> None:
    amount = sum(part for _, part in parts)
    if amount > (tokens or 0):
        shown = ", ".join(f"{part} ({number})" for part, number in parts if number)
        raise UnclearUsage(f"{shown}: more than {name} ({'missing' if tokens is None else tokens})")
