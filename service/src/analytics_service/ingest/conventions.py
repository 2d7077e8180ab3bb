"""How each emitter counts tokens, in one table. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any, Final


class Counted(StrEnum):
    """Where a kind of tokens is counted: in the input (or output) tokens, or beside them."""

    INSIDE = "inside"
    BESIDE = "beside"
    TOTAL = "as the total shows"
    """Unclear without a total of all that went in and came out."""
    TOTAL_OR_INSIDE = "as the total shows, else inside"
    TOTAL_OR_BESIDE = "as the total shows, else beside"


@dataclass(frozen=True, kw_only=True, eq=False)
class Convention:
    """How an emitter counts."""

    cache: Counted = Counted.TOTAL_OR_INSIDE
    """Tokens read from it, and tokens written to it."""
    reasoning: Counted = Counted.TOTAL_OR_INSIDE
    audio: Counted = Counted.INSIDE
    fields: tuple[frozenset[str], ...] = ()
    """Sets of names of fields that only this emitter uses together."""
    source: str
    """Where it says so, or where its code does it."""

    @cached_property
    def is_inside(self) -> bool:
        """Tokens of caches and reasoning are inside, unless a total shows that there is more."""
        return {self.cache, self.reasoning} <= {Counted.INSIDE, Counted.TOTAL_OR_INSIDE}


def _together(first: str, *others: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset({first, other}) for other in others)


CONVENTIONS: Final[Mapping[str, Convention]] = MappingProxyType(
    {
        "openai": Convention(source="openai-python: types/completion_usage.py, types/responses/response_usage.py"),
        "anthropic": Convention(
            cache=Counted.BESIDE,
            reasoning=Counted.INSIDE,
            fields=_together(
                "input_tokens",
                *("cache_read_input_tokens", "cache_creation_input_tokens", "cache_write_input_tokens"),
                *("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
            ),
            source="anthropic-sdk-python: types/usage.py",
        ),
        "bedrock": Convention(
            cache=Counted.BESIDE,
            reasoning=Counted.INSIDE,
            source="Amazon Bedrock, API reference of the runtime: TokenUsage",
        ),
        "gemini": Convention(
            cache=Counted.INSIDE,
            reasoning=Counted.TOTAL,
            fields=(frozenset({"thoughts_token_count"}),),
            source="python-genai: types.py, GenerateContentResponseUsageMetadata",
        ),
        "cohere": Convention(source="cohere-python: types/usage.py"),
        "deepseek": Convention(source="DeepSeek's API: prompt_tokens are hits and misses of the cache"),
        "mistral": Convention(source="client-python: models/usageinfo.py"),
        "perplexity": Convention(reasoning=Counted.BESIDE, source="perplexity-py: types/shared/usage_info.py"),
        "xai": Convention(reasoning=Counted.TOTAL, source="xai-sdk-python: proto/v6/usage_pb2.pyi"),
        "helicone": Convention(
            cache=Counted.BESIDE,
            reasoning=Counted.BESIDE,
            fields=(frozenset({"prompt_cache_read_tokens"}), frozenset({"prompt_cache_write_tokens"})),
            source="helicone: packages/cost/usage, valhalla/jawn/src/lib/handlers",
        ),
        "langfuse": Convention(
            cache=Counted.TOTAL_OR_BESIDE,
            reasoning=Counted.TOTAL_OR_BESIDE,
            audio=Counted.TOTAL_OR_BESIDE,
            source="langfuse-docs: token-and-cost-tracking",
        ),
        "langsmith": Convention(cache=Counted.INSIDE, source="langsmith-sdk: python/langsmith/schemas.py"),
        "litellm": Convention(source="litellm: llms/anthropic/chat/transformation.py"),
        "openinference": Convention(source="openinference: spec/semantic_conventions.md, instrumentations"),
        "openrouter": Convention(source="OpenRouter's documentation: usage accounting"),
        "opentelemetry": Convention(
            cache=Counted.INSIDE,
            reasoning=Counted.INSIDE,
            source="semantic conventions 1.40 and later: gen_ai.usage.input_tokens",
        ),
        "opentelemetry-before-1.40": Convention(
            cache=Counted.TOTAL,
            reasoning=Counted.INSIDE,
            source="semantic conventions before 1.40, which have no rule",
        ),
        "openai-usage": Convention(
            cache=Counted.INSIDE,
            reasoning=Counted.INSIDE,
            audio=Counted.BESIDE,
            source="OpenAI, API reference of organization/usage: input_tokens are those of text",
        ),
        "portkey": Convention(source="gateway: src/providers"),
    }
)
"""Every emitter whose usage is understood, by the name that `--usage` takes.

The first is that of files whose fields tell no other: what the total cannot show to be beside is inside.
"""

TELLING: Final[frozenset[str]] = frozenset().union(*(names for each in CONVENTIONS.values() for names in each.fields))
"""The names of fields that tell a convention."""


def convention_name(value: Any) -> str:
    """The name of a convention; ValueError lists all of them."""
    if not isinstance(value, str) or value not in CONVENTIONS:
        raise ValueError(f"{str(value)[:40]!r} is not one of {', '.join(CONVENTIONS)}")
    return value


@lru_cache(maxsize=1_000)
def convention(names: frozenset[str]) -> Convention:
    """The convention that the names of the fields tell."""
    for each in CONVENTIONS.values():
        if any(fields <= names for fields in each.fields):
            return each
    return CONVENTIONS["openai"]
