"""Which field each attribute of a span fills, by whose convention it is. Pure.

Of several attributes for one field the first counts. To understand another one, add it here and to nothing else; then
`make golden` writes docs/otlp-attributes.md again. What is in no table is stored in `attributes`.
Totals of `gen_ai.usage` are left out: instrumentations add them up, so they show nothing of what is beside the tokens.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from analytics_service.ingest.usage_objects import (
    LANGFUSE_USAGE,
    LITELLM_USAGE,
    OPENINFERENCE_USAGE,
    PROVIDER_USAGE,
    under,
)

ATTRIBUTES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "this store: where an application says it of its resource, or of a span": {
            "analytics.project": "project",
            "analytics.team": "team",
            "analytics.user": "user_id",
            "analytics.session": "session_id",
            "analytics.environment": "environment",
            "analytics.tags": "tags",
        },
        "langfuse-python: langfuse/_client/attributes.py; Langfuse's page on OpenTelemetry": {
            "langfuse.observation.type": "operation_type",
            "langfuse.observation.model.name": "model",
            **under("langfuse.observation.usage_details", LANGFUSE_USAGE),
            **under("langfuse.observation.usage_details", PROVIDER_USAGE),
            "langfuse.observation.cost_details.total": "spend",
            "langfuse.observation.completion_start_time": "first_token_time",
            "langfuse.observation.input": "input",
            "langfuse.observation.output": "output",
            "langfuse.observation.level": "status",
            "langfuse.observation.status_message": "error",
            "langfuse.environment": "environment",
            "langfuse.trace.tags": "tags",
            "langfuse.user.id": "user_id",
            "langfuse.session.id": "session_id",
        },
        "openinference: spec/semantic_conventions.md": {
            "openinference.span.kind": "operation_type",
            **under("llm.token_count", OPENINFERENCE_USAGE),
            "llm.cost.total": "spend",
            "input.value": "input",
            "output.value": "output",
            "tag.tags": "tags",
        },
        "semantic-conventions-genai: model/gen-ai/registry.yaml, model/openai": {
            "gen_ai.operation.name": "operation_type",
            "gen_ai.provider.name": "provider",
            "gen_ai.response.model": "model",
            "gen_ai.request.model": "model",
            "gen_ai.usage.input_tokens": "prompt_tokens",
            "gen_ai.usage.output_tokens": "completion_tokens",
            "gen_ai.usage.cache_read.input_tokens": "cached_tokens",
            "gen_ai.usage.cache_creation.input_tokens": "cache_write_tokens",
            "gen_ai.usage.cache_write.input_tokens": "cache_write_tokens",
            "gen_ai.usage.reasoning.output_tokens": "reasoning_tokens",
            "gen_ai.usage.audio.input_tokens": "audio_input_tokens",
            "gen_ai.usage.audio.output_tokens": "audio_output_tokens",
            "gen_ai.response.time_to_first_chunk": "ttft_s",
            "gen_ai.conversation.id": "session_id",
            "gen_ai.input.messages": "input",
            "gen_ai.output.messages": "output",
            "openai.response.service_tier": "service_tier",
            "openai.request.service_tier": "service_tier",
        },
        "semantic-conventions: CHANGELOG.md, what 1.27 to 1.37 renamed": {
            "gen_ai.system": "provider",
            "gen_ai.usage.prompt_tokens": "prompt_tokens",
            "gen_ai.usage.completion_tokens": "completion_tokens",
            "gen_ai.prompt": "input",
            "gen_ai.completion": "output",
            "gen_ai.openai.response.service_tier": "service_tier",
            "gen_ai.openai.request.service_tier": "service_tier",
        },
        "openllmetry: opentelemetry-semantic-conventions-ai/opentelemetry/semconv_ai": {
            "traceloop.span.kind": "operation_type",
            "llm.request.type": "operation_type",
            "gen_ai.usage.cache_read_input_tokens": "cached_tokens",
            "gen_ai.usage.cache_creation_input_tokens": "cache_write_tokens",
            "gen_ai.usage.reasoning_tokens": "reasoning_tokens",
            "llm.usage.reasoning_tokens": "reasoning_tokens",
            "traceloop.entity.input": "input",
            "traceloop.entity.output": "output",
            "traceloop.association.properties.user_id": "user_id",
            "traceloop.association.properties.session_id": "session_id",
            "traceloop.association.properties.team_id": "team",
            "gen_ai.user": "user_id",
            "llm.user": "user_id",
        },
        "openlit: sdk/python/src/openlit/semcov": {
            "gen_ai.usage.cost": "spend",
            "gen_ai.usage.prompt_tokens_details.cached_tokens": "cached_tokens",
            "gen_ai.usage.prompt_tokens_details.cache_creation_tokens": "cache_write_tokens",
            "gen_ai.usage.completion_tokens_details.reasoning_tokens": "reasoning_tokens",
            "gen_ai.usage.completion_tokens_details.audio_tokens": "audio_output_tokens",
            "gen_ai.server.time_to_first_token": "ttft_s",
            "gen_ai.user.id": "user_id",
            "gen_ai.request.user": "user_id",
            "gen_ai.environment": "environment",
            "gen_ai.application_name": "service_name",
        },
        "anthropic-sdk-python: _tracing.py": {
            "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": "cache_write_5m_tokens",
            "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": "cache_write_1h_tokens",
            "anthropic.response.service_tier": "service_tier",
        },
        "litellm: integrations/opentelemetry.py, and its second version": {
            **under("metadata.usage_object", LITELLM_USAGE),
            **under("metadata.usage_object", PROVIDER_USAGE),
            "metadata.user_api_key_alias": "api_key_alias",
            "gen_ai.cost.total_cost": "spend",
            "litellm.cost.total": "spend",
            "metadata.user_api_key_team_id": "team",
            "litellm.team.id": "team",
            "metadata.user_api_key_end_user_id": "user_id",
            "metadata.user_api_key_user_id": "user_id",
        },
        "vercel/ai: packages/ai/src/telemetry": {
            "ai.operationId": "operation_type",
            "ai.model.provider": "provider",
            "ai.response.model": "model",
            "ai.model.id": "model",
            "ai.usage.inputTokens": "prompt_tokens",
            "ai.usage.promptTokens": "prompt_tokens",
            "ai.usage.tokens": "prompt_tokens",
            "ai.usage.outputTokens": "completion_tokens",
            "ai.usage.completionTokens": "completion_tokens",
            "ai.usage.inputTokenDetails.cacheReadTokens": "cached_tokens",
            "ai.usage.cachedInputTokens": "cached_tokens",
            "ai.usage.inputTokenDetails.cacheWriteTokens": "cache_write_tokens",
            "ai.usage.reasoningTokens": "reasoning_tokens",
            "ai.response.msToFirstChunk": "ttft_ms",
            "ai.prompt.messages": "input",
            "ai.prompt": "input",
            "ai.value": "input",
            "ai.values": "input",
            "ai.response.text": "output",
            "ai.response.object": "output",
            "ai.telemetry.metadata.userId": "user_id",
            "ai.telemetry.metadata.sessionId": "session_id",
            "ai.telemetry.metadata.tags": "tags",
        },
        "openinference: what other conventions say more exactly": {
            "llm.provider": "provider",
            "llm.system": "provider",
            "llm.response.model_name": "model",
            "llm.model_name": "model",
            "llm.request.model_name": "model",
            "embedding.model_name": "model",
            "reranker.model_name": "model",
        },
        "semantic-conventions: model/user, session, enduser, deployment, service, exceptions": {
            "user.id": "user_id",
            "enduser.id": "user_id",
            "enduser.pseudo.id": "user_id",
            "session.id": "session_id",
            "deployment.environment.name": "environment",
            "deployment.environment": "environment",
            "service.name": "service_name",
            "exception.message": "error",
        },
    }
)
"""By source, attribute to field (ingest/fields.py)."""
OBJECTS: Final = frozenset(
    {"langfuse.observation.usage_details", "langfuse.observation.cost_details", "metadata.usage_object"}
)
"""Attributes that are the text of an object, of JSON or of Python: its members are attributes of their own, by their
paths."""
TEXTS: Final[Mapping[str, str]] = MappingProxyType({"gen_ai.prompt.": "input", "gen_ai.completion.": "output"})
"""Attributes that begin so are parts of one text: openllmetry, before its version 0.5 of the conventions."""
PREFIXES: Final = tuple(TEXTS)
LONG: Final = frozenset({"input", "output", "error"})
"""Fields of which only the attribute that fills them is stored."""
MACHINE: Final = ("telemetry.", "process.", "os.", "host.", "container.")
"""Attributes of a resource that begin so say which machine and library it was, and are not stored."""
FAMILIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "langfuse.observation.usage_details.input": "langfuse",
        "langfuse.observation.usage_details.prompt_tokens": "langfuse",
        "langfuse.observation.usage_details.input_tokens": "langfuse",
        "llm.token_count.prompt": "openinference",
    }
)
"""The way to count of the attribute that gave the prompt's tokens; of all others the scope tells it."""
RANKS: Final[Mapping[str, tuple[int, str]]] = MappingProxyType(
    {
        attribute: (rank, field)
        for rank, (attribute, field) in enumerate(pair for group in ATTRIBUTES.values() for pair in group.items())
    }
)
