"""The reports of providers on an organisation's usage: buckets of time, of which each has sums by model, project and
more. Pure.

A bucket that is reported again has the same id, whatever its sums are by then.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

_OPENAI_DIMENSIONS: Final = (
    *("object", "project_id", "user_id", "api_key_id", "model", "batch", "service_tier"),
    *("size", "source"),
)
_ANTHROPIC_DIMENSIONS: Final = (
    *("api_key_id", "workspace_id", "model", "service_tier", "context_window", "inference_geo"),
    *("account_id", "service_account_id"),
)
_MAX_PROMPTS: Final[Mapping[str, int]] = MappingProxyType({"200k-1M": 1_000_000})
"""Tokens that one request can have read, by the window that it was in."""
_JSON: Final = json.JSONEncoder(sort_keys=True, default=str)
_SHORT_PROMPT: Final = 200_000
"""The same of all other windows, and of a report that is not grouped by them."""


def openai(bucket: Any) -> Iterator[dict[str, Any] | ValueError]:
    """The results of a bucket of organization/usage that have requests, and the reason in the place of what is none."""
    for result in _results(bucket):
        if isinstance(result, ValueError):
            yield result
        elif "num_model_requests" not in result:
            yield ValueError(
                f"{str(result.get('object'))[:60]!r} has no num_model_requests: import the usage of models"
            )
        elif result["num_model_requests"]:
            yield {
                **result,
                "start_time": bucket.get("start_time"),
                "bucket_id": _identity(bucket, result, _OPENAI_DIMENSIONS),
                "object": str(result.get("object", "")).removeprefix("organization.usage.").removesuffix(".result"),
                "service_tier": "batch" if result.get("batch") else result.get("service_tier"),
                "attributes": _others(result, "api_key_id", "size", "source"),
            }


def anthropic(bucket: Any) -> Iterator[dict[str, Any] | ValueError]:
    """The results of a bucket of usage_report/messages, each with the fewest requests that can have read its tokens:
    the report does not say how many there were.
    """
    for result in _results(bucket):
        if isinstance(result, ValueError):
            yield result
            continue
        longest = _MAX_PROMPTS.get(str(result.get("context_window")), _SHORT_PROMPT)
        yield {
            **result,
            "starting_at": bucket.get("starting_at"),
            "bucket_id": _identity(bucket, result, _ANTHROPIC_DIMENSIONS),
            "request_count": max(1, -(-_prompt_tokens(result) // longest)),
            "attributes": _others(result, "api_key_id", "context_window", "inference_geo"),
        }


def _prompt_tokens(result: Mapping[str, Any]) -> int:
    written = result.get("cache_creation")
    counts = (
        *(result.get(name) for name in ("uncached_input_tokens", "cache_read_input_tokens")),
        *(written.values() if isinstance(written, dict) else ()),
    )
    return sum(count for count in counts if isinstance(count, int))


def _results(bucket: Any) -> Iterator[dict[str, Any] | ValueError]:
    results = bucket.get("results") if isinstance(bucket, dict) else None
    if not isinstance(results, list):
        yield ValueError("a bucket has no list of results")
        return
    yield from (each if isinstance(each, dict) else ValueError("a result is no JSON object") for each in results)


def _others(result: Mapping[str, Any], *names: str) -> dict[str, Any] | None:
    """The dimensions that fill no field of their own."""
    return {name: result[name] for name in names if result.get(name) is not None} or None


def _identity(bucket: Mapping[str, Any], result: Mapping[str, Any], dimensions: tuple[str, ...]) -> str:
    """Made of the bucket's own members, its times among them, and of the dimensions of the result."""
    times = {name: value for name, value in bucket.items() if name != "results"}
    known = {name: result[name] for name in dimensions if result.get(name) is not None}
    text = _JSON.encode([times, known])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
