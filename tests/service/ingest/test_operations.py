"""Calls of models are requests; agents, chains, tools and the like are spans."""

import pytest

from analytics_service.ingest.operations import is_request


@pytest.mark.parametrize(
    ("operation", "with_tokens", "without"),
    [
        ("LLM", True, True),
        ("GENERATION", True, True),
        ("text_completion", True, True),
        ("ai.generateText.doGenerate", True, True),
        ("embeddings", True, True),
        ("AGENT", False, False),
        ("execute_tool", False, False),
        ("ai.generateText", False, False),
        ("invoke-agent", False, False),
        ("moderation", False, False),
        ("acreate_file", False, False),
        ("a_add_message", False, False),
        ("retrieve_batch", False, False),
        ("arun_thread", True, True),
        ("aresponses", True, True),
        ("CLIENT", True, False),
        ("UNKNOWN", True, False),
        ("summarize", True, True),
        ("", True, True),
    ],
)
def test_an_operation_tells_what_a_row_is(operation: str, *, with_tokens: bool, without: bool) -> None:
    assert is_request(operation, has_model_or_tokens=True) is with_tokens
    assert is_request(operation, has_model_or_tokens=False) is without
