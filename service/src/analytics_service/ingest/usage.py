"""The normal form of usage, and how counts of any convention become it. Pure.

In the normal form `prompt_tokens` are all tokens that went in and `completion_tokens` all that came out; tokens read
from a cache or written to it and audio are parts of the one, reasoning and audio parts of the other. Counts that
contradict one another stay as they came: such a request has no price, and is counted.
"""

import itertools
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from analytics_service.ingest.conventions import Convention, Counted
from analytics_service.ingest.values import LARGEST
from analytics_service.pricing.rates import COMPLETION, PROMPT, Kind

WRITTEN: Final = "cache_write_tokens"
"""All tokens written to a cache, for five minutes or an hour: a field of files, and no column."""
TOOL_PROMPT: Final = "tool_prompt_tokens"
"""Tokens of the results of tools, which Gemini counts beside the prompt: a field of files, and no column."""
_PARTS: Final = frozenset({*PROMPT, *COMPLETION, WRITTEN, TOOL_PROMPT})
_RARE: Final = _PARTS - {"cached_tokens", "reasoning_tokens"}
_COLUMNS: Final = (*PROMPT, *COMPLETION)
_CACHE: Final = ("cached_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_OPTIONS: Final[Mapping[Counted, tuple[Counted, ...]]] = MappingProxyType(
    {
        Counted.INSIDE: (Counted.INSIDE,),
        Counted.BESIDE: (Counted.BESIDE,),
        Counted.TOTAL: (Counted.INSIDE, Counted.BESIDE),
        Counted.TOTAL_OR_INSIDE: (Counted.INSIDE, Counted.BESIDE),
        Counted.TOTAL_OR_BESIDE: (Counted.BESIDE, Counted.INSIDE),
    }
)
"""What each may be; the first is taken where no total decides."""
_FIXED: Final = frozenset({Counted.INSIDE, Counted.BESIDE})


class UnclearUsage(ValueError):
    """Counts that contradict one another, by name and number."""


def may_need_normalizing(columns: AbstractSet[str]) -> bool:
    """Whether rows of these columns may."""
    return not columns.isdisjoint(_PARTS) or {"total_tokens", "completion_tokens"} <= columns


def needs_normalizing(row: Mapping[str, Any]) -> bool:
    """Whether a row has counts for which it matters how its emitter counts, or a total that is not their sum."""
    if not row.keys().isdisjoint(_PARTS):
        return True
    total = row.get("total_tokens")
    return (
        total is not None
        and "completion_tokens" in row
        and total != row.get("prompt_tokens", 0) + row["completion_tokens"]
    )


def normalize(row: dict[str, Any], how: Convention) -> None:
    """Brings the counts of a row of `traces` into the normal form; UnclearUsage where they contradict one another.

    A row whose usage is unclear is not changed, but for WRITTEN and TOOL_PROMPT, which are no columns.
    """
    if how.is_inside and _is_normal(row):
        row["total_tokens"] = row["prompt_tokens"] + row["completion_tokens"]
        return
    parts = {name: row[name] for name in _COLUMNS if name in row}
    prompt, tools = row.get("prompt_tokens"), row.pop(TOOL_PROMPT, 0)
    completion, total = row.get("completion_tokens"), row.get("total_tokens")
    if WRITTEN in row:
        _split_written(parts, row.pop(WRITTEN))
    cache = sum([parts[name] for name in _CACHE if name in parts])
    audio = parts.get("audio_input_tokens", 0), parts.get("audio_output_tokens", 0)
    reasoning = parts.get("reasoning_tokens", 0)
    if how.audio is Counted.INSIDE and audio[0] and parts.get("cached_tokens"):
        raise UnclearUsage("cached_tokens and audio_input_tokens: nothing tells how many are both")
    ways = _ways(how, cache > 0, audio != (0, 0), reasoning > 0)
    rest = _rest(prompt, completion, tools, total)
    if ways.all_inside and not rest:
        beside_prompt, beside_completion = 0, 0
    else:
        beside_prompt, beside_completion = _beside(ways, cache, audio, reasoning, rest)
    all_in = None if prompt is None else prompt + tools + beside_prompt
    all_out = None if completion is None else completion + beside_completion
    _check("prompt_tokens", all_in, cache + audio[0], parts, PROMPT)
    _check("completion_tokens", all_out, audio[1] + reasoning, parts, COMPLETION)
    row.update(parts)
    if all_in is not None:
        row["prompt_tokens"] = all_in
    if all_out is not None:
        row["completion_tokens"] = all_out
    if all_in is not None and all_out is not None:
        row["total_tokens"] = all_in + all_out


