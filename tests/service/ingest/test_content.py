"""Content is kept, cut or dropped, and masked, in whatever column and attribute it comes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_service.database.content_policy import KEEP, ContentMode, ContentPolicy, Redaction
from analytics_service.ingest.content import applied, masked

DROP = ContentPolicy(mode=ContentMode.DROP)
CUT = ContentPolicy(mode=ContentMode.TRUNCATE, characters=5)
MASK = ContentPolicy(redact=frozenset(Redaction))
DIARY = "my cat's secret diary of ann@example.org"


def a_row(**attributes: Any) -> dict[str, Any]:
    row = {
        "model": "gpt-4",
        "prompt_tokens": 7,
        "input_text": DIARY,
        "output_text": "short",
        "user_id": "ann@example.org",
    }
    return {**row, "error_message": f"refused: {DIARY}", "attributes": json.dumps(attributes)}


def attributes(policy: ContentPolicy, **given: Any) -> Any:
    return json.loads(applied(policy, a_row(**given)).get("attributes", "{}"))


def test_what_is_kept_is_the_same_row() -> None:
    row = a_row(a=1)
    assert applied(KEEP, row) is row


def test_texts_are_dropped_and_all_that_is_counted_stays() -> None:
    row = a_row()
    assert applied(DROP, row) == {name: row[name] for name in ("model", "prompt_tokens", "user_id", "error_message")}
    assert row["input_text"] == DIARY, "the row that was given is another"


def test_texts_are_cut_where_they_are_longer() -> None:
    cut = applied(CUT, a_row())
    assert (cut["input_text"], cut["output_text"]) == ("my ca…", "short")


CONTENT = [
    *(
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.system_instructions",
        "gen_ai.prompt",
        "gen_ai.completion",
    ),
    *(
        "gen_ai.prompt.0.content",
        "gen_ai.completion.0.tool_calls.0.arguments",
        "gen_ai.tool.call.result",
        "input.value",
    ),
    *("output.value", "llm.input_messages.0.message.content", "llm.prompts", "retrieval.documents.0.document.content"),
    *("traceloop.entity.input", "traceloop.entity.output", "langfuse.observation.input", "langfuse.trace.output"),
    *("ai.prompt.messages", "ai.response.text", "ai.toolCall.args", "mlflow.spanInputs", "db.query.text"),
    *("user_prompt", "input_text", "userPrompt", "final_result", "tool_arguments", "tool_response", "lk.user_input"),
    *("pydantic_ai.all_messages", "all_messages_events", "llm.prompt_template.variables", "lk.chat_ctx"),
    *("gcp.vertex.agent.llm_request", "gcp.vertex.agent.llm_response", "gcp.vertex.agent.tool_call_args"),
]
OTHERS = [
    *("gen_ai.request.model", "gen_ai.response.id", "gen_ai.output.type", "input.mime_type", "service.version"),
    *("llm.input_messages.0.message.role", "gen_ai.response.finish_reasons", "deployment.environment", "team"),
    *("prompt_name", "message_id", "gen_ai.tool.call.id", "content_type", "llm.request.type", "input_cost"),
]


@pytest.mark.parametrize("name", CONTENT)
def test_attributes_with_content_are_dropped_and_cut(name: str) -> None:
    assert attributes(DROP, **{name: DIARY, "a": 1}) == {"a": 1}
    assert attributes(CUT, **{name: DIARY}) == {name: "my ca…"}
    assert attributes(DROP, **{name: 7}) == {name: 7}, "a number is no content"


@pytest.mark.parametrize("name", OTHERS)
def test_other_attributes_stay(name: str) -> None:
    assert attributes(DROP, **{name: "what it is"}) == attributes(CUT, **{name: "what it is"}) == {name: "what it is"}


def test_nested_attributes_are_content_below_a_name_that_says_so() -> None:
    given = {
        "gen_ai": {"input": {"messages": [{"role": "user", "content": DIARY}, DIARY]}, "usage": {"input": 7}},
        "metadata": {"prompt": DIARY, "tags": ["a", None], "price": 0.1},
    }
    assert attributes(DROP, **given) == {
        "gen_ai": {"input": {"messages": [{"role": "user"}]}, "usage": {"input": 7}},
        "metadata": {"tags": ["a", None], "price": 0.1},
    }


def test_a_row_whose_attributes_were_content_alone_has_none() -> None:
    assert "attributes" not in applied(DROP, a_row(**{"input.value": DIARY}))


def test_masks_go_through_everything_but_what_rows_are_grouped_by() -> None:
    row = applied(MASK, a_row(note=DIARY, deep=[{"input": DIARY}]))
    assert row["user_id"] == "ann@example.org"
    for text in (row["input_text"], row["error_message"], row["attributes"]):
        assert "ann@example.org" not in text
        assert "diary of [email]" in text


def test_what_is_cut_was_masked_before() -> None:
    policy = ContentPolicy(mode=ContentMode.TRUNCATE, characters=30, redact=frozenset({Redaction.EMAIL}))
    assert applied(policy, a_row())["input_text"] == "my cat's secret diary of [emai…"


@pytest.mark.parametrize(
    ("redaction", "text", "masks"),
    [
        ("email", "ask ann.b+c@mail.example.org, or me@localhost", "ask [email], or me@localhost"),
        ("phone", "call +49 (30) 1234-567 or 12345678", "call [phone] or 12345678"),
        ("phone", "1+1234567 = 1234568", "1+1234567 = 1234568"),
        ("credit_card", "4111 1111 1111 1111, 4111-1111-1111-1112", "[credit_card], 4111-1111-1111-1112"),
        ("credit_card", "12345678901234567890123", "12345678901234567890123"),
        ("iban", "to DE89 3704 0044 0532 0130 00.", "to [iban]."),
        ("iban", "to GB82WEST12345698765432 GB83WEST12345698765432", "to [iban] GB83WEST12345698765432"),
        ("ip_address", "10.0.0.1, 2001:db8::1, 999.0.0.1", "[ip_address], [ip_address], 999.0.0.1"),
        ("ip_address", "1.2.3.4.5", "1.2.3.4.5"),
        ("ip_address", "1:2:3:4:5:6:7:8 at 12:30:15.", "[ip_address] at 12:30:15."),
        ("secret", "sk-proj-abcdefghijklmnopqrstuvwx AKIAABCDEFGHIJKLMNOP", "[secret] [secret]"),
        ("secret", "ghp_" + "a1" * 18 + " task-force and desk-" + "a" * 30, "[secret] task-force and desk-" + "a" * 30),
        ("secret", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl", "Bearer [secret]"),
        ("secret", "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----.", "[secret]."),
        ("secret", "llmo_sk_" + "a" * 49, "[secret]"),
    ],
)  # fmt: skip
def test_each_redaction_masks_what_it_is_called_and_nothing_like_it(redaction: str, text: str, masks: str) -> None:
    assert masked(text, frozenset({Redaction(redaction)})) == masks
    assert masked(text, frozenset()) == text


@given(st.text(alphabet="aA1 .:@+-/eyJ_=([{", max_size=300))
def test_masking_again_changes_nothing(text: str) -> None:
    once = masked(text, frozenset(Redaction))
    assert masked(once, frozenset(Redaction)) == once


@pytest.mark.parametrize(
    "part",
    [
        "a",
        "1",
        "1 ",
        "A1",
        "eyJ",
        "eyJaaaaaaaaaaa.",
        "@",
        "a@",
        "a@a.",
        "sk-",
        "+1",
        "+1(",
        ":",
        "1.",
        "-----BEGIN ",
        "xoxb-",
    ],
)
def test_a_long_text_of_any_shape_is_masked_to_its_end(part: str) -> None:
    """A pattern that takes the square of its text would not come back from a megabyte."""
    text = part * (1_000_000 // len(part))
    assert masked(f"{text} ann@example.org", frozenset(Redaction)).endswith("[email]")
