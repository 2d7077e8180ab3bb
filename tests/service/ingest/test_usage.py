"""Usage as it was recorded from each emitter, and its normal form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.ingest.conventions import CONVENTIONS, convention
from analytics_service.ingest.usage import UnclearUsage, needs_normalizing, normalize
from analytics_service.pricing.rates import COMPLETION, PROMPT


def usage(prompt: int | None = None, completion: int | None = None, total: int | None = None, **parts: int) -> Any:
    given_ = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total, **parts}
    return {name: value for name, value in given_.items() if value is not None}


@pytest.mark.parametrize(
    ("emitter", "came", "normal"),
    [
        pytest.param(
            "openai",
            usage(4020, 4, 4024, cache_write_tokens=4012),
            usage(4020, 4, 4024, cache_write_5m_tokens=4012),
            id="OpenAI writes inside the prompt",
        ),
        pytest.param(
            "openai",
            usage(1000, 500, 1500, cached_tokens=400, reasoning_tokens=300, audio_output_tokens=100),
            usage(1000, 500, 1500, cached_tokens=400, reasoning_tokens=300, audio_output_tokens=100),
            id="OpenAI",
        ),
        pytest.param(
            "anthropic",
            usage(100, 200, cached_tokens=10_000, cache_write_tokens=500, cache_write_1h_tokens=200),
            usage(10_600, 200, 10_800, cached_tokens=10_000, cache_write_5m_tokens=300, cache_write_1h_tokens=200),
            id="Anthropic, with the split of what was written",
        ),
        pytest.param(
            "bedrock",
            usage(3, 121, 2072, cached_tokens=1712, cache_write_tokens=236),
            usage(1951, 121, 2072, cached_tokens=1712, cache_write_5m_tokens=236),
            id="Bedrock's total has the cache",
        ),
        pytest.param(
            "gemini",
            usage(22, 10, 272, reasoning_tokens=240),
            usage(22, 250, 272, reasoning_tokens=240),
            id="Gemini thinks beside",
        ),
        pytest.param(
            "gemini",
            usage(11, 105, 337, tool_prompt_tokens=131, reasoning_tokens=90),
            usage(142, 195, 337, reasoning_tokens=90),
            id="Gemini with tools",
        ),
        pytest.param(
            "gemini",
            usage(22, 250, 272, reasoning_tokens=240),
            usage(22, 250, 272, reasoning_tokens=240),
            id="thinking inside",
        ),
        pytest.param(
            "xai", usage(12, 1, 303, reasoning_tokens=290), usage(12, 291, 303, reasoning_tokens=290), id="xAI, chat"
        ),
        pytest.param(
            "xai",
            usage(216, 863, 1079, reasoning_tokens=800),
            usage(216, 863, 1079, reasoning_tokens=800),
            id="xAI, responses",
        ),
        pytest.param(
            "perplexity",
            usage(33, 11_395, 11_428, reasoning_tokens=193_947),
            usage(33, 205_342, 205_375, reasoning_tokens=193_947),
            id="Perplexity's total leaves reasoning out",
        ),
        pytest.param(
            "deepseek", usage(563, 116, 679, cached_tokens=512), usage(563, 116, 679, cached_tokens=512), id="DeepSeek"
        ),
        pytest.param("mistral", usage(268, 1, cached_tokens=224), usage(268, 1, 269, cached_tokens=224), id="Mistral"),
        pytest.param(
            "openrouter",
            usage(17, 2177, 2194, reasoning_tokens=960),
            usage(17, 2177, 2194, reasoning_tokens=960),
            id="OpenRouter",
        ),
        pytest.param(
            "helicone",
            usage(100, 50, 180, cached_tokens=900, reasoning_tokens=30),
            usage(1000, 80, 1080, cached_tokens=900, reasoning_tokens=30),
            id="Helicone's total has reasoning and no cache",
        ),
        pytest.param(
            "langfuse",
            usage(100, 50, cached_tokens=900, audio_input_tokens=10, reasoning_tokens=30),
            usage(1010, 80, 1090, cached_tokens=900, audio_input_tokens=10, reasoning_tokens=30),
            id="Langfuse's buckets",
        ),
        pytest.param(
            "langfuse",
            usage(1000, 80, 1080, cached_tokens=900, reasoning_tokens=30),
            usage(1000, 80, 1080, cached_tokens=900, reasoning_tokens=30),
            id="Langfuse, stored as OpenAI counted",
        ),
        pytest.param(
            "portkey",
            usage(100, 200, 10_800, cached_tokens=10_000, cache_write_tokens=500),
            usage(10_600, 200, 10_800, cached_tokens=10_000, cache_write_5m_tokens=500),
            id="Portkey in front of Anthropic",
        ),
        pytest.param(
            "litellm",
            usage(10_600, 200, 10_800, cached_tokens=10_000, cache_write_tokens=500),
            usage(10_600, 200, 10_800, cached_tokens=10_000, cache_write_5m_tokens=500),
            id="LiteLLM in front of Anthropic",
        ),
        pytest.param(
            "litellm",
            usage(12, 1, 303, reasoning_tokens=290),
            usage(12, 291, 303, reasoning_tokens=290),
            id="LiteLLM in front of xAI",
        ),
        pytest.param(
            "opentelemetry",
            usage(1000, 10, cached_tokens=900),
            usage(1000, 10, 1010, cached_tokens=900),
            id="OpenTelemetry since 1.40",
        ),
    ],
)
def test_recorded_usage_has_a_normal_form(emitter: str, came: Any, normal: Any) -> None:
    row = dict(came)
    normalize(row, CONVENTIONS[emitter])
    assert row == normal


@pytest.mark.parametrize(
    ("emitter", "came", "why"),
    [
        pytest.param("openai", usage(100, 1, cached_tokens=500), "more than prompt_tokens", id="more cached than all"),
        pytest.param("openai", usage(100, 1, reasoning_tokens=2), "more than completion_tokens", id="more reasoning"),
        pytest.param("openai", usage(None, 1, cached_tokens=5), "not known", id="parts of what is not known"),
        pytest.param("gemini", usage(22, 10, reasoning_tokens=5), "no total_tokens", id="thinking without a total"),
        pytest.param("gemini", usage(22, 10, 99, reasoning_tokens=5), "has 67 more", id="another total"),
        pytest.param("openai", usage(10, 5, 1015), "has 1000 more", id="what is only in the total"),
        pytest.param("openai", usage(10, 5, 12), "has -3 more", id="a total that is too small"),
        pytest.param("openai", usage(10, 5, 1015, cached_tokens=4), "has 1000 more", id="no part explains it"),
        pytest.param(
            "langfuse",
            usage(100, 20, 125, cached_tokens=5, reasoning_tokens=5),
            "has 5 more",
            id="either of two parts explains it",
        ),
        pytest.param("openai", usage(1000, 1, cached_tokens=400, audio_input_tokens=600), "both", id="cached audio"),
        pytest.param("anthropic", usage(2**63 - 1, 1, cached_tokens=1), "the sum is more", id="too large a sum"),
        pytest.param(
            "anthropic", usage(1, 1, cache_write_tokens=5, cache_write_1h_tokens=6), "are not the sum", id="a split"
        ),
    ],
)
def test_usage_that_contradicts_itself_is_unclear_and_stays(emitter: str, came: Any, why: str) -> None:
    row = dict(came)
    with pytest.raises(UnclearUsage, match=why):
        normalize(row, CONVENTIONS[emitter])
    assert row == {name: value for name, value in came.items() if name != "cache_write_tokens"}


@pytest.mark.parametrize(
    ("names", "emitter"),
    [
        ({"input_tokens", "cache_read_input_tokens"}, "anthropic"),
        ({"prompt_tokens", "cache_read_input_tokens"}, "openai"),
        ({"prompt_token_count", "thoughts_token_count"}, "gemini"),
        ({"prompt_tokens", "prompt_cache_read_tokens"}, "helicone"),
        ({"prompt_tokens", "cached_tokens"}, "openai"),
    ],
)
def test_names_of_fields_tell_the_convention(names: set[str], emitter: str) -> None:
    assert convention(frozenset(names)) is CONVENTIONS[emitter]


COUNTS = st.integers(0, 10**6)


@given(
    emitter=st.sampled_from(sorted(CONVENTIONS)),
    row=st.fixed_dictionaries(
        {"prompt_tokens": COUNTS, "completion_tokens": COUNTS},
        optional=dict.fromkeys((*PROMPT, *COMPLETION, "total_tokens"), COUNTS),
    ),
)
def test_parts_never_exceed_their_side_and_the_total_is_the_sum(emitter: str, row: dict[str, int]) -> None:
    came = dict(row)
    try:
        normalize(row, CONVENTIONS[emitter])
    except UnclearUsage:
        assert row == came
        return
    assert row["total_tokens"] == row["prompt_tokens"] + row["completion_tokens"]
    assert sum(row.get(part, 0) for part in PROMPT) <= row["prompt_tokens"]
    assert sum(row.get(part, 0) for part in COMPLETION) <= row["completion_tokens"]
    assert all(row[part] == came[part] for part in (*PROMPT, *COMPLETION) if part in came)
    assert needs_normalizing(came) or row["prompt_tokens"] == came["prompt_tokens"]
