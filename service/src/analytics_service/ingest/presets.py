"""The files of other systems: which field each of their columns fills. Pure.

A preset is named by --preset, or known by columns that no other file has. What it does not name is left out; --map and
--set come before it.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final

from analytics_service.ingest import otlp, usage_reports
from analytics_service.ingest.preset import Elements, Preset
from analytics_service.ingest.usage_objects import LANGFUSE_USAGE, LITELLM_USAGE, OPENINFERENCE_USAGE, under


def _marks(*sets: str) -> tuple[frozenset[str], ...]:
    return tuple(frozenset(each.split()) for each in sets)


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "litellm": Preset(
            marks=_marks(
                "request_id call_type spend api_key",
                "id call_type response_cost model_map_information",
            ),
            maps={
                **dict.fromkeys(("request_id", "id"), "span_id"),
                "trace_id": "trace_id",
                "startTime": "ts",
                "endTime": "end_time",
                "completionStartTime": "first_token_time",
                "call_type": "operation_type",
                "custom_llm_provider": "provider",
                "model": "model",
                **dict.fromkeys(("spend", "response_cost"), "spend"),
                "cache_hit": "gateway_cache_hit",
                "prompt_tokens": "prompt_tokens",
                "completion_tokens": "completion_tokens",
                "total_tokens": "total_tokens",
                "end_user": "user_id",
                "model_parameters.user": "user_id",
                "metadata.user_api_key_alias": "api_key_alias",
                **dict.fromkeys(("team_id", "metadata.user_api_key_team_id"), "team_id"),
                "session_id": "session_id",
                "request_tags": "tags",
                "status": "status",
                "error_str": "error",
                "messages": "input",
                "response": "output",
                **under("metadata.usage_object", LITELLM_USAGE),
            },
            usage="litellm",
            source="litellm: schema.prisma, LiteLLM_SpendLogs, as /spend/logs returns them; types/utils.py, "
            "StandardLoggingPayload, as its loggers write it",
        ),
        "langfuse": Preset(
            marks=_marks(
                "traceId parentObservationId usageDetails",
                "traceId parentObservationId latencyMs",
                "traceId parentObservationId providedModelName",
                "trace_id parent_observation_id provided_model_name",
            ),
            maps={
                "id": "span_id",
                **dict.fromkeys(("traceId", "trace_id"), "trace_id"),
                **dict.fromkeys(("parentObservationId", "parent_observation_id"), "parent_span_id"),
                "name": "span_name",
                "type": "operation_type",
                **dict.fromkeys(("startTime", "start_time"), "ts"),
                **dict.fromkeys(("endTime", "end_time"), "end_time"),
                **dict.fromkeys(("completionStartTime", "completion_start_time"), "first_token_time"),
                **dict.fromkeys(("model", "providedModelName", "provided_model_name"), "model"),
                "level": "status",
                **dict.fromkeys(("updatedAt", "updated_at"), "updated_at"),
                **dict.fromkeys(("statusMessage", "status_message"), "error"),
                "input": "input",
                "output": "output",
                "environment": "environment",
                **dict.fromkeys(("userId", "user_id"), "user_id"),
                **dict.fromkeys(("sessionId", "session_id"), "session_id"),
                "tags": "tags",
                **under("usageDetails", LANGFUSE_USAGE),
                **under("usage_details", LANGFUSE_USAGE),
                **dict.fromkeys(("costDetails.total", "cost_details.total"), "spend"),
            },
            usage="langfuse",
            source="langfuse: observations as its interface and its export to blob storage write them",
        ),
        "helicone": Preset(
            marks=_marks("response_id request_created_at request_properties"),
            maps={
                "request_id": "span_id",
                "response_id": "span_id",
                "request_created_at": "ts",
                "response_status": "status",
                "provider": "provider",
                "model": "model",
                "prompt_tokens": "prompt_tokens",
                "completion_tokens": "completion_tokens",
                "total_tokens": "total_tokens",
                "prompt_cache_read_tokens": "cached_tokens",
                "prompt_cache_write_tokens": "cache_write_tokens",
                "reasoning_tokens": "reasoning_tokens",
                **dict.fromkeys(("latency", "delay_ms"), "duration_ms"),
                "time_to_first_token": "ttft_ms",
                **dict.fromkeys(("cost", "cost_usd", "costUSD"), "spend"),
                "request_user_id": "user_id",
                "request_body": "input",
                "response_body": "output",
            },
            usage="helicone",
            source="helicone: examples/export",
        ),
        "phoenix": Preset(
            marks=_marks("context.span_id context.trace_id span_kind"),
            maps={
                "context.span_id": "span_id",
                "context.trace_id": "trace_id",
                "parent_id": "parent_span_id",
                "name": "span_name",
                "span_kind": "operation_type",
                "start_time": "ts",
                "end_time": "end_time",
                "status_code": "status",
                "status_message": "error",
                "attributes.llm.provider": "provider",
                "attributes.llm.model_name": "model",
                **under("attributes.llm.token_count", OPENINFERENCE_USAGE),
                "attributes.input.value": "input",
                "attributes.output.value": "output",
                "attributes.session.id": "session_id",
                "attributes.user.id": "user_id",
            },
            usage="openinference",
            source="phoenix: src/phoenix/trace/dsl/query.py",
        ),
        "openai-usage": Preset(
            marks=_marks("data.results.num_model_requests"),
            maps={
                "bucket_id": "span_id",
                "start_time": "ts_s",
                "object": "operation_type",
                "project_id": "project",
                "user_id": "user_id",
                "model": "model",
                "service_tier": "service_tier",
                "attributes": "attributes",
                "num_model_requests": "request_count",
                "input_tokens": "prompt_tokens",
                "output_tokens": "completion_tokens",
                "input_cached_tokens": "cached_tokens",
                "input_audio_tokens": "audio_input_tokens",
                "output_audio_tokens": "audio_output_tokens",
                "images": "images",
                "seconds": "audio_seconds",
                "characters": "billed_units",
            },
            sets={"provider": "openai"},
            elements=Elements(array="data", records=usage_reports.openai),
            usage="openai-usage",
            source="OpenAI, API reference: organization/usage",
        ),
        "anthropic-usage": Preset(
            marks=_marks("data.results.uncached_input_tokens"),
            maps={
                "bucket_id": "span_id",
                "starting_at": "ts",
                "workspace_id": "project",
                "model": "model",
                "service_tier": "service_tier",
                "attributes": "attributes",
                "request_count": "request_count",
                "uncached_input_tokens": "prompt_tokens",
                "output_tokens": "completion_tokens",
                "cache_read_input_tokens": "cached_tokens",
                "cache_creation.ephemeral_5m_input_tokens": "cache_write_5m_tokens",
                "cache_creation.ephemeral_1h_input_tokens": "cache_write_1h_tokens",
                "server_tool_use.web_search_requests": "web_searches",
            },
            sets={"provider": "anthropic"},
            elements=Elements(array="data", records=usage_reports.anthropic),
            usage="anthropic",
            source="Anthropic, Admin API: organizations/usage_report/messages",
        ),
        "otlp-json": Preset(
            marks=_marks("resourceSpans"),
            maps=otlp.FIELDS,
            elements=Elements(array="resourceSpans", records=otlp.records),
            source="opentelemetry-proto: trace/v1/trace.proto, as OTLP/JSON; ingest/otlp",
        ),
        "burstgpt": Preset(
            marks=(frozenset({"Request tokens", "Response tokens", "Log Type"}),),
            maps={
                "Timestamp": "offset_s",
                "Session ID": "session_id",
                "Elapsed time": "duration_s",
                "Model": "model",
                "Request tokens": "prompt_tokens",
                "Response tokens": "completion_tokens",
                "Total tokens": "total_tokens",
                "Log Type": "span_name",
            },
            sets={"provider": "openai"},
            is_complete=False,
            source="BurstGPT: README; times are seconds since the first day",
        ),
        "mooncake": Preset(
            marks=_marks("timestamp input_length output_length hash_ids"),
            maps={"timestamp": "offset_ms", "input_length": "prompt_tokens", "output_length": "completion_tokens"},
            is_complete=False,
            source="Mooncake: FAST25-release/traces; times are milliseconds since the first request",
        ),
        "azure-2024": Preset(
            marks=_marks("TIMESTAMP ContextTokens GeneratedTokens"),
            maps={"TIMESTAMP": "ts", "ContextTokens": "prompt_tokens", "GeneratedTokens": "completion_tokens"},
            is_complete=False,
            source="AzurePublicDataset: AzureLLMInferenceDataset2023.md and 2024",
        ),
    }
)


def recognize(names: AbstractSet[str]) -> str | None:
    """The preset of a file with these columns, or these members of its first object."""
    return next((name for name, preset in PRESETS.items() if any(marks <= names for marks in preset.marks)), None)
