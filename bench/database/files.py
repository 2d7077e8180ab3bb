"""Files to import, one of each system: the same rows for the same number, of four hours, with short texts."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from bench.database.requests import Request, buckets, requests
from bench.database.rows import ORGANISATION, START
from bench.database.rows import write as write_plain

_ORGANISATION: Final = f"organisation={ORGANISATION}"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of file, and the options of `import` for it."""

    write: Callable[[Path, int], None]
    sets: tuple[str, ...] = (_ORGANISATION,)
    start: datetime | None = None


def _with_ids(path: Path, count: int) -> None:
    """The plain file with an id of each request."""
    plain = path.with_suffix(".plain")
    write_plain(plain, count)
    with plain.open() as lines, path.open("w") as file:
        file.write(f"request_id,{next(lines)}".replace("request_id", "span_id"))
        file.writelines(f"chatcmpl-{number:08x},{line}" for number, line in enumerate(lines))
    plain.unlink()


def _csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("w", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, row)
                writer.writeheader()
            writer.writerow(row)


def _lines(path: Path, values: Iterable[Any]) -> None:
    with path.open("w") as file:
        file.writelines(json.dumps(value) + "\n" for value in values)


def _litellm(path: Path, count: int) -> None:
    rows = (
        {
            "request_id": f"chatcmpl-{each.number:08x}",
            "call_type": "acompletion",
            "api_key": "88dc28",
            "spend": 0.00123,
            "total_tokens": each.prompt + each.completion,
            "prompt_tokens": each.prompt,
            "completion_tokens": each.completion,
            "startTime": each.begin.isoformat(),
            "endTime": each.end.isoformat(),
            "request_duration_ms": 1566,
            "completionStartTime": each.end.isoformat(),
            "model": each.model,
            "custom_llm_provider": "openai",
            "user": each.user,
            "team_id": f"t{each.number % 20}",
            "end_user": each.user,
            "status": "success",
            "request_tags": ["jobID:2"],
            "messages": {},
            "response": {},
            "cache_hit": "False",
            "metadata": {"usage_object": {"prompt_tokens_details": {"cached_tokens": each.cached}}},
        }
        for each in requests(count)
    )
    with path.open("w") as file:
        file.write("[")
        file.writelines(("," if number else "") + json.dumps(row) for number, row in enumerate(rows))
        file.write("]")


def _langfuse(path: Path, count: int) -> None:
    def row(each: Request) -> dict[str, Any]:
        usage = {"input": each.prompt, "output": each.completion, "total": each.prompt + each.completion}
        if each.cached:
            usage |= {"input": each.prompt - each.cached, "input_cached_tokens": each.cached}
        return {
            "id": each.span,
            "traceId": each.trace,
            "type": "SPAN" if each.is_around else "GENERATION",
            "name": "answer",
            "startTime": f'"{each.begin.isoformat()}"',
            "endTime": f'"{each.end.isoformat()}"',
            "level": "DEFAULT",
            "usageDetails": json.dumps({} if each.is_around else usage),
            "costDetails": json.dumps({} if each.is_around else {"total": 0.00253}),
            "model": "" if each.is_around else each.model,
            "latency": each.duration.total_seconds(),
            "totalCost": "0.00253",
            "parentObservationId": each.parent,
        }

    _csv(path, map(row, requests(count)))


def _helicone(path: Path, count: int) -> None:
    _csv(
        path,
        (
            {
                "response_id": f"r{each.number:08x}",
                "response_created_at": each.end.isoformat(),
                "response_status": "200",
                "request_created_at": each.begin.isoformat(),
                "request_body": "",
                "request_properties": "",
                "request_user_id": each.user,
                "model": each.model,
                "prompt_tokens": each.prompt,
                "completion_tokens": each.completion,
                "latency": each.duration // timedelta(milliseconds=1),
                "cost": "0.0031",
            }
            for each in requests(count)
        ),
    )


def _phoenix(path: Path, count: int) -> None:
    _csv(
        path,
        (
            {
                "context.span_id": each.span,
                "name": "answer" if each.is_around else "ChatCompletion",
                "span_kind": "CHAIN" if each.is_around else "LLM",
                "parent_id": each.parent,
                "start_time": str(each.begin),
                "end_time": str(each.end),
                "status_code": "OK",
                "status_message": "",
                "events": "[]",
                "context.trace_id": each.trace,
                "attributes.llm.model_name": "" if each.is_around else each.model,
                "attributes.llm.token_count.prompt": "" if each.is_around else f"{each.prompt}.0",
                "attributes.llm.token_count.completion": "" if each.is_around else f"{each.completion}.0",
            }
            for each in requests(count)
        ),
    )


def _openai_usage(path: Path, count: int) -> None:
    data = [
        {
            "object": "bucket",
            "start_time": int(bucket[0].begin.timestamp()),
            "end_time": int(bucket[-1].begin.timestamp()) + 1,
            "results": [
                {
                    "object": "organization.usage.completions.result",
                    "input_tokens": 10 * each.prompt,
                    "output_tokens": 10 * each.completion,
                    "input_cached_tokens": 10 * each.cached,
                    "input_audio_tokens": 0,
                    "output_audio_tokens": 0,
                    "num_model_requests": 10,
                    "project_id": f"proj_{each.number:08x}",
                    "user_id": None,
                    "api_key_id": None,
                    "model": "gpt-4o-2024-08-06",
                    "batch": False,
                    "service_tier": None,
                }
                for each in bucket
            ],
        }
        for bucket in buckets(count)
    ]
    path.write_text(json.dumps({"object": "page", "data": data, "has_more": False, "next_page": None}))


