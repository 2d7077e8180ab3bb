"""What requests cost by the price pages of their providers, worked out by hand, for records as emitters write them.

Each line has the prices of its page in US dollars for a million tokens beside its figures, as of November 2026.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from analytics_service.ingest.mapping import columns
from analytics_service.ingest.objects import of_object
from analytics_service.ingest.pricing import Prices
from analytics_service.ingest.rows import parsed, row

M = 1_000_000
OPENAI = "https://platform.openai.com/docs/pricing"
ANTHROPIC = "https://docs.anthropic.com/en/docs/about-claude/pricing"
GEMINI = "https://ai.google.dev/gemini-api/docs/pricing"
BEDROCK = "https://aws.amazon.com/bedrock/pricing"
MISTRAL = "https://mistral.ai/pricing"
XAI = "https://docs.x.ai/docs/models"
GROQ = "https://groq.com/pricing"
COHERE = "https://cohere.com/pricing"


class Case(NamedTuple):
    source: str
    provider: str
    model: str
    usage: dict[str, Any]
    cost: str
    emitter: str | None = None


def openai(prompt: int, completion: int | None = None, **more: Any) -> dict[str, Any]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def anthropic(input_: int, output: int, **more: Any) -> dict[str, Any]:
    return {"input_tokens": input_, "output_tokens": output, **more}


def gemini(prompt: int, candidates: int, thoughts: int = 0, **more: Any) -> dict[str, Any]:
    total = prompt + candidates + thoughts
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": candidates, "totalTokenCount": total}
    return {**counts, **({"thoughtsTokenCount": thoughts} if thoughts else {}), **more}


CASES = [
    # OpenAI: cached tokens are part of the prompt, reasoning of the completion. gpt-4o 2.50, cached 1.25, 10.00
    Case(OPENAI, "openai", "gpt-4o", openai(1000, 100), "0.0035"),
    Case(OPENAI, "openai", "gpt-4o", openai(0, 1), "0.00001"),
    Case(OPENAI, "openai", "gpt-4o", openai(1, 0), "0.0000025"),
    Case(OPENAI, "openai", "gpt-4o", openai(1000, 100, cached_tokens=400), "0.003"),
    Case(OPENAI, "openai", "gpt-4o", openai(1000, 0, cached_tokens=1000), "0.00125"),
    Case(OPENAI, "openai", "gpt-4o-2024-08-06", openai(M, M), "12.5"),
    Case(OPENAI, "openai", "gpt-4o-mini", openai(M, M), "0.75"),  # 0.15, 0.60
    Case(OPENAI, "openai", "gpt-4o-mini", openai(M, 0, cached_tokens=M), "0.075"),
    Case(OPENAI, "openai", "gpt-4.1", openai(M, M), "10"),  # 2, 8
    Case(OPENAI, "openai", "gpt-4.1", openai(M, 0, cached_tokens=M), "0.5"),
    Case(OPENAI, "openai", "gpt-4.1-mini", openai(M, M), "2"),  # 0.40, 1.60
    Case(OPENAI, "openai", "gpt-4.1-nano", openai(M, M), "0.5"),  # 0.10, 0.40
    Case(OPENAI, "openai", "o1", openai(M, M, reasoning_tokens=M // 2), "75"),  # 15, 60
    Case(OPENAI, "openai", "o3", openai(M, M, reasoning_tokens=M), "10"),  # 2, 8
    Case(OPENAI, "openai", "o4-mini", openai(M, M), "5.5"),  # 1.10, 4.40
    Case(OPENAI, "openai", "gpt-5", openai(M, M), "11.25"),  # 1.25, cached 0.125, 10
    Case(OPENAI, "openai", "gpt-5", openai(M, 0, cached_tokens=M), "0.125"),
    Case(OPENAI, "openai", "gpt-5", openai(M, M, service_tier="default"), "11.25"),
    Case(OPENAI, "openai", "gpt-5", openai(M, M, service_tier="flex"), "5.625"),  # 0.625, 5
    Case(OPENAI, "openai", "gpt-5", openai(M, M, service_tier="batch"), "5.625"),
    Case(OPENAI, "openai", "gpt-5", openai(M, M, service_tier="priority"), "22.5"),  # 2.50, 20
    Case(OPENAI, "openai", "gpt-5", openai(M, 0, cached_tokens=M, service_tier="priority"), "0.25"),
    Case(OPENAI, "openai", "gpt-5-mini", openai(M, M), "2.25"),  # 0.25, 2
    Case(OPENAI, "openai", "gpt-5-nano", openai(M, M), "0.45"),  # 0.05, 0.40
    Case(OPENAI, "openai", "gpt-4", openai(1000, 1000), "0.09"),  # 30, 60
    Case(OPENAI, "openai", "gpt-3.5-turbo", openai(M, M), "2"),  # 0.50, 1.50
    Case(OPENAI, "openai", "text-embedding-3-small", openai(M), "0.02"),
    Case(OPENAI, "openai", "text-embedding-3-large", openai(M), "0.13"),
    Case(OPENAI, "openai", "text-embedding-ada-002", openai(M), "0.1"),
    Case(OPENAI, "openai", "whisper-1", {"audio_seconds": 90}, "0.009"),  # 0.006 a minute
    Case(OPENAI, "azure", "gpt-4o", openai(1000, 100), "0.0035"),
    Case(OPENAI, "", "openai/gpt-4o", openai(1000, 100), "0.0035"),
    # Anthropic: what was read from a cache and written to it stands beside the input. claude-sonnet-4-5 3, 15; writes
    # 3.75 for five minutes and 6 for an hour, reads 0.30; above 200,000 tokens of input twice, and 22.50
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(1000, 100), "0.0045"),
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(100, 200, cache_read_input_tokens=10_000), "0.0063"),
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(100, 0, cache_creation_input_tokens=100_000), "0.3753"),
    Case(
        ANTHROPIC,
        "anthropic",
        "claude-sonnet-4-5",
        anthropic(0, 0, cache_creation_input_tokens=3000, ephemeral_1h_input_tokens=1000),
        "0.0135",  # 2,000 at 3.75 and 1,000 at 6
    ),
    Case(
        ANTHROPIC,
        "anthropic",
        "claude-sonnet-4-5",
        anthropic(0, 0, ephemeral_5m_input_tokens=2000, ephemeral_1h_input_tokens=1000),
        "0.0135",
    ),
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(200_000, 0), "0.6"),
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(200_001, 1000), "1.222506"),
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(1, 0, cache_read_input_tokens=200_000), "0.120006"),
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(1000, 100, service_tier="batch"), "0.00225"),
    Case(ANTHROPIC, "anthropic", "claude-sonnet-4-5", anthropic(1000, 100, web_search_requests=3), "0.0345"),
    Case(ANTHROPIC, "anthropic", "claude-opus-4-1", anthropic(M // 10, M // 10), "9"),  # 15, 75
    Case(ANTHROPIC, "anthropic", "claude-opus-4-5", anthropic(M // 10, M // 10), "3"),  # 5, 25
    Case(ANTHROPIC, "anthropic", "claude-haiku-4-5", anthropic(M // 10, M // 10), "0.6"),  # 1, 5
    Case(ANTHROPIC, "anthropic", "claude-3-5-haiku-latest", anthropic(M // 10, M // 10), "0.48"),  # 0.80, 4
    # Gemini: thinking stands beside the candidates, and costs as they do; audio has a price of its own
    Case(GEMINI, "google", "gemini-2.5-flash", gemini(M // 10, 1000, 2000), "0.0375"),  # 0.30, 2.50
    Case(GEMINI, "google", "gemini-2.5-flash", gemini(1000, 0, cachedContentTokenCount=1000), "0.00003"),
    Case(GEMINI, "google", "gemini-2.5-flash", gemini(3000, 0, audio_input_tokens=1000), "0.0016"),  # audio 1.00
    Case(GEMINI, "google", "gemini-2.5-pro", gemini(200_000, 1000), "0.26"),  # 1.25, 10
    Case(GEMINI, "google", "gemini-2.5-pro", gemini(200_001, 1000), "0.5150025"),  # 2.50, 15
    Case(GEMINI, "google", "gemini-2.5-flash-lite", gemini(M, M), "0.5"),  # 0.10, 0.40
    Case(GEMINI, "vertex_ai", "gemini-2.5-flash", gemini(M, 0), "0.3"),
    Case(GEMINI, "google", "models/gemini-2.0-flash", gemini(M, M), "0.5"),  # 0.10, 0.40
    # Bedrock: as Anthropic, with names of its own; claude-sonnet-4 3, 15, reads 0.30, writes 3.75
    Case(
        BEDROCK,
        "aws",
        "anthropic.claude-sonnet-4-20250514-v1:0",
        {"inputTokens": 3, "outputTokens": 121, "cacheReadInputTokens": 1712, "cacheWriteInputTokens": 236},
        "0.0032226",
        "bedrock",
    ),
    Case(BEDROCK, "bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0", anthropic(1000, 0), "0.003"),
    # LiteLLM and OpenRouter: all of the input, whoever is behind
    Case(
        ANTHROPIC,
        "anthropic",
        "claude-sonnet-4-5",
        openai(10_100, 200, cache_read_input_tokens=10_000, total_tokens=10_300),
        "0.0063",
        "litellm",
    ),
    Case(OPENAI, "", "azure/gpt-4o", openai(1000, 100, cached_tokens=400), "0.003", "openrouter"),
    # Portkey leaves the cache out of Anthropic's prompt, and has it in the total
    Case(
        ANTHROPIC,
        "anthropic",
        "claude-sonnet-4-5",
        openai(100, 200, cached_tokens=10_000, total_tokens=10_300),
        "0.0063",
        "portkey",
    ),
    # xAI: reasoning beside the completion in one API, inside in the other; grok-4 3, cached 0.75, 15
    Case(XAI, "x-ai", "grok-4", openai(12, 1, reasoning_tokens=290, total_tokens=303), "0.004401", "xai"),
    Case(XAI, "x-ai", "grok-4", openai(216, 863, reasoning_tokens=800, total_tokens=1079), "0.013593", "xai"),
    Case(XAI, "x-ai", "grok-4", openai(1000, 0, cached_tokens=1000), "0.00075", "xai"),
    # others that count as OpenAI does
    Case(MISTRAL, "mistral", "mistral-medium-2505", openai(M, M), "2.4"),  # 0.40, 2
    Case(GROQ, "groq", "llama-3.3-70b-versatile", openai(M, M), "1.38"),  # 0.59, 0.79
    Case(COHERE, "cohere", "command-r7b-12-2024", openai(M, M), "0.1875"),  # 0.0375, 0.15
    # Langfuse's buckets, of which each stands beside the others
    Case(OPENAI, "openai", "gpt-4o", anthropic(600, 100, input_cached_tokens=400), "0.003", "langfuse"),
    # OpenTelemetry since 1.40: all of the input
    Case(
        ANTHROPIC,
        "anthropic",
        "claude-sonnet-4-5",
        anthropic(10_100, 200, cache_read_input_tokens=10_000),
        "0.0063",
        "opentelemetry",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.emitter or 'told by its names'}-{case.model}")
def test_a_request_costs_what_its_providers_page_says(case: Case) -> None:
    how = replace(columns([], ["organisation=acme", "ts=2026-11-20"], []), usage=case.emitter)
    record = {"provider": case.provider, "model": case.model, **case.usage}
    fields = of_object(record, how)
    span = row(parsed(fields), fields, how, None)
    Prices().add(span)
    assert (span.get("total_cost_usd"), span["price_status"]) == (Decimal(case.cost), "full"), case.source


def test_there_are_enough_of_them() -> None:
    assert len(CASES) >= 60