def _is_normal(row: Mapping[str, Any]) -> bool:
    """Whether usage whose parts are inside is in the normal form already, but for its total, as most is."""
    prompt, completion = row.get("prompt_tokens"), row.get("completion_tokens")
    return (
        prompt is not None
        and completion is not None
        and row.get("cached_tokens", 0) <= prompt
        and row.get("reasoning_tokens", 0) <= completion
        and row.get("total_tokens") in {None, prompt + completion}
        and row.keys().isdisjoint(_RARE)
    )


def _split_written(parts: dict[str, int], written: int) -> None:
    """Tokens written to a cache count as those of five minutes, but for those that are given as of an hour."""
    rest = written - parts.get("cache_write_1h_tokens", 0)
    if rest < 0 or parts.get("cache_write_5m_tokens", rest) != rest:
        raise UnclearUsage(f"{WRITTEN} ({written}) are not the sum of those of 5 minutes and of 1 hour")
    if rest:
        parts["cache_write_5m_tokens"] = rest


def _rest(prompt: int | None, completion: int | None, tools: int, total: int | None) -> int | None:
    """What the total has beside the tokens of both sides; None where there is no total that can tell."""
    return None if total is None or prompt is None or completion is None else total - prompt - completion - tools


def _beside(ways: "_Ways", cache: int, audio: tuple[int, int], reasoning: int, rest: int | None) -> tuple[int, int]:
    """How many tokens are counted beside the prompt's, and beside the completion's."""

    def tokens(beside: _Beside) -> tuple[int, int]:
        return (
            beside.cache * cache + beside.audio * audio[0],
            beside.audio * audio[1] + beside.reasoning * reasoning,
        )

    first = tokens(ways.options[0])
    if ways.fixed or (rest == 0 and first == (0, 0)):
        return first
    if rest is None:
        if ways.needs_total:
            raise UnclearUsage("there is no total_tokens to show which tokens are counted beside the others")
        return first
    shown = {option for option in map(tokens, ways.options) if sum(option) == rest}
    if len(shown) != 1:
        raise UnclearUsage(f"total_tokens has {rest} more than prompt and completion, which the parts do not explain")
    return shown.pop()


class _Beside(NamedTuple):
    """Which kinds of tokens are counted beside the others."""

    cache: bool
    audio: bool
    reasoning: bool


class _Ways(NamedTuple):
    options: tuple[_Beside, ...]
    """The first is taken where no total decides."""
    fixed: bool
    """No total decides."""
    needs_total: bool
    all_inside: bool
    """Unless a total shows that there is more."""


@lru_cache(maxsize=1_000)
def _ways(how: Convention, *given: bool) -> _Ways:
    """The ways in which usage with these kinds of tokens (cache, audio, reasoning) may be counted."""
    counted = how.cache, how.audio, how.reasoning
    of_given = [each for each, is_given in zip(counted, given, strict=True) if is_given]
    options = [_OPTIONS[each] if is_given else (Counted.INSIDE,) for each, is_given in zip(counted, given, strict=True)]
    beside = tuple(_Beside(*[each is Counted.BESIDE for each in option]) for option in itertools.product(*options))
    needs_total = Counted.TOTAL in of_given
    return _Ways(
        options=beside,
        fixed=_FIXED.issuperset(of_given or counted),
        needs_total=needs_total,
        all_inside=not any(beside[0]) and not needs_total,
    )


def _check(name: str, tokens: int | None, inside: int, parts: Mapping[str, int], kinds: Mapping[str, Kind]) -> None:
    if tokens is not None and tokens > LARGEST:
        raise UnclearUsage(f"{name}: the sum is more than {LARGEST}")
    if inside > (tokens or 0):
        shown = ", ".join(f"{part} ({parts[part]})" for part in kinds if parts.get(part))
        raise UnclearUsage(f"{shown}: more than {name} ({'not known' if tokens is None else tokens})")