def _anthropic_usage(path: Path, count: int) -> None:
    data = [
        {
            "starting_at": bucket[0].begin.isoformat(),
            "ending_at": bucket[-1].end.isoformat(),
            "results": [
                {
                    "uncached_input_tokens": 10 * each.prompt,
                    "cache_creation": {"ephemeral_1h_input_tokens": 0, "ephemeral_5m_input_tokens": each.cached},
                    "cache_read_input_tokens": each.cached,
                    "output_tokens": 10 * each.completion,
                    "server_tool_use": {"web_search_requests": 0},
                    "api_key_id": None,
                    "workspace_id": f"wrkspc_{each.number:08x}",
                    "model": "claude-sonnet-4-20250514",
                    "service_tier": "standard",
                    "context_window": "0-200k",
                }
                for each in bucket
            ],
        }
        for bucket in buckets(count)
    ]
    path.write_text(json.dumps({"data": data, "has_more": False, "next_page": None}))


def _typed(**values: object) -> list[dict[str, Any]]:
    return [
        {
            "key": name.replace("__", "."),
            "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value},
        }
        for name, value in values.items()
    ]


def _span(each: Request) -> dict[str, Any]:
    call = _typed(
        gen_ai__operation__name="invoke_agent" if each.is_around else "chat",
        gen_ai__provider__name="openai",
        gen_ai__request__model=each.model,
        gen_ai__response__model=each.model,
    )
    if not each.is_around:
        call += _typed(
            gen_ai__usage__input_tokens=each.prompt,
            gen_ai__usage__output_tokens=each.completion,
            gen_ai__usage__cache_read__input_tokens=each.cached,
        )
    return {
        "traceId": each.trace,
        "spanId": each.span,
        "parentSpanId": each.parent,
        "name": "answer" if each.is_around else "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": str(int(each.begin.timestamp()) * 10**9 + each.begin.microsecond * 1000),
        "endTimeUnixNano": str(int(each.end.timestamp()) * 10**9 + each.end.microsecond * 1000),
        "attributes": call,
        "status": {},
    }


def _otlp(path: Path, count: int) -> None:
    resource = {"attributes": _typed(service__name="shop", deployment__environment__name="production")}
    schema = "https://opentelemetry.io/schemas/1.40.0"
    _lines(
        path,
        (
            {
                "resourceSpans": [
                    {
                        "resource": resource,
                        "scopeSpans": [
                            {
                                "scope": {"name": "shop", "version": "1"},
                                "spans": list(map(_span, bucket)),
                                "schemaUrl": schema,
                            }
                        ],
                    }
                ]
            }
            for bucket in buckets(count)
        ),
    )


def _burstgpt(path: Path, count: int) -> None:
    _csv(
        path,
        (
            {
                "Timestamp": (each.begin - START).total_seconds(),
                "Session ID": each.number,
                "Elapsed time": each.duration.total_seconds(),
                "Model": "GPT-4",
                "Request tokens": each.prompt,
                "Response tokens": each.completion,
                "Total tokens": each.prompt + each.completion,
                "Log Type": "Conversation log",
            }
            for each in requests(count)
        ),
    )


def _mooncake(path: Path, count: int) -> None:
    _lines(
        path,
        (
            {
                "timestamp": (each.begin - START) // timedelta(milliseconds=1),
                "input_length": each.prompt,
                "output_length": each.completion,
                "hash_ids": list(range(each.number, each.number + each.prompt // 512)),
            }
            for each in requests(count)
        ),
    )


def _azure(path: Path, count: int) -> None:
    _csv(
        path,
        (
            {"TIMESTAMP": str(each.begin), "ContextTokens": each.prompt, "GeneratedTokens": each.completion}
            for each in requests(count)
        ),
    )


_GPT_4: Final = (_ORGANISATION, "provider=openai", "model=gpt-4")
KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "CSV": Kind(write=write_plain, sets=()),
        "CSV with ids": Kind(write=_with_ids, sets=()),
        "litellm": Kind(write=_litellm),
        "langfuse": Kind(write=_langfuse),
        "helicone": Kind(write=_helicone, sets=(_ORGANISATION, "provider=openai")),
        "phoenix": Kind(write=_phoenix, sets=(_ORGANISATION, "provider=openai")),
        "openai-usage": Kind(write=_openai_usage),
        "anthropic-usage": Kind(write=_anthropic_usage),
        "otlp-json": Kind(write=_otlp),
        "burstgpt": Kind(write=_burstgpt, start=START),
        "mooncake": Kind(write=_mooncake, sets=_GPT_4, start=START),
        "azure-2024": Kind(write=_azure, sets=_GPT_4),
    }
)
"""By the name of the preset that knows it, where there is one."""
