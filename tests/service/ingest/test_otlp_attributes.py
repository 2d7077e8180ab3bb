"""Which attribute of a span fills which field, by convention."""

from decimal import Decimal
from typing import Any

import pytest

from analytics_service.ingest.conventions import CONVENTIONS
from analytics_service.ingest.fields import known_field
from analytics_service.ingest.otlp import FIELDS
from analytics_service.ingest.otlp.attributes import ATTRIBUTES, FAMILIES, RANKS
from analytics_service.ingest.otlp.scopes import FOLLOWS, SCOPES, UNTOLD, usage_of
from tests.service.ingest.otlp_file import GENAI, a_span, exported, rows


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            {"gen_ai__system": "anthropic", "gen_ai__usage__prompt_tokens": 5, "gen_ai__usage__completion_tokens": 3},
            {"provider": "anthropic", "prompt_tokens": 5, "completion_tokens": 3, "operation_type": "client"},
            id="semantic conventions before 1.27",
        ),
        pytest.param(
            {
                "openinference__span__kind": "LLM",
                "llm__provider": "azure",
                "llm__model_name": "gpt-4o",
                "llm__token_count__prompt": 5,
                "llm__token_count__completion": 3,
                "llm__token_count__total": 12,
                "llm__token_count__prompt_details__cache_read": 4,
                "llm__cost__total": 0.25,
                "input__value": "hi",
                "session__id": "s1",
                "tag__tags": ["a", "b"],
            },
            {
                "operation_type": "LLM",
                "provider": "azure",
                "model": "gpt-4o",
                "input_text": "hi",
                "prompt_tokens": 9,
                "completion_tokens": 3,
                "cached_tokens": 4,
                "total_tokens": 12,
                "total_cost_usd": Decimal("0.25"),
                "session_id": "s1",
                "tags": ["a", "b"],
            },
            id="openinference, whose total shows what is beside",
        ),
        pytest.param(
            {
                "langfuse__observation__type": "generation",
                "langfuse__observation__model__name": "gpt-4o",
                "langfuse__observation__usage_details": '{"input": 5, "output": 3, "input_cached_tokens": 4}',
                "langfuse__observation__cost_details": '{"total": 0.5}',
                "langfuse__observation__completion_start_time": '"2026-08-01T00:00:01.250Z"',
                "langfuse__user__id": "ann",
                "gen_ai__usage__input_tokens": 77,
            },
            {
                "operation_type": "generation",
                "model": "gpt-4o",
                "prompt_tokens": 9,
                "cached_tokens": 4,
                "completion_tokens": 3,
                "total_cost_usd": Decimal("0.5"),
                "user_id": "ann",
                "ttft_us": 1_000_000,
            },
            id="langfuse, whose own attributes come first",
        ),
        pytest.param(
            {
                "traceloop__span__kind": "task",
                "llm__request__type": "chat",
                "gen_ai__prompt__0__content": "hi",
                "gen_ai__prompt__0__role": "user",
                "traceloop__association__properties__user_id": "bob",
            },
            {
                "operation_type": "task",
                "is_request": False,
                "input_text": '{"0.content":"hi","0.role":"user"}',
                "user_id": "bob",
            },
            id="openllmetry",
        ),
        pytest.param(
            {**GENAI, "gen_ai__usage__cost": 0.0, "gen_ai__server__time_to_first_token": 0.5},
            {"ttft_us": 500_000, "total_cost_usd": None},
            id="openlit, whose zero is no price",
        ),
        pytest.param(
            {
                "langfuse__observation__type": "generation",
                "langfuse__observation__usage_details": '{"prompt_tokens": 9, "completion_tokens": 3, '
                '"total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}, '
                '"completion_tokens_details": {"reasoning_tokens": 2}}',
            },
            {"prompt_tokens": 9, "completion_tokens": 3, "cached_tokens": 4, "reasoning_tokens": 2},
            id="langfuse, with the usage of chat completions as it came",
        ),
        pytest.param(
            {
                "langfuse__observation__type": "generation",
                "langfuse__observation__usage_details": '{"input_tokens": 9, "output_tokens": 3, "total_tokens": 12, '
                '"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 2}}',
            },
            {"prompt_tokens": 9, "completion_tokens": 3, "cached_tokens": 4, "reasoning_tokens": 2},
            id="langfuse, with that of responses",
        ),
        pytest.param(
            {
                "gen_ai__usage__input_tokens": 9,
                "gen_ai__usage__output_tokens": 3,
                "gen_ai__cost__total_cost": 0.25,
                "metadata__usage_object": "{'prompt_tokens': 9, 'prompt_tokens_details': {'cached_tokens': 4, "
                "'image_tokens': None}, 'completion_tokens_details': None, 'is_byok': False}",
                "metadata__user_api_key_alias": "checkout",
                "metadata__user_api_key_team_id": "t1",
            },
            {"prompt_tokens": 9, "total_cost_usd": Decimal("0.25"), "team_id": "t1", "cached_tokens": 4},
            id="litellm, whose object of usage is in Python's notation",
        ),
        pytest.param(
            {
                "ai__operationId": "ai.embed.doEmbed",
                "ai__usage__tokens": 9,
                "ai__values": ['"tide"'],
                "ai__telemetry__metadata__tags": ["a"],
            },
            {"prompt_tokens": 9, "input_text": '["\\"tide\\""]', "tags": ["a"], "is_request": True},
            id="the AI SDK's embeddings",
        ),
        pytest.param(
            {"gen_ai__input__messages": [{"role": "user"}], "gen_ai__conversation__id": "c1", "user__id": "ann"},
            {"input_text": '[{"role":"user"}]', "session_id": "c1", "user_id": "ann", "is_request": False},
            id="messages that are no text",
        ),
    ],
)
def test_attributes_fill_the_fields_of_their_convention(given: dict[str, Any], expected: dict[str, Any]) -> None:
    (made,) = rows(exported(a_span(given=given)))
    assert {name: made.get(name) for name in expected} == expected


def test_the_tables_name_fields_and_conventions_that_there_are() -> None:
    assert all(known_field(field) for field in FIELDS.values())
    assert len(RANKS) == sum(len(group) for group in ATTRIBUTES.values()), "an attribute is in one place"
    assert {scope.usage for scope in SCOPES} | {FOLLOWS, UNTOLD} | set(FAMILIES.values()) <= CONVENTIONS.keys()
    assert FAMILIES.keys() <= RANKS.keys()
    assert all(usage_of(f"{scope.prefix}.v1", "") == scope.usage for scope in SCOPES)
    assert usage_of("opentelemetry.instrumentation.openai_agents", "") == UNTOLD
