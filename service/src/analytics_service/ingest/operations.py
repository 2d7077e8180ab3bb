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
_CALLS_OF_NO_MODEL: Final = (
    *("moderation", "moderations", "alist_input_items", "vector_stores", "code_interpreter_sessions"),
    *("create_file", "file_content", "file_delete", "file_list", "file_retrieve"),
    *("create_assistants", "delete_assistant", "get_assistants", "create_thread", "get_thread"),
    *("add_message", "get_messages"),
    *("create_batch", "retrieve_batch", "list_batches", "cancel_batch"),
    *("create_fine_tuning_job", "cancel_fine_tuning_job", "list_fine_tuning_jobs", "retrieve_fine_tuning_job"),
    *("vector_store_create", "vector_store_search", "vector_store_file_create", "vector_store_file_list"),
    *("vector_store_file_retrieve", "vector_store_file_content", "vector_store_file_update"),
    *("vector_store_file_delete", "create_container", "list_containers", "retrieve_container", "delete_container"),
    *("list_container_files", "upload_container_file", "create_skill", "create_sandbox", "delete_sandbox"),
)
"""Of a provider's API beside its models, as LiteLLM and OpenAI name them: no tokens are charged for them. LiteLLM's
asynchronous ones have an `a` before their name."""
_UNTOLD: Final = (
    *("task", "step", "function", "search", "query", "prompt", "trace", "session", "unknown", "other", "http", "db"),
    *("internal", "server", "client", "producer", "consumer"),
)
"""Of calls and of other spans alike: OpenTelemetry's kind of every call is CLIENT."""


def _plain(operation: str) -> str:
    return operation.strip().lower().replace("-", "").replace("_", "").replace(" ", "")


_SPAN_NAMES: Final = frozenset(
    map(_plain, (*_SPANS, *_CALLS_OF_NO_MODEL, *(f"a{name}" for name in _CALLS_OF_NO_MODEL)))
)
_UNTOLD_NAMES: Final = frozenset(map(_plain, _UNTOLD))


@lru_cache(maxsize=10_000)
def is_request(operation: str, *, has_model_or_tokens: bool) -> bool:
    """An operation that is in no list is one, as chats, embeddings and whatever else calls a model."""
    plain = _plain(operation)
    return has_model_or_tokens if plain in _UNTOLD_NAMES else plain not in _SPAN_NAMES
