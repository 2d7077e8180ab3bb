"""Which operations are requests: calls of a model; everything else that tracing systems record is a span. Pure.

The names are those of OpenTelemetry, OpenInference, Langfuse, LangSmith, OpenLLMetry, LiteLLM and the Vercel AI SDK,
compared without regard to case, `-` and `_`.
"""

from functools import lru_cache
from typing import Final

_SPANS: Final = (
    *("agent", "create_agent", "invoke_agent", "chain", "workflow", "invoke_workflow", "tool", "execute_tool"),
    *("tool_call", "retriever", "retrieval", "retrieve", "vector_search", "guardrail", "evaluator", "evaluation"),
    *("parser", "span", "event", "ai.generatetext", "ai.streamtext", "ai.generateobject", "ai.streamobject"),
    *("ai.embed", "ai.embedmany", "ai.toolcall", "call_mcp_tool", "list_mcp_tools", "batch_status"),
)
_UNTOLD: Final = (
    *("task", "step", "function", "search", "query", "prompt", "trace", "session", "unknown", "other", "http", "db"),
    *("internal", "server", "client", "producer", "consumer"),
)
"""Of calls and of other spans alike: OpenTelemetry's kind of every call is CLIENT."""


def _plain(operation: str) -> str:
    return operation.strip().lower().replace("-", "").replace("_", "").replace(" ", "")


_SPAN_NAMES: Final = frozenset(map(_plain, _SPANS))
_UNTOLD_NAMES: Final = frozenset(map(_plain, _UNTOLD))


@lru_cache(maxsize=10_000)
def is_request(operation: str, *, has_model_or_tokens: bool) -> bool:
    """An operation that is in no list is one, as chats, embeddings and whatever else calls a model."""
    plain = _plain(operation)
    return has_model_or_tokens if plain in _UNTOLD_NAMES else plain not in _SPAN_NAMES
