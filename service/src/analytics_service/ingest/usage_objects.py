"""The members of objects of usage, by the field that each fills: those that several ways in have. Pure."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

LITELLM_USAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "prompt_tokens_details.cached_tokens": "cached_tokens",
        "cache_read_input_tokens": "cached_tokens",
        "cache_creation_input_tokens": "cache_write_tokens",
        "prompt_tokens_details.audio_tokens": "audio_input_tokens",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens": "cache_write_5m_tokens",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens": "cache_write_1h_tokens",
        "completion_tokens_details.reasoning_tokens": "reasoning_tokens",
        "completion_tokens_details.audio_tokens": "audio_output_tokens",
        "server_tool_use.web_search_requests": "web_searches",
        "service_tier": "service_tier",
    }
)
PROVIDER_USAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "prompt_tokens": "prompt_tokens",
        "input_tokens": "prompt_tokens",
        "completion_tokens": "completion_tokens",
        "output_tokens": "completion_tokens",
        "total_tokens": "total_tokens",
        "prompt_tokens_details.cached_tokens": "cached_tokens",
        "input_tokens_details.cached_tokens": "cached_tokens",
        "completion_tokens_details.reasoning_tokens": "reasoning_tokens",
        "output_tokens_details.reasoning_tokens": "reasoning_tokens",
        "prompt_tokens_details.audio_tokens": "audio_input_tokens",
        "completion_tokens_details.audio_tokens": "audio_output_tokens",
    }
)
"""As OpenAI answers it: chat completions, and responses."""
OPENINFERENCE_USAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "prompt": "prompt_tokens",
        "completion": "completion_tokens",
        "total": "total_tokens",
        "prompt_details.cache_read": "cached_tokens",
        "prompt_details.cache_write": "cache_write_tokens",
        "prompt_details.audio": "audio_input_tokens",
        "completion_details.reasoning": "reasoning_tokens",
        "completion_details.audio": "audio_output_tokens",
    }
)
LANGFUSE_USAGE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "input": "prompt_tokens",
        "output": "completion_tokens",
        "total": "total_tokens",
        "input_cached_tokens": "cached_tokens",
        "input_cache_read": "cached_tokens",
        "cache_read_input_tokens": "cached_tokens",
        "input_cache_creation": "cache_write_tokens",
        "cache_creation_input_tokens": "cache_write_tokens",
        "input_cache_creation_5m": "cache_write_5m_tokens",
        "input_cache_creation_1h": "cache_write_1h_tokens",
        "output_reasoning_tokens": "reasoning_tokens",
        "output_reasoning": "reasoning_tokens",
        "input_audio_tokens": "audio_input_tokens",
        "output_audio_tokens": "audio_output_tokens",
    }
)


def under(prefix: str, members: Mapping[str, str]) -> dict[str, str]:
    """The members by their paths from an object that has them in a member of this name."""
    return {f"{prefix}.{name}": field for name, field in members.items()}
